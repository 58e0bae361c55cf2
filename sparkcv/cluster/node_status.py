"""What an agent knows of its node process, shared between its main thread and the one that sends the heartbeats."""

import threading
from typing import Any

from sparkcv.channel.messages import Beat
from sparkcv.cluster.child import Child
from sparkcv.cluster.link_check import LinkCheck
from sparkcv.cluster.role_log import LogUploader, RoleLog, fitting
from sparkcv.cluster.sigterm import Sigterm
from sparkcv.cluster.standby import Standby

__all__ = ["NodeStatus"]


class NodeStatus:
    """The node process that runs now, or ran last.

    Attributes:
        sigterm: whether the agent itself was told to end.
        uploader: of the role's whole log; None where none is kept.
        standby: what waits beside the node process.
        attempt: number of the node process.
        child, log: the process, None if it could not be started, and the log that it writes.
        is_ready: whether it has started its program.
        links: the look at its links, if there was one.
        outcome: its last message, of its result or its error; {} before that.
        tail: the last lines of its log, once it has ended.
    """

    def __init__(self, sigterm: Sigterm) -> None:
        self._lock = threading.Lock()
        self.uploader: LogUploader | None = None
        self.standby = Standby()
        self.sigterm = sigterm
        self.tail: list[str] = []
        self._unsent: tuple[list[str], int] = ([], 0)
        self.begin(0)

    def begin(self, attempt: int, child: Child | None = None, log: RoleLog | None = None) -> None:
        """Turn to the next node process; without one it could not be started yet."""
        with self._lock:
            self.attempt, self.child, self.log = attempt, child, log
            self.links: LinkCheck | None = None
            self.is_ready = self._has_ended = self._is_told_to_end = False
            self.outcome: dict[str, Any] = {}
            self._status: dict[str, Any] | None = None

    def end(self) -> None:
        """Note that the node process is gone; the last of its log is for the next heartbeat."""
        with self._lock:
            self._has_ended = True
            if self.log is not None:
                self._unsent, self.tail, self.log = self.log.take_live(), self.log.tail(), None

    def hear(self, said: list[dict[str, Any]]) -> None:
        """Note the node process's messages; of several statuses the newest counts."""
        for message in said:
            if "ready" in message:
                self.is_ready = True
            elif "told_to_end" in message:
                self._is_told_to_end = True
            elif isinstance(message.get("status"), dict):
                with self._lock:
                    self._status = message["status"]
            else:
                self.outcome = message

    def beat(self) -> Beat:
        """Return the next heartbeat; its log lines and status are new ones."""
        with self._lock:
            status, self._status = self._status, None
            lines, num_dropped = self.log.take_live() if self.log is not None else self._unsent
            self._unsent = ([], 0)
            attempt, child = self.attempt, None if self._has_ended else self.child
            state = "ended" if self._has_ended else "running" if self.is_ready else "starting"
            was_told, links = self._is_told_to_end, self.links
        if self.uploader is not None and (error := self.uploader.take_error()):
            kept = fitting([error, *reversed(lines)])
            num_dropped += len(lines) + 1 - len(kept)
            lines = kept
        return Beat(
            state=state,
            pid=child.pid if child is not None else 0,
            rss_bytes=child.rss_bytes() + self.standby.rss_bytes() if child is not None else 0,
            status=status,
            lines=lines,
            num_dropped=num_dropped,
            attempt=attempt,
            process=child.state() if child is not None else "",
            told_to_end="agent" if self.sigterm.has_come else "process" if was_told else "",
            links=links.found if links is not None else "",
        )
