"""What a node process says to its agent: whole messages of JSON on one socket, of which the newest status counts."""

import contextlib
import json
import socket
import threading
from typing import Any

from sparkcv.channel import messages
from sparkcv.errors import ClusterError, UsageError

__all__ = ["Uplink", "jsonable"]

_SEND_TIMEOUT_S = 10.0


class Uplink:
    """The node process's end of the socket."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._lock = threading.Lock()
        self._waiting: bytes | None = None  # the newest status, while the agent has no room for it

    def report(self, status: dict[str, Any]) -> None:
        """Send ``status`` without ever blocking; raises UsageError for one that is too large or no JSON."""
        try:
            data = json.dumps({"status": status}, default=jsonable).encode()
        except (TypeError, ValueError) as err:
            raise UsageError(f"a status must be JSON-able, got {str(status)[:200]}: {err}") from err
        if len(data) > messages.MAX_STATUS_BYTES:
            raise UsageError(f"a status takes {messages.MAX_STATUS_BYTES} bytes at most, got {len(data)}")
        with self._lock:
            self._waiting = data
            self._flush()

    def send_ready(self) -> None:
        """Say that the program is loaded and starts now."""
        with self._lock:
            self._sock.send(b'{"ready": true}')

    def send_told_to_end(self) -> None:
        """Say that a SIGTERM came; called by a signal's handler, so it takes no lock that its thread may hold."""
        with contextlib.suppress(OSError):
            self._sock.send(b'{"told_to_end": true}', socket.MSG_DONTWAIT)

    def send_last(self, outcome: dict[str, Any]) -> None:
        """Send the last message, and the newest status before it; raises ClusterError if the agent takes neither."""
        try:
            with self._lock:
                self._sock.settimeout(_SEND_TIMEOUT_S)
                if self._waiting is not None:
                    self._sock.send(self._waiting)
                self._sock.send(json.dumps(outcome).encode())
        except OSError as err:
            raise ClusterError(f"the agent does not take the role's result: {err}") from err

    def _flush(self) -> None:
        if self._waiting is None:
            return
        try:
            self._sock.send(self._waiting, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:  # the agent is gone, and this process is about to be
            pass
        self._waiting = None


def jsonable(value: object) -> object:
    """Return NumPy's scalars and arrays as Python's, for json; raises TypeError for anything else."""
    to_list = getattr(value, "tolist", None)
    if to_list is None:
        raise TypeError(f"a {type(value).__name__} has no JSON form")
    return to_list()
