"""Frames of the control channel, and how they are known to be authentic.

Frame: 4 bytes length (big-endian, of what follows), then the body; 64 kB at most. The server opens every
connection with a nonce, the client answers with its own; from both and the run's 256-bit secret follows the key
of this connection (HMAC-SHA256). Each later body is a 32-byte HMAC over direction, sequence number and JSON, then
the JSON. So a frame of another run, another connection, another place or another direction is refused.

The JSON is encrypted, as delegation tokens travel in it: by a key stream that SHAKE256 draws from another key of this
connection, the direction and the sequence number, none of which ever comes again. It is as secret as the run's secret.
"""

import hashlib
import hmac
import struct

from sparkcv.channel import messages
from sparkcv.channel.messages import Message
from sparkcv.errors import ChannelError

__all__ = ["FrameAuth", "MAX_FRAME_BYTES", "NONCE_BYTES", "frame", "nonce_of", "opening", "split"]

MAX_FRAME_BYTES = 64 * 1024  # of a whole frame, its length included
NONCE_BYTES = 32
_MAGIC = b"sparkcv2"
_LENGTH = struct.Struct(">I")
_SEQUENCE = struct.Struct(">cQ")
_TAG_BYTES = 32
_TO_SERVER, _TO_CLIENT = b"C", b"S"


class FrameAuth:
    """The authenticity of one connection: signs what is sent and checks what is received, in order."""

    def __init__(self, secret: bytes, server_nonce: bytes, client_nonce: bytes, *, is_server: bool):
        self._key = _hmac(secret, _MAGIC + server_nonce + client_nonce)
        self._stream_key = _hmac(secret, _MAGIC + b"stream" + server_nonce + client_nonce)
        self._out, self._in = (_TO_CLIENT, _TO_SERVER) if is_server else (_TO_SERVER, _TO_CLIENT)
        self._num_out = self._num_in = 0

    def wrap(self, message: Message) -> bytes:
        """The next frame to send."""
        hidden = self._hide(self._out, self._num_out, messages.encode(message))
        return frame(self.sign(hidden))

    def sign(self, data: bytes) -> bytes:
        """The next body to send: ``data``, which anybody can read, its tag before it."""
        body = self._tag(self._out, self._num_out, data) + data
        self._num_out += 1
        return body

    def unwrap(self, body: bytes) -> Message:
        """The message in the next frame's body; raises ChannelError if it is not authentic, or is no message."""
        number = self._num_in
        return messages.decode(self._hide(self._in, number, self.check(body)))

    def check(self, body: bytes) -> bytes:
        """The data in the next body that came; raises ChannelError if it is not authentic."""
        tag, data = body[:_TAG_BYTES], body[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(self._in, self._num_in, data)):
            raise ChannelError("a message is not authentic: wrong key, replayed or out of order")
        self._num_in += 1
        return data

    def _hide(self, direction: bytes, number: int, text: bytes) -> bytes:
        """Encrypt, or decrypt: the same, twice over, is what it was."""
        stream = hashlib.shake_256(self._stream_key + _SEQUENCE.pack(direction, number)).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")

    def _tag(self, direction: bytes, number: int, text: bytes) -> bytes:
        return _hmac(self._key, _SEQUENCE.pack(direction, number) + text)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def frame(body: bytes, most_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """``body`` with its length before it; raises ChannelError if that is more than ``most_bytes``."""
    if len(body) + _LENGTH.size > most_bytes:
        raise ChannelError(f"a frame of {len(body)} bytes is over the {most_bytes} allowed")
    return _LENGTH.pack(len(body)) + body


def split(buffer: bytearray, most_bytes: int = MAX_FRAME_BYTES) -> bytes | None:
    """Takes the first whole frame's body out of ``buffer``, or None; raises ChannelError on a bad length."""
    if len(buffer) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(buffer)
    if length + _LENGTH.size > most_bytes:
        raise ChannelError(f"a frame of {length} bytes is over the {most_bytes} allowed")
    if len(buffer) < _LENGTH.size + length:
        return None
    body = bytes(buffer[_LENGTH.size : _LENGTH.size + length])
    del buffer[: _LENGTH.size + length]
    return body


def opening(nonce: bytes) -> bytes:
    """The first frame of either side."""
    return frame(_MAGIC + nonce)


def nonce_of(body: bytes) -> bytes:
    """The nonce that the body of an opening frame holds; raises ChannelError for any other body."""
    if len(body) != len(_MAGIC) + NONCE_BYTES or not body.startswith(_MAGIC):
        raise ChannelError("the other side does not speak this protocol")
    return body[len(_MAGIC) :]
