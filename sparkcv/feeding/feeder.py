"""The feeding task: brings the rows of one Spark partition to a worker, and the results back.

What a worker has not taken yet is kept here, and sent again where its process is started anew.
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

__all__ = ["FeedPlan", "feed", "place"]

_ASK_EVERY_S = 5.0
_RETRY_S = 0.2

_log = logs.get(__name__)
_NOTHING = object()


@dataclasses.dataclass(frozen=True)
class FeedPlan:
    """What every feeding task is told, inside Spark's task data.

    Attributes:
        desk: host and port of the driver's desk.
        secret: of the feeding; shown nowhere.
        queue: which of the worker's queues gets the rows.
        timeout_s: how long a worker may take no row.
        wants_results: whether each row is to be answered by one result.
    """

    desk: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    queue: str
    timeout_s: float
    wants_results: bool
    chunk_bytes: int = CHUNK_BYTES


def place() -> str:
    """A name for this executor, the same in all its processes: Spark's block folders are each executor's own."""
    text = f"{socket.gethostname()}\n{os.environ.get('SPARK_LOCAL_DIRS', '')}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def feed(plan: FeedPlan, rows: Iterable[Any], host: str = "") -> Iterator[Any]:
    """Feeds all rows and gives their results, if there are to be some, in the rows' order.

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
        return  # an empty partition is no news to anybody
    feeder = _Feeder(plan, host)
    if feeder.has_enough:
        return
    try:
        for chunk in chunks(itertools.chain([first], rows), plan.chunk_bytes):
            yield from feeder.bring(chunk)
            if feeder.has_enough:
                return
        yield from feeder.finish()
    finally:
        feeder.close()


class _Feeder:
    """One partition on its way to one worker."""

    def __init__(self, plan: FeedPlan, host: str):
        self._plan = plan
        self._role, self._attempt = "", -1
        self._stream: Stream | None = None
        self._window = 0
        self._num_chunks = 0
        self._kept: dict[int, Chunk] = {}  # not taken, or without results
        self._unsent: collections.deque[int] = collections.deque()
        self._on_the_way: dict[int, int] = {}  # bytes by chunk that is sent and not taken
        self._results: dict[int, list[Any]] = {}
        self._next_result = 0
        self._has_end = self._has_told_end = False
        self.has_enough = False
        self._progress_s = time.monotonic()
        self._find(["where", place(), host])

    def bring(self, chunk: Chunk) -> Iterator[Any]:
        """Sends one more chunk as soon as the worker has room; gives the results that came meanwhile."""
        self._kept[self._num_chunks] = chunk
        self._unsent.append(self._num_chunks)
        self._num_chunks += 1
        while self._unsent and not self.has_enough:
            self._step(0.0 if self._has_room() else _ASK_EVERY_S)
            yield from self._ready()

    def finish(self) -> Iterator[Any]:
        """Waits until the worker has taken all, and gives the rest of the results."""
        self._has_end = True
        while self._kept and not self.has_enough:
            self._step(_ASK_EVERY_S)
            yield from self._ready()

    def close(self) -> None:
        """Hangs up."""
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

    def _step(self, patience_s: float) -> None:
        """Sends what there is room for, and hears one message, or none within ``patience_s``."""
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
            message = stream.receive(patience_s)
        except ChannelError as err:
            _log.debug("%s hung up: %s", self._role, err)
            self._lose()
            return
        if message is not None:
            self._hear(message)
        elif patience_s:
            self._check_patience()

    def _hear(self, message: StreamMessage) -> None:
        self._progress_s = time.monotonic()
        match message:
            case ["taken", int(number)]:
                self._on_the_way.pop(number, None)
                if not self._plan.wants_results:
                    self._kept.pop(number, None)
            case ["results", int(number), list(parts)] if number in self._kept:
                self._results[number] = [row for data in parts for row in rows_of(data)]
                del self._kept[number]
            case ["enough"]:
                self.has_enough = True
            case ["refused", str(reason)]:
                raise ClusterError(f"{self._role} cannot be fed: {reason}")
            case other:
                raise ChannelError(f"expected a worker's word, got {str(other)[:80]}")

    def _check_patience(self) -> None:
        """Asks whether the worker still is the same, and gives up on one that has taken nothing for too long."""
        answer = self._asked(["ask", self._role])
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
        """Lets the desk end the run for ``reason``, so that Spark does not wait as long again three times.

        Goes on where the worker is busy with rows of other tasks, whose turn it was.
        """
        match self._asked(["give_up", self._role, float(self._plan.timeout_s), reason]):
            case ["taking", float(idle_s)]:
                self._progress_s = time.monotonic() - idle_s
            case ["failed", str(told)]:
                raise RoleFailedError(told)
            case other:
                raise ChannelError(f"expected the desk's answer, got {str(other)[:80]}")

    def _lose(self) -> None:
        """Turns to the next process of the worker: all that it has not answered for is to be sent again."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._on_the_way.clear()
        self._unsent = collections.deque(sorted(self._kept))
        self._has_told_end = False

    def _find(self, question: StreamMessage) -> None:
        """Connects to the worker, once it is up; raises the reason why it never will be."""
        deadline_s = time.monotonic() + self._plan.timeout_s
        while True:
            match self._asked(question):
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
                    raise ChannelError(f"expected the desk's answer, got {str(other)[:80]}")
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
                self._hear(message)  # enough, or refused
                return True

    def _asked(self, question: StreamMessage) -> StreamMessage:
        with connect(self._plan.desk, self._plan.secret) as desk:
            desk.send(question)
            answer = desk.receive(_ASK_EVERY_S)
        if answer is None:
            raise ChannelError("the driver's desk does not answer")
        return answer
