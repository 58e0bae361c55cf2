"""Who sits where in a launch whose launcher has no exchange of its own: the driver's book, and the seats' way to it.

It speaks the control channel's own messages (authentic, bounded, no pickle): a Hello takes a seat, a Beat says a text
and asks for what the others said, an End gives the seat back. A connection that closes without an End is a seat that
died.
"""

import dataclasses
import os
import re
import secrets
import threading
import time

from sparkcv.channel import messages
from sparkcv.channel.control import Client
from sparkcv.channel.messages import Beat, End, Hello, Message, Reply
from sparkcv.errors import ChannelError, ClusterError
from sparkcv.launchers import Body, TaskSlot

__all__ = ["Rendezvous", "RendezvousOrder", "join"]

_POLL_S = 0.1
_SEAT = re.compile(r"seat:(\d{1,6})")


@dataclasses.dataclass(frozen=True)
class RendezvousOrder:
    """What the driver sends every seat, inside Spark's task data: where its book is, and what to run."""

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    body: Body


class Rendezvous:
    """The driver's book; its two methods that ``channel.Server`` calls never block."""

    def __init__(self, count: int):
        self._lock = threading.Lock()
        self._count = count
        self._seats: dict[int, int] = {}  # by connection
        self._taken: dict[int, str] = {}  # the task of each seat that was ever taken
        self._said: list[dict[int, str]] = []  # by round of the exchange
        self._left: set[int] = set()
        self.fault = ""
        self.faulty_seat: int | None = None

    def received(self, peer: int, message: Message) -> Reply:
        """Answers one message of a seat."""
        with self._lock:
            if isinstance(message, Hello):
                return self._take(peer, message)
            seat = self._seats.get(peer)
            if seat is None:
                return Reply(order="refuse", reason="nobody sits there")
            if isinstance(message, End):
                self._left.add(seat)
                if message.error:
                    self._blame(seat, message.error)
                return Reply()
            if isinstance(message, Beat):
                return self._exchange(seat, message.status or {})
            return Reply(order="refuse", reason="a seat says no such thing")

    def closed(self, peer: int) -> None:
        """Notes that a connection is gone."""
        with self._lock:
            seat = self._seats.get(peer)
            if seat is not None and seat not in self._left:
                self._blame(seat, "its process is gone")

    def all_left(self) -> bool:
        """Whether every seat has been taken and given back."""
        with self._lock:
            return len(self._left) == self._count

    def _take(self, peer: int, hello: Hello) -> Reply:
        found = _SEAT.fullmatch(hello.role)
        seat = int(found[1]) if found else self._count
        if seat >= self._count:
            return Reply(order="refuse", reason=f"there is no {hello.role} among {self._count} seats")
        if seat in self._taken:
            # Spark tries a failed task again, by itself and alone: what it ran is one of several that began together.
            return Reply(order="refuse", reason=f"{hello.role} was taken by task {self._taken[seat]} already")
        self._taken[seat] = hello.task
        self._seats[peer] = seat
        return Reply()

    def _exchange(self, seat: int, status: dict[str, object]) -> Reply:
        """Notes a text, or gives one back once all have said theirs; ``attempt`` counts who have."""
        number, text, whose = status.get("round"), status.get("say"), status.get("hear")
        if not isinstance(number, int) or not 0 <= number <= len(self._said):
            return Reply(order="refuse", reason="no such round")
        if number == len(self._said):
            self._said.append({})
        said = self._said[number]
        if isinstance(text, str):
            said[seat] = text
        heard = said.get(whose, "") if isinstance(whose, int) and len(said) == self._count else ""
        return Reply(reason=heard, attempt=len(said))

    def _blame(self, seat: int, error: str) -> None:
        if self.faulty_seat is None:
            self.faulty_seat, self.fault = seat, error


def join(order: RendezvousOrder, index: int, count: int, task: str, scratch_root: str, gpus: tuple[str, ...]) -> None:
    """Takes a seat, runs the body there, and tells the driver how it ended.

    Raises ClusterError if the seat is taken, and what the body raises.
    """
    with Client(order.driver, order.secret) as client:
        hello = Hello(f"seat:{index}", 0, secrets.token_hex(8), client.local_host, task, os.getpid())
        reply = client.request(hello)
        if reply.order != "go":
            raise ClusterError(reply.reason)
        seat = TaskSlot(index, client.local_host, task, scratch_root, _Exchange(client, count), gpus)
        try:
            order.body(seat)
        except BaseException as err:
            client.request(_end(f"{type(err).__name__}: {err}"))
            raise
        client.request(_end(""))


class _Exchange:
    """Gives a text to all seats and returns everybody's, by index."""

    def __init__(self, client: Client, count: int):
        self._client, self._count, self._round = client, count, 0

    def __call__(self, text: str) -> list[str]:
        status: dict[str, object] = {"round": self._round, "say": text}
        while self._ask(status).attempt < self._count:
            time.sleep(_POLL_S)  # the driver only answers: there is nothing to wait on
        heard = [self._ask({"round": self._round, "hear": whose}).reason for whose in range(self._count)]
        self._round += 1
        return heard

    def _ask(self, status: dict[str, object]) -> Reply:
        beat = Beat(state="running", pid=os.getpid(), rss_bytes=0, status=status, lines=[], num_dropped=0)
        reply = self._client.request(beat)
        if reply.order != "go":
            raise ChannelError(reply.reason)
        return reply


def _end(error: str) -> End:
    return End(
        returncode=1 if error else 0,
        result=None,
        error=error[: messages.MAX_SENTENCE_CHARS],
        error_kind="",
        tail=[],
        peak_rss_bytes=0,
    )
