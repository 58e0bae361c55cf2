"""An authentic connection for two that talk at will: messages of plain data, in both directions, at any time.

The control channel (channel.py) has one fixed schema and small frames, for agents. This is for what is larger or
speaks first on both sides: rows on their way to a worker, seats that outlive their Spark task. A message is a list
whose first item names its kind, as msgpack, which carries data and no code.
"""

import secrets
import select
import socket
import threading
import time
from types import TracebackType
from typing import Any

import msgpack

from sparkcv.channel.auth import MAX_FRAME_BYTES, NONCE_BYTES, FrameAuth, frame, nonce_of, opening, split
from sparkcv.errors import ChannelError

__all__ = ["MOST_BYTES", "Message", "Stream", "connect"]

MOST_BYTES = 256 * 1024 * 1024  # of one message, from one that has proven that it knows the secret
_SEND_TIMEOUT_S = 60.0
_READ_BYTES = 1024 * 1024

Message = list[Any]


class Stream:
    """One end of a connection. One thread receives; any may send. Closing twice is fine, also from another thread."""

    def __init__(self, sock: socket.socket, secret: bytes, *, is_server: bool, timeout_s: float = 10.0):
        """Shakes hands; raises ChannelError if the other side does not within ``timeout_s``, and closes ``sock``."""
        self._sock, self._received, self._sending = sock, bytearray(), threading.Lock()
        self._most_bytes = MAX_FRAME_BYTES
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a host that vanished is noticed some day
            sock.settimeout(_SEND_TIMEOUT_S)
            nonce, deadline_s = secrets.token_bytes(NONCE_BYTES), time.monotonic() + timeout_s
            self._poll = select.poll()
            self._poll.register(sock, select.POLLIN)
            if is_server:
                self._write(opening(nonce))
            theirs = nonce_of(self._body(deadline_s))
            if not is_server:
                self._write(opening(nonce))
        except BaseException:
            sock.close()
            raise
        server_nonce, client_nonce = (nonce, theirs) if is_server else (theirs, nonce)
        self._seal = FrameAuth(secret, server_nonce, client_nonce, is_server=is_server)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def send(self, message: Message) -> None:
        """Sends ``message``; raises ChannelError if the other side is gone, or takes nothing for a minute."""
        data = msgpack.packb(message)
        with self._sending:
            self._write(frame(self._seal.sign(data), MOST_BYTES))

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None if there is none within ``timeout_s``; raises ChannelError at the end."""
        body = self._next(time.monotonic() + timeout_s)
        if body is None:
            return None
        data = self._seal.check(body)
        self._most_bytes = MOST_BYTES
        try:
            message = msgpack.unpackb(data)
        except (ValueError, msgpack.exceptions.UnpackException) as err:
            raise ChannelError(f"expected a message, got {len(data)} bytes that are none: {err}") from err
        if not isinstance(message, list) or not message or not isinstance(message[0], str):
            raise ChannelError(f"expected a message that begins with its kind, got a {type(message).__name__}")
        return message

    def close(self) -> None:
        """Hangs up; who waits to receive here or there gets a ChannelError."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)  # a close alone does not wake the thread that receives
        except OSError:
            pass
        finally:
            self._sock.close()

    def _body(self, deadline_s: float) -> bytes:
        body = self._next(deadline_s)
        if body is None:
            raise ChannelError("the other side did not shake hands in time")
        return body

    def _next(self, deadline_s: float) -> bytes | None:
        while (body := split(self._received, self._most_bytes)) is None:
            try:
                if not self._poll.poll(1000 * max(0.0, deadline_s - time.monotonic())):
                    return None
                data = self._sock.recv(_READ_BYTES)
            except (OSError, ValueError) as err:  # ValueError: closed by another thread
                raise ChannelError(f"the connection is broken: {err}") from err
            if not data:
                raise ChannelError("the other side closed the connection")
            self._received += data
        return body

    def _write(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as err:
            raise ChannelError(f"the other side cannot be written to: {err}") from err


def connect(address: tuple[str, int], secret: bytes, *, timeout_s: float = 10.0) -> Stream:
    """The client's end of a connection to a Listener; raises ChannelError if nobody, or somebody else, is there."""
    try:
        sock = socket.create_connection(address, timeout=timeout_s)
    except OSError as err:
        raise ChannelError(f"nobody listens at {address[0]}:{address[1]}: {err}") from err
    return Stream(sock, secret, is_server=False, timeout_s=timeout_s)
