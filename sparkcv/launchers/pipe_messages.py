"""Messages between a process of ours and its child: msgpack maps with their length before them, over a pipe or socket.

Both ends are ours and of one user; the length is bounded all the same, and msgpack builds plain values only.
"""

import struct
from typing import IO, Any

import msgpack

__all__ = ["HEAD", "length_of", "pack", "read", "unpack"]

HEAD = struct.Struct("<I")
_MAX_BYTES = 1 << 30


def pack(message: dict[str, Any]) -> bytes:
    """Return a message as it is sent."""
    data = msgpack.packb(message, use_bin_type=True)
    return HEAD.pack(len(data)) + data


def length_of(head: bytes) -> int:
    """Return the length of the message behind ``head``; raises ValueError for one that none of ours has."""
    (length,) = HEAD.unpack(head)
    if length > _MAX_BYTES:
        raise ValueError(f"a message of {length} bytes, at most {_MAX_BYTES} are sent")
    return int(length)


def unpack(data: bytes) -> dict[str, Any]:
    """Return the message of its bytes."""
    value = msgpack.unpackb(data, raw=False, max_bin_len=_MAX_BYTES, max_str_len=_MAX_BYTES)
    if not isinstance(value, dict):
        raise ValueError(f"a message is a {type(value).__name__}, wanted a map")
    return value


def read(source: IO[bytes]) -> dict[str, Any] | None:
    """Read one message from a buffered stream; None at its end, also within a message."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    size = length_of(head)
    data = source.read(size)
    return unpack(data) if len(data) == size else None
