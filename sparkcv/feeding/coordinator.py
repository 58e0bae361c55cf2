"""The driver's desk for the feeding: workers say where they are, and tasks ask which worker is theirs.

A worker's process may be started again, at another port, while a task feeds it; and when the run has failed, the desk
has the reason. So a task that lost its worker asks here, instead of guessing.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Sequence

from sparkcv.channel.listener import Listener
from sparkcv.channel.stream import Stream, StreamMessage
from sparkcv.errors import ChannelError

__all__ = ["Coordinator"]

_POLL_S = 3600.0
_QUESTION_TIMEOUT_S = 30.0
_STATE_TIMEOUT_S = 2.0  # a task waits for the desk's answer no longer than 5 s


@dataclasses.dataclass
class _Worker:
    """What is known of one worker; without a stream its process is down, or has not begun."""

    role: str
    attempt: int = -1
    host: str = ""
    port: int = 0
    place: str = ""
    stream: Stream | None = None
    has_enough: bool = False
    has_returned: bool = False
    num_tasks: int = 0
    state: tuple[bool, float] | None = None  # starved, seconds since it took a row; None until it has answered


class Coordinator:
    """Knows the ``roles`` that can be fed. A context manager; closing twice is fine.

    ``given_up`` is "", or why a task has given its worker up: whoever follows the run ends it for that.
    """

    def __init__(self, host: str, secret: bytes, roles: Sequence[str]):
        """Listens on ``host``; raises ChannelError if that cannot be."""
        self._changed = threading.Condition()
        self._workers = {role: _Worker(role) for role in roles}
        self._failure = self.given_up = ""
        self._is_ended = False
        self._listener = Listener(host, secret, self._serve, "desk")
        self.port = self._listener.port

    def __enter__(self) -> "Coordinator":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def end(self) -> None:
        """Tells every worker, now and later, that nothing more will be fed."""
        with self._changed:
            self._is_ended = True
            streams = [worker.stream for worker in self._workers.values() if worker.stream is not None]
        for stream in streams:
            with contextlib.suppress(ChannelError):  # its process is gone: the next one is told when it comes
                stream.send(["end"])

    def fail(self, reason: str) -> None:
        """Answers every task, now and later, with ``reason``."""
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()

    def has_enough(self) -> bool:
        """Whether no worker wants any more rows."""
        with self._changed:
            return all(worker.has_enough or worker.has_returned for worker in self._workers.values())

    def close(self) -> None:
        """Hangs up on everybody."""
        self._listener.close()

    def _serve(self, stream: Stream) -> None:
        match stream.receive(_QUESTION_TIMEOUT_S):
            case ["where", str(place), str(host)]:
                stream.send(self._where(place, host))
            case ["ask", str(role)]:
                stream.send(self._told(role))
            case ["give_up", str(role), float(timeout_s), str(reason)]:
                stream.send(self._give_up(role, timeout_s, reason))
            case ["node", str(role), int(attempt), str(host), int(port), str(place)] if role in self._workers:
                self._attend(stream, _Worker(role, attempt, host, port, place, stream))
            case other:
                raise ChannelError(f"expected a worker or a task's question, got {str(other)[:80]}")

    def _attend(self, stream: Stream, worker: _Worker) -> None:
        """Stays with a worker's process until it hangs up."""
        with self._changed:
            known = self._workers[worker.role]
            if worker.attempt < known.attempt:
                raise ChannelError(f"{worker.role} was started again since process {worker.attempt}")
            worker.num_tasks = known.num_tasks
            if worker.attempt == known.attempt:  # it has lost the connection for a moment
                worker.has_enough, worker.has_returned = known.has_enough, known.has_returned
            self._workers[worker.role] = worker
            is_ended = self._is_ended
        try:
            stream.send(["joined", is_ended])
            while True:
                match stream.receive(_POLL_S):
                    case None:
                        pass
                    case ["enough"]:
                        worker.has_enough = True
                    case ["returned"]:
                        worker.has_returned = True
                    case ["state", bool(is_starved), float(idle_s)]:
                        with self._changed:
                            worker.state = (is_starved, idle_s)
                            self._changed.notify_all()
                    case other:
                        raise ChannelError(f"expected a worker's word, got {str(other)[:80]}")
        finally:
            worker.stream = None

    def _where(self, place: str, host: str) -> StreamMessage:
        """The worker for a task: of its own executor, else of its host, else any; of several the one with fewest tasks.

        Workers that compute their steps together stand still once one has no rows left, so all get alike.
        """
        with self._changed:
            workers = list(self._workers.values())
            own = (
                [worker for worker in workers if worker.place == place]
                or [worker for worker in workers if worker.host == host]
                or workers
            )
            wanting = [worker for worker in own if not worker.has_enough and not worker.has_returned] or own
            chosen = min(wanting, key=lambda worker: worker.num_tasks)
            chosen.num_tasks += 1
        return self._told(chosen.role)

    def _give_up(self, role: str, timeout_s: float, reason: str) -> StreamMessage:
        """Ends the feeding for ``reason``, with who else waits; or tells how long ago the worker took another's row."""
        states = self._states()
        _, idle_s = states.get(role, (False, timeout_s))
        if idle_s < timeout_s:
            return ["taking", idle_s]
        starved = [other for other, (is_starved, _) in states.items() if is_starved and other != role]
        if starved:
            verbs = ("wait", "get") if starved[1:] else ("waits", "gets")
            reason += (
                f", and {' and '.join(starved)} {verbs[0]} for rows and {verbs[1]} none: workers "
                "that compute each step together all need rows for it, so let them end after as many steps as every "
                "one surely has rows for, and call terminate() on the DataFeed"
            )
        self.given_up = self.given_up or reason
        self.fail(self.given_up)
        return ["failed", self.given_up]

    def _states(self) -> dict[str, tuple[bool, float]]:
        """What the workers that are up answer in time."""
        with self._changed:
            asked = [worker for worker in self._workers.values() if worker.stream is not None]
            for worker in asked:
                worker.state = None
        for worker in asked:
            with contextlib.suppress(ChannelError):  # it has just died
                if worker.stream is not None:
                    worker.stream.send(["state"])
        with self._changed:
            self._changed.wait_for(lambda: all(worker.state is not None for worker in asked), _STATE_TIMEOUT_S)
            return {worker.role: worker.state for worker in asked if worker.state is not None}

    def _told(self, role: str) -> StreamMessage:
        with self._changed:
            worker = self._workers.get(role)
            if self._failure:
                return ["failed", self._failure]
            if worker is None:
                return ["failed", f"the cluster has no {role} that can be fed"]
            if worker.has_enough:
                return ["enough", role]
            if worker.has_returned:
                return ["returned", role]
            if worker.stream is None:
                return ["down", role, worker.attempt]
            return ["up", role, worker.attempt, worker.host, worker.port]
