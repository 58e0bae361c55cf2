"""A connection for two that send at will: messages of plain data, in both directions, at any time.

The control channel (control.py) has a fixed schema, small frames, and an answer to every request. This is for what is
larger or speaks first on both sides: rows on their way to a worker, task slots that outlive their Spark task. A message
is a list whose first item names its kind, as msgpack, which carries data and no code.
"""

import socket
from types import TracebackType
from typing import Any

import msgpack

from sparkcv.channel.connection import Connection
from sparkcv.errors import ChannelError

__all__ = ["MAX_MESSAGE_BYTES", "Stream", "StreamMessage", "connect"]

MAX_MESSAGE_BYTES = 256 * 1024 * 1024  # from one that has proven that it knows the secret
_SEND_TIMEOUT_S = 60.0

StreamMessage = list[Any]


class Stream:
    """One end of a connection. One thread receives; any may send. Closing twice is fine, also from another thread."""

    def __init__(self, sock: socket.socket, secret: bytes, *, is_server: bool, timeout_s: float = 10.0) -> None:
        """Shake hands; raise ChannelError if the other side does not within ``timeout_s``, and close ``sock``."""
        self._connection = Connection(
            sock, secret, is_server=is_server, timeout_s=timeout_s, max_bytes=MAX_MESSAGE_BYTES
        )

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def send(self, message: StreamMessage) -> None:
        """Send ``message``; raise ChannelError if the other side is gone, or takes nothing for a minute."""
        self._connection.send(msgpack.packb(message), _SEND_TIMEOUT_S)

    def receive(self, timeout_s: float) -> StreamMessage | None:
        """Return the next message, None if there is none within ``timeout_s``; raise ChannelError at the end."""
        content = self._connection.receive(timeout_s)
        if content is None:
            return None
        try:
            message = msgpack.unpackb(content)
        except (ValueError, msgpack.exceptions.UnpackException) as err:
            raise ChannelError(f"expected a message, got {len(content)} bytes that are none: {err}") from err
        if not isinstance(message, list) or not message or not isinstance(message[0], str):
            raise ChannelError(f"expected a message that begins with its kind, got a {type(message).__name__}")
        return message

    def close(self) -> None:
        """End the connection; who waits to receive here or there gets a ChannelError."""
        self._connection.close()


def connect(address: tuple[str, int], secret: bytes, *, timeout_s: float = 10.0) -> Stream:
    """Return the client's end of a connection to a Listener; raise ChannelError if nobody, or another, is there."""
    try:
        sock = socket.create_connection((address[0].strip("[]"), address[1]), timeout=timeout_s)
    except OSError as err:
        raise ChannelError(f"nobody listens at {address[0]}:{address[1]}: {err}") from err
    return Stream(sock, secret, is_server=False, timeout_s=timeout_s)
