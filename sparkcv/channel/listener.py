"""Accept streams: a port, and a thread for each connection to it.

control.py says why it stands beside the server of the control channel.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

from sparkcv import logs
from sparkcv.channel.ports import listen
from sparkcv.channel.stream import Stream
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError

__all__ = ["Listener"]

_MOST_CONNECTIONS = 512  # of all that are open, strangers' included
_HANDSHAKE_TIMEOUT_S = 10.0
_JOIN_TIMEOUT_S = 5.0
_TOLD = 20  # refusals that are logged

_log = logs.get(__name__)


class Listener:
    """Accept connections until ``close()``; ``serve(stream)`` is called for each, in a thread of its own.

    A ChannelError out of ``serve`` ends that connection only. A context manager; closing twice is fine.
    """

    def __init__(
        self, host: str, secret: bytes, serve: Callable[[Stream], None], name: str, ports: PortRange = ANY_PORT
    ):
        """Listen on ``host`` and one of ``ports``; raise ChannelError if that cannot be."""
        self._secret, self._serve, self._name = secret, serve, name
        try:
            self._sock = listen(host, ports)
        except OSError as err:
            raise ChannelError(f"cannot listen on {host} for {name}: {err}") from err
        self.host, self.port = host, int(self._sock.getsockname()[1])
        self.num_refused = 0
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._is_closing = False
        self._thread = threading.Thread(target=self._accept, name=f"sparkcv-{name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the port and every connection, and end the threads, except the one that calls this."""
        with self._lock:
            self._is_closing = True
            waiting = dict(self._open)
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        for sock in waiting.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in (self._thread, *waiting):
            if thread is not threading.current_thread():
                thread.join(_JOIN_TIMEOUT_S)
        self._sock.close()

    def _accept(self) -> None:
        while not self._is_closing:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                if not self._is_closing:
                    threading.Event().wait(0.05)  # out of file descriptors: without a pause this thread would spin
                continue
            thread = threading.Thread(target=self._handle, args=(sock,), name=f"sparkcv-{self._name}", daemon=True)
            with self._lock:
                if self._is_closing or len(self._open) >= _MOST_CONNECTIONS:
                    sock.close()
                    continue
                self._open[thread] = sock
            thread.start()

    def _handle(self, sock: socket.socket) -> None:
        try:
            with Stream(sock, self._secret, is_server=True, timeout_s=_HANDSHAKE_TIMEOUT_S) as stream:
                self._serve(stream)
        except ChannelError as err:
            self.num_refused += 1
            if self.num_refused <= _TOLD and not self._is_closing:
                _log.debug("a connection to %s ended: %s", self._name, err)
        finally:
            with self._lock:
                self._open.pop(threading.current_thread(), None)
