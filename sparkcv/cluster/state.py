"""What the driver knows of each role: written by the channel's thread, read by the supervisor's."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sparkcv.channel.messages import Beat, End, Hello, Message, Reply
from sparkcv.roles import Role
from sparkcv.tokens.store import with_newest

__all__ = ["RoleState", "RoleUpdate", "RunState"]

_TAIL_LINES = 40
_MAX_UPDATE_LINES = 2000  # a role, between two looks of the supervisor


@dataclasses.dataclass
class RoleState:
    """The newest of one role; times are of ``time.monotonic()``, None where it has not happened.

    Attributes:
        hello: of its agent.
        peer: number of the agent's connection; None while there is none.
        contact_s: of the agent's last word.
        hung_up_s: since when the agent has no connection.
        is_running: whether the node process has started its program.
        pid: of the node process.
        rss_bytes: resident memory at the last beat; ``peak_rss_bytes`` the highest of all beats.
        attempt: number of the node process that is meant; all that follows is of that one.
        process: what the kernel says of it, such as ``"stopped"``.
        links: which servers do not answer it, as in ``messages.Beat``.
        told_to_end: who was sent a SIGTERM from outside, as in ``messages.Beat``.
        end: how it ended; ``end_s`` when that came.
        tail: last log lines that came with beats.
    """

    role: Role
    hello: Hello | None = None
    peer: int | None = None
    contact_s: float | None = None
    hung_up_s: float | None = None
    is_running: bool = False
    pid: int = 0
    rss_bytes: int = 0
    peak_rss_bytes: int = 0
    attempt: int = 0
    process: str = ""
    links: str = ""
    told_to_end: str = ""
    end: End | None = None
    end_s: float | None = None
    tail: Sequence[str] = ()


@dataclasses.dataclass
class RoleUpdate:
    """What a role said since the supervisor looked last: its newest status, if new, and its log lines."""

    role: Role
    status: dict[str, Any] | None = None
    lines: list[str] = dataclasses.field(default_factory=list)
    num_dropped: int = 0


class RunState:
    """All roles of one generation; every method may be called from any thread."""

    def __init__(
        self, roles: Sequence[Role], generation: int, tokens: Callable[[], tuple[int, bytes]] = lambda: (0, b"")
    ):
        """Begin empty; ``tokens`` gives number and bytes of the newest file of delegation tokens, for every agent."""
        self._generation, self._tokens = generation, tokens
        self._changed = threading.Condition()
        self._seen = {role: RoleState(role) for role in roles}
        self._by_name = {str(role): role for role in roles}
        self._by_peer: dict[int, Role] = {}
        self._tails = {role: collections.deque[str](maxlen=_TAIL_LINES) for role in roles}
        self._updates: dict[Role, RoleUpdate] = {}
        self._orders: dict[Role, Reply] = {}
        self._numbers = dict.fromkeys(roles, 0)  # of each agent's newest beat

    def received(self, peer: int, message: Message) -> Reply:
        """Note a message and return what its sender is to do; the ``on_message`` of the channel's server."""
        with self._changed:
            reply = self._join(peer, message) if isinstance(message, Hello) else self._note(peer, message)
            self._changed.notify_all()
        return with_newest(reply, message, self._tokens())

    def closed(self, peer: int) -> None:
        """Note that a connection has ended; the ``on_close`` of the channel's server."""
        with self._changed:
            role = self._by_peer.pop(peer, None)
            if role is not None and self._seen[role].peer == peer:
                self._seen[role].peer = None
                self._seen[role].hung_up_s = time.monotonic()
            self._changed.notify_all()

    def order_stop(self, roles: Iterable[Role], grace_s: float, reason: str) -> None:
        """Answer these roles' next beats with the order to stop within ``grace_s``; the first such order stays."""
        with self._changed:
            for role in roles:
                if not self._is_stopping(role):
                    self._orders[role] = Reply("stop", grace_s, reason)

    def order_restart(self, roles: Iterable[Role], reason: str) -> None:
        """Make the agents of these roles start their node processes anew, at their next beats."""
        with self._changed:
            for role in roles:
                before = self._seen[role]
                attempt = before.attempt + 1
                self._orders[role] = Reply("restart", reason=reason, attempt=attempt)
                self._tails[role].clear()
                self._seen[role] = RoleState(
                    role, before.hello, before.peer, before.contact_s, before.hung_up_s, attempt=attempt
                )

    def order_stacks(self, roles: Iterable[Role]) -> None:
        """Make the node processes of these roles write their threads' stacks to their logs, and look at their links."""
        with self._changed:
            for role in roles:
                if not self._is_stopping(role):
                    self._orders[role] = Reply("stacks", attempt=self._seen[role].attempt)
                    self._seen[role].links = ""

    def end_stacks(self, roles: Iterable[Role]) -> None:
        """Take that order back, so that it can be given again."""
        with self._changed:
            for role in roles:
                if role in self._orders and self._orders[role].order == "stacks":
                    del self._orders[role]

    def is_stopping(self, role: Role) -> bool:
        """Return whether the role has been ordered to stop."""
        with self._changed:
            return self._is_stopping(role)

    def look(self) -> list[RoleState]:
        """Return a copy of what is known of each role, in the roles' order."""
        with self._changed:
            return [dataclasses.replace(seen, tail=tuple(self._tails[role])) for role, seen in self._seen.items()]

    def take_updates(self) -> list[RoleUpdate]:
        """Return what came since the last call."""
        with self._changed:
            updates, self._updates = list(self._updates.values()), {}
            return updates

    def wait(self, timeout_s: float) -> None:
        """Wait until something has changed, for ``timeout_s`` at most."""
        with self._changed:
            self._changed.wait(timeout_s)

    def _is_stopping(self, role: Role) -> bool:
        return role in self._orders and self._orders[role].order == "stop"

    def _join(self, peer: int, hello: Hello) -> Reply:
        role = self._by_name.get(hello.role)
        if role is None:
            return Reply("refuse", reason=f"the run has no role {hello.role}")
        if hello.generation != self._generation:
            return Reply("refuse", reason=f"generation {hello.generation} is over, {self._generation} runs")
        seen = self._seen[role]
        if seen.hello is not None and seen.hello.agent != hello.agent:
            return Reply("refuse", reason=f"{role} is held by another agent, on {seen.hello.host}")
        if seen.peer is not None:
            self._by_peer.pop(seen.peer, None)
        seen.hello, seen.peer, seen.hung_up_s, seen.contact_s = hello, peer, None, time.monotonic()
        self._by_peer[peer] = role
        return self._orders.get(role, Reply())

    def _note(self, peer: int, message: Message) -> Reply:
        role = self._by_peer.get(peer)
        if role is None:
            return Reply("refuse", reason="an agent says hello first")
        seen = self._seen[role]
        seen.contact_s = time.monotonic()
        if isinstance(message, Beat):
            self._note_beat(seen, message)
        elif isinstance(message, End) and message.attempt == seen.attempt and seen.end is None:
            # It may be sent again after a lost answer, and come of a process that was replaced.
            seen.end, seen.end_s = message, time.monotonic()
            seen.is_running = seen.is_running or message.was_running  # a short life may end between two beats
            seen.peak_rss_bytes = max(seen.peak_rss_bytes, message.peak_rss_bytes)
        return self._orders.get(role, Reply())

    def _note_beat(self, seen: RoleState, beat: Beat) -> None:
        if 0 < beat.number <= self._numbers[seen.role]:  # it had come, and its answer was lost
            return
        self._numbers[seen.role] = max(beat.number, self._numbers[seen.role])
        seen.told_to_end = seen.told_to_end or beat.told_to_end
        update = self._updates.setdefault(seen.role, RoleUpdate(seen.role))
        if beat.attempt == seen.attempt:
            seen.is_running = seen.is_running or beat.state == "running"
            seen.pid = beat.pid or seen.pid
            seen.process = beat.process
            seen.links = beat.links
            seen.rss_bytes = beat.rss_bytes
            seen.peak_rss_bytes = max(seen.peak_rss_bytes, beat.rss_bytes)
            self._tails[seen.role].extend(beat.lines)
            update.status = beat.status if beat.status is not None else update.status
        room = max(0, _MAX_UPDATE_LINES - len(update.lines))
        update.lines += beat.lines[:room]
        update.num_dropped += beat.num_dropped + len(beat.lines[room:])
