"""Split a TCP stream into frames: 4 bytes of length (big-endian, of what follows), then the body.

The length is compared with the limit before anything is allocated for the body.
"""

import struct

from sparkcv.errors import ChannelError

__all__ = ["MAX_FRAME_BYTES", "frame", "split"]

MAX_FRAME_BYTES = 64 * 1024  # of a whole frame, its length included
_LENGTH = struct.Struct(">I")


def frame(body: bytes, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """Return ``body`` with its length before it; raise ChannelError if that is more than ``max_bytes``."""
    if len(body) + _LENGTH.size > max_bytes:
        raise ChannelError(f"a frame of {len(body)} bytes is over the {max_bytes} allowed")
    return _LENGTH.pack(len(body)) + body


def split(buffer: bytearray, max_bytes: int = MAX_FRAME_BYTES) -> bytes | None:
    """Take the body of the first whole frame out of ``buffer``, None if there is none yet.

    Raises ChannelError for a length over ``max_bytes``, without waiting for the rest of the frame.
    """
    if len(buffer) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(buffer)
    if length + _LENGTH.size > max_bytes:
        raise ChannelError(f"a frame of {length} bytes is over the {max_bytes} allowed")
    if len(buffer) < _LENGTH.size + length:
        return None
    with memoryview(buffer) as view:
        body = bytes(view[_LENGTH.size : _LENGTH.size + length])
    del buffer[: _LENGTH.size + length]
    return body
