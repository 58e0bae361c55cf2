"""Carry encrypted, authentic frames of bytes over a blocking TCP connection, after a handshake at its start.

The client of the control channel (control.py) and both ends of a stream (stream.py) are built on it; what the bytes
mean is theirs.
"""

import contextlib
import secrets
import select
import socket
import threading
import time

from sparkcv.channel.auth import NONCE_BYTES, FrameCipher, nonce_of, opening
from sparkcv.channel.frames import MAX_FRAME_BYTES, frame, split
from sparkcv.errors import ChannelError

__all__ = ["Connection"]

_READ_BYTES = 1024 * 1024


class Connection:
    """One end of a connection. One thread receives; any may send. Closing twice is fine, also from another thread."""

    def __init__(
        self,
        sock: socket.socket,
        secret: bytes,
        *,
        is_server: bool,
        timeout_s: float,
        peer: str = "the other side",
        max_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        """Shake hands; raise ChannelError if the other side does not within ``timeout_s``, and close ``sock``.

        ``peer`` names the other side in sentences. It may send frames of ``max_bytes`` once it has sent an authentic
        one, which proves that it knows the secret, and of MAX_FRAME_BYTES before.
        """
        self._sock, self._received, self._sending = sock, bytearray(), threading.Lock()
        self._receiving = threading.Lock()
        self._peer, self._max_bytes, self._limit_bytes = peer, max_bytes, MAX_FRAME_BYTES
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a host that vanished is noticed some day
            nonce, deadline_s = secrets.token_bytes(NONCE_BYTES), time.monotonic() + timeout_s
            self._poll = select.poll()
            self._poll.register(sock, select.POLLIN)
            if is_server:
                self._write(opening(nonce), timeout_s)
            body = self._next_body(deadline_s)
            if body is None:
                raise ChannelError(f"{peer} does not answer: no handshake in time") from TimeoutError()
            other_nonce = nonce_of(body)
            if not is_server:
                self._write(opening(nonce), timeout_s)
        except BaseException:
            sock.close()
            raise
        nonces = (nonce, other_nonce) if is_server else (other_nonce, nonce)
        self._cipher = FrameCipher(secret, *nonces, is_server=is_server)

    @property
    def local_host(self) -> str:
        """The address of this machine on the way to the other side, in brackets if it is of IPv6."""
        host = str(self._sock.getsockname()[0])
        return f"[{host}]" if ":" in host else host

    def send(self, content: bytes, timeout_s: float) -> None:
        """Send one frame; raise ChannelError if the other side is gone, or does not take it within ``timeout_s``."""
        with self._sending:
            self._write(frame(self._cipher.encrypt(content), self._max_bytes), timeout_s)

    def receive(self, timeout_s: float) -> bytes | None:
        """Return the content of the next frame, None if none is there within ``timeout_s``.

        Raises ChannelError if the connection has ended, and for a frame that is not authentic or too large.
        """
        body = self._next_body(time.monotonic() + timeout_s)
        if body is None:
            return None
        content = self._cipher.decrypt(body)
        self._limit_bytes = self._max_bytes
        return content

    def close(self) -> None:
        """End the connection; who waits to receive here or there gets a ChannelError."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # a close alone does not wake the thread that receives
        with self._receiving:  # which waits by the number of the socket: another may get it at once
            self._sock.close()

    def _next_body(self, deadline_s: float) -> bytes | None:
        while (body := split(self._received, self._limit_bytes)) is None:
            try:
                with self._receiving:
                    if self._sock.fileno() < 0:
                        raise ConnectionAbortedError("it was closed here")
                    if not self._poll.poll(1000 * max(0.0, deadline_s - time.monotonic())):
                        return None
                    data = self._sock.recv(_READ_BYTES)
            except OSError as err:
                raise ChannelError(f"the connection to {self._peer} is broken: {err}") from err
            if not data:
                raise ChannelError(f"{self._peer} closed the connection: it is gone, or did not accept a message")
            self._received += data
        return body

    def _write(self, data: bytes, timeout_s: float) -> None:
        try:
            self._sock.settimeout(timeout_s)  # of writing; reading waits by poll()
            self._sock.sendall(data)
        except OSError as err:
            raise ChannelError(f"{self._peer} cannot be written to: {err}") from err
