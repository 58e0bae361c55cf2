"""Feed the rows of one Spark partition to a worker, and return its results, from a Spark task.

What a worker has not taken yet is kept here, and sent again if its process is restarted.
"""

import collections
import dataclasses
import hashlib
import itertools
import os
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

from sparkcv import logs
from sparkcv.channel.stream import Stream, StreamMessage, connect
from sparkcv.errors import ChannelError, ClusterError, RoleFailedError
from sparkcv.feeding.chunks import CHUNK_BYTES, Chunk, chunks, rows_of

__all__ = ["FeedPlan", "executor_name", "feed"]

_ASK_EVERY_S = 5.0
_RETRY_S = 0.2

_log = logs.get(__name__)
_NOTHING = object()


@dataclasses.dataclass(frozen=True)
class FeedPlan:
    """What every feeding task is sent, inside Spark's task data.

    Attributes:
        coordinator: host and port of the coordinator.
        secret: of the feeding; in no repr.
        queue: which of the worker's queues gets the rows.
        timeout_s: how long a worker may take no row.
        wants_results: whether each row is to be answered by one result.
    """

    coordinator: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    queue: str
    timeout_s: float
    wants_results: bool
    chunk_bytes: int = CHUNK_BYTES


def executor_name() -> str:
    """Return a name of this executor, the same in all its processes: each executor has block folders of its own."""
    text = f"{socket.gethostname()}\n{os.environ.get('SPARK_LOCAL_DIRS', '')}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def feed(plan: FeedPlan, rows: Iterable[Any], host: str = "") -> Iterator[Any]:
    """Feed all rows and yield their results, if any are wanted, in the order of the rows.

    Returns early, without the rest of the rows, once the worker has enough.

    Raises:
        RoleFailedError: the run has failed; the message is the driver's whole report. That is also how it ends where
            the worker took no row for ``plan.timeout_s``.
        DataError: a row that cannot be carried.
        ClusterError: the worker's program returned before it took all.
    """
    rows = iter(rows)
    first = next(rows, _NOTHING)
    if first is _NOTHING:
        return  # an empty partition needs no worker
    feeder = _Feeder(plan, host)
    if feeder.has_enough:
        return
    try:
        for chunk in chunks(itertools.chain([first], rows), plan.chunk_bytes):
            yield from feeder.send(chunk)
            if feeder.has_enough:
                return
        yield from feeder.finish()
    finally:
        feeder.close()


class _Feeder:
    """Sends one partition to one worker."""

    def __init__(self, plan: FeedPlan, host: str):
        self._plan = plan
        self._role, self._attempt = "", -1
        self._stream: Stream | None = None
        self._window = 0
        self._num_chunks = 0
        self._kept: dict[int, Chunk] = {}  # not taken, or without results
        self._unsent: collections.deque[int] = collections.deque()
        self._on_the_way: dict[int, int] = {}  # bytes by chunk that is sent and not taken
        self._coming: dict[int, list[Any]] = {}  # results of chunks that have not all of theirs
        self._results: dict[int, list[Any]] = {}
        self._next_result = 0
        self._has_end = self._has_told_end = False
        self.has_enough = False
        self._progress_s = time.monotonic()
        self._find(["find", executor_name(), host])

    def send(self, chunk: Chunk) -> Iterator[Any]:
        """Send one more chunk as soon as the worker has room; yield the results that came meanwhile."""
        self._kept[self._num_chunks] = chunk
        self._unsent.append(self._num_chunks)
        self._num_chunks += 1
        while self._unsent and not self.has_enough:
            self._step(0.0 if self._has_room() else _ASK_EVERY_S)
            yield from self._ready()

    def finish(self) -> Iterator[Any]:
        """Wait until the worker has taken all, and yield the rest of the results."""
        self._has_end = True
        while self._kept and not self.has_enough:
            self._step(_ASK_EVERY_S)
            yield from self._ready()

    def close(self) -> None:
        """Close the connection to the worker."""
        if self._stream is not None:
            self._stream.close()

    def _ready(self) -> Iterator[Any]:
        while self._next_result in self._results:
            yield from self._results.pop(self._next_result)
            self._next_result += 1

    def _has_room(self) -> bool:
        if not self._unsent:
            return False
        size = len(self._kept[self._unsent[0]].data)
        return not self._on_the_way or sum(self._on_the_way.values()) + size <= self._window

    def _step(self, timeout_s: float) -> None:
        """Send what there is room for, and receive one message, or none within ``timeout_s``."""
        stream = self._stream
        if stream is None:
            self._find(["ask", self._role])
            return
        try:
            while self._has_room():
                number = self._unsent.popleft()
                chunk = self._kept[number]
                self._on_the_way[number] = len(chunk.data)
                stream.send(["rows", number, chunk.count, chunk.data])
            if self._has_end and not self._unsent and not self._has_told_end:
                self._has_told_end = True
                stream.send(["end"])
            message = stream.receive(timeout_s)
        except ChannelError as err:
            _log.debug("the connection to %s has ended: %s", self._role, err)
            self._lose()
            return
        if message is not None:
            self._handle(message)
        elif timeout_s:
            self._check_timeout()

    def _handle(self, message: StreamMessage) -> None:
        self._progress_s = time.monotonic()
        match message:
            case ["taken", int(number)]:
                self._on_the_way.pop(number, None)
                if not self._plan.wants_results:
                    self._kept.pop(number, None)
            case ["results", int(number), bytes(data)] if number in self._kept:
                found = self._coming.setdefault(number, [])
                found += rows_of(data)
                if len(found) >= self._kept[number].count:
                    self._results[number] = self._coming.pop(number)
                    del self._kept[number]
            case ["enough"]:
                self.has_enough = True
            case ["refused", str(reason)]:
                raise ClusterError(f"{self._role} cannot be fed: {reason}")
            case other:
                raise ChannelError(f"expected a worker's message, got {str(other)[:80]}")

    def _check_timeout(self) -> None:
        """Ask whether the worker's process still is the same; give up on one that has taken nothing for too long."""
        answer = self._ask(["ask", self._role])
        if answer[:1] != ["up"] or answer[2] != self._attempt:
            self._lose()
        waited_s = time.monotonic() - self._progress_s
        if waited_s > self._plan.timeout_s:
            num_rows = sum(chunk.count for chunk in self._kept.values())
            self._give_up(
                f"{self._role} has taken no row for {waited_s:.0f} s, over the feed_timeout of "
                f"{self._plan.timeout_s:g}, while {num_rows} rows wait for it"
            )

    def _give_up(self, reason: str) -> None:
        """Let the coordinator end the run for ``reason``, so that Spark does not wait as long again three times.

        Goes on where the worker is busy with rows of other tasks, whose turn it was.
        """
        match self._ask(["give_up", self._role, float(self._plan.timeout_s), reason]):
            case ["taking", float(idle_s)]:
                self._progress_s = time.monotonic() - idle_s
            case ["failed", str(report)]:
                raise RoleFailedError(report)
            case other:
                raise ChannelError(f"expected the coordinator's answer, got {str(other)[:80]}")

    def _lose(self) -> None:
        """Turn to the next process of the worker: all that the last one has not taken is to be sent again."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._on_the_way.clear()
        self._coming.clear()
        self._unsent = collections.deque(sorted(self._kept))
        self._has_told_end = False

    def _find(self, question: StreamMessage) -> None:
        """Connect to the worker, once it is up; raise the reason why it never will be."""
        deadline_s = time.monotonic() + self._plan.timeout_s
        while True:
            match self._ask(question):
                case ["failed", str(reason)]:
                    raise RoleFailedError(reason)
                case ["enough", str(role)]:
                    self._role, self.has_enough = role, True
                    return
                case ["returned", str(role)]:
                    raise ClusterError(
                        f"the map_fun of {role} returned before it had taken all rows: one that has enough calls "
                        "terminate() on its DataFeed"
                    )
                case ["up", str(role), int(attempt), str(host), int(port)]:
                    self._role = role
                    if self._join(attempt, (host, port)):
                        return
                case ["down", str(role), int()]:
                    self._role = role
                case other:
                    raise ChannelError(f"expected the coordinator's answer, got {str(other)[:80]}")
            if time.monotonic() > deadline_s:
                reason = f"{self._role} was not there to be fed for {self._plan.timeout_s:g} s"
                self._give_up(reason)
                raise ClusterError(f"{reason} from {socket.gethostname()}, though others feed it")
            question = ["ask", self._role]
            time.sleep(_RETRY_S)  # the driver decides meanwhile whether it is started again

    def _join(self, attempt: int, address: tuple[str, int]) -> bool:
        try:
            stream = connect(address, self._plan.secret)
        except ChannelError:
            return False
        try:
            stream.send(["feed", self._plan.queue, self._plan.wants_results])
            answer = stream.receive(_ASK_EVERY_S)
        except ChannelError:
            answer = None
        match answer:
            case ["go", int(window)]:
                self._stream, self._attempt, self._window = stream, attempt, window
                self._progress_s = time.monotonic()
                return True
            case None:
                stream.close()
                return False
            case message:
                stream.close()
                self._handle(message)  # enough, or refused
                return True

    def _ask(self, question: StreamMessage) -> StreamMessage:
        with connect(self._plan.coordinator, self._plan.secret) as coordinator:
            coordinator.send(question)
            answer = coordinator.receive(_ASK_EVERY_S)
        if answer is None:
            raise ChannelError("the coordinator of the feeding does not answer")
        return answer
