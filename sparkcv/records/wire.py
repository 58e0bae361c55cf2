"""The part of protobuf's wire format that ``tf.train.Example`` uses: a map of names to lists of values.

Format: https://protobuf.dev/programming-guides/encoding. The messages, with their field numbers::

    Example  { Features features = 1 }
    Features { map<string, Feature> feature = 1 }             an entry is { string key = 1; Feature value = 2 }
    Feature  { oneof { BytesList = 1; FloatList = 2; Int64List = 3 } }    each list is { repeated value = 1 }

Reading is bounded by the bytes given: a length that points past them is an error, never an allocation.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


@dataclass(frozen=True)
class Value:
    """The list of one feature; ``kind`` is bytes, float or int. Items of bytes that were read are views of the input.

    ``kind`` None is a feature that has a name only, which TensorFlow's parser takes for a missing one.
    """

    kind: type | None
    items: Sequence[bytes | memoryview] | Sequence[float] | Sequence[int]


def encode_features(features: Mapping[str, bytes | int | Value]) -> bytes:
    """Return an Example of features, in order of name, as TensorFlow's own parser reads it.

    Bytes and an integer are lists of one. Raises OverflowError for a float that float32 cannot hold.
    """
    parts: list[bytes] = []
    for name in sorted(features):
        value = features[name]
        if isinstance(value, Value):
            content, fields = _encode_list(value)
        elif isinstance(value, int):
            content, fields = _varint(value), (2, _INT64_LIST, 1)
        else:
            content, fields = value, (2, _BYTES_LIST, 1)
        key = _heads(len(name.encode()), 1) + name.encode()
        heads = _heads(len(content), *fields)
        parts += (_heads(len(key) + len(heads) + len(content), 1), key, heads, content)
    return b"".join((_heads(sum(map(len, parts)), 1), *parts))  # the one copy of the picture


def _encode_list(value: Value) -> tuple[bytes, tuple[int, ...]]:
    """Return the content of a list, and the fields that it lies in, the outermost first."""
    if value.kind is bytes:
        items = cast("Sequence[bytes | memoryview]", value.items)
        return b"".join(part for item in items for part in (_heads(len(item), 1), item)), (2, _BYTES_LIST)
    if value.kind is float:
        return struct.pack(f"<{len(value.items)}f", *value.items), (2, _FLOAT_LIST, 1)
    if value.kind is int:
        return b"".join(map(_varint, cast("Sequence[int]", value.items))), (2, _INT64_LIST, 1)
    return b"", (2,)


def parse_features(data: bytes | memoryview) -> dict[str, Value]:
    """Read an Example into a dictionary; a later entry of a name wins, as in protobuf's maps.

    A feature without a list is there as well, with ``kind`` None; an entry without a feature is not.

    Raises:
        ValueError: the bytes are no Example; says what is wrong at which byte.
    """
    features: dict[str, Value] = {}
    for number, content in _fields(memoryview(data)):
        if number != 1:
            continue
        for entry_number, entry in _messages(content, "features"):
            if entry_number != 1:
                continue
            name, value = _entry(entry)
            if value is not None:
                features[name] = value
    return features


def _entry(entry: object) -> tuple[str, Value | None]:
    name, value = "", None
    for number, content in _messages(entry, "a map entry"):
        if number == 1:
            name = bytes(_view(content, "a feature's name")).decode("utf-8")  # UnicodeDecodeError is a ValueError
        elif number == 2:
            value = _feature(content)
    return name, value


def _feature(content: object) -> Value:
    value = Value(None, ())
    for number, items in _messages(content, "a feature"):
        if number == _BYTES_LIST:
            views = [_view(item, "a bytes value") for field, item in _messages(items, "a BytesList") if field == 1]
            value = Value(bytes, views)
        elif number == _FLOAT_LIST:
            value = Value(float, list(_floats(items)))
        elif number == _INT64_LIST:
            value = Value(int, list(_ints(items)))
    return value


def _ints(content: object) -> Iterator[int]:
    for number, item in _messages(content, "an Int64List"):
        if number != 1:
            continue
        if isinstance(item, int):
            yield _signed(item)
            continue
        packed, offset = _view(item, "packed integers"), 0
        while offset < len(packed):
            number_read, offset = _read_varint(packed, offset)
            yield _signed(number_read)


def _floats(content: object) -> Iterator[float]:
    for number, item in _messages(content, "a FloatList"):
        if number != 1:
            continue
        packed = _view(item, "packed floats")
        if len(packed) % 4:
            raise ValueError(f"packed floats of {len(packed)} bytes")
        yield from (value for (value,) in struct.iter_unpack("<f", packed))


def _messages(content: object, what: str) -> Iterator[tuple[int, object]]:
    return _fields(_view(content, what))


def _view(content: object, what: str) -> memoryview:
    if not isinstance(content, memoryview):
        raise ValueError(f"{what} is a number")
    return content


def _fields(data: memoryview) -> Iterator[tuple[int, object]]:
    """Yield field number and content: an int for a varint, a view for anything else."""
    offset = 0
    while offset < len(data):
        start = offset
        tag, offset = _read_varint(data, offset)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError(f"field number 0 at byte {start}")
        if kind == _VARINT:
            value, offset = _read_varint(data, offset)
            yield number, value
            continue
        if kind == _DELIMITED:
            length, offset = _read_varint(data, offset)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind} at byte {start}")
        if length > len(data) - offset:
            raise ValueError(f"a field of {length} bytes at byte {start}, {len(data) - offset} are left")
        yield number, data[offset : offset + length]
        offset += length


def _read_varint(data: memoryview, offset: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(offset, min(offset + _MAX_VARINT_BYTES, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + 1
        shift += 7
    raise ValueError(f"an unfinished number at byte {offset}")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF  # a negative int64 is ten bytes of two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _heads(num_bytes: int, *numbers: int) -> bytes:
    """Return the heads of messages that lie in one another, the outermost first, round so many bytes."""
    heads = b""
    for number in reversed(numbers):
        heads = _varint(number << 3 | _DELIMITED) + _varint(num_bytes + len(heads)) + heads
    return heads
