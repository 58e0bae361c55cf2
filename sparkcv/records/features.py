"""The features of a ``tf.train.Example`` as plain values: a map of names to lists, written and read by protobuf.

Reading is stricter than protobuf itself, which takes a field of the wrong type for an unknown one and passes it over:
an event file would read as a dataset of Examples without features. ``bench/example_codec.py`` measures both ways.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import unknown_fields
from google.protobuf.message import DecodeError

from sparkcv.records.example_proto import Example

__all__ = ["Value", "encode_features", "fill", "parse_features", "refuse_mistyped", "value_of"]

_LISTS = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
_KINDS = {name: kind for kind, name in _LISTS.items()}


@dataclass(frozen=True)
class Value:
    """The list of one feature; ``kind`` is bytes, float or int.

    ``kind`` None is a feature that has a name only, which TensorFlow's parser takes for a missing one.
    """

    kind: type | None
    items: Sequence[bytes] | Sequence[float] | Sequence[int]


def encode_features(features: Mapping[str, bytes | int | Value]) -> bytes:
    """Return an Example of features: equal features give equal bytes, in order of name.

    Bytes and an integer are lists of one. Raises OverflowError for a float that float32 cannot hold, and ValueError for
    an integer beyond int64.
    """
    message = Example()
    message.features.SetInParent()  # an Example without features has an empty map, not none
    fill(message.features.feature, features)
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def fill(feature: Any, features: Mapping[str, bytes | int | Value]) -> None:
    """Put features into the map ``feature`` of a message; raises as :func:`encode_features`."""
    for name, value in features.items():
        if isinstance(value, int):
            feature[name].int64_list.value.append(int(value))  # protobuf takes no booleans
        elif not isinstance(value, Value):
            feature[name].bytes_list.value.append(value)
        elif value.kind is None:
            feature[name].SetInParent()
        else:
            if value.kind is float:
                struct.pack(f"<{len(value.items)}f", *value.items)  # protobuf would write an infinity instead
            items = getattr(feature[name], _LISTS[value.kind])
            items.SetInParent()  # an empty list has a type, too
            items.value.extend(map(int, value.items) if value.kind is int else value.items)


def parse_features(data: bytes | memoryview) -> dict[str, Value]:
    """Read an Example into a dictionary in order of name; a later entry of a name wins.

    A feature without a list is there as well, with ``kind`` None.

    Raises:
        ValueError: the bytes are no Example; says what is wrong.
    """
    try:
        message = Example.FromString(data)
    except DecodeError as err:
        raise ValueError(str(err).rpartition(": ")[2]) from err  # it begins with the name of the message
    refuse_mistyped(message)
    refuse_mistyped(message.features)
    return {name: value_of(feature) for name, feature in sorted(message.features.feature.items())}


def value_of(feature: Any) -> Value:
    """Return what a message ``Feature`` holds; raises ValueError for a field of another type."""
    refuse_mistyped(feature)
    field = feature.WhichOneof("kind")
    if field is None:
        return Value(None, ())
    items = getattr(feature, field)
    refuse_mistyped(items)
    return Value(_KINDS[field], list(items.value))


def refuse_mistyped(message: Any) -> None:
    """Raise ValueError if a field that the message knows came as another type."""
    for unknown in unknown_fields.UnknownFieldSet(message):
        known = message.DESCRIPTOR.fields_by_number.get(unknown.field_number)
        if known is not None:
            raise ValueError(f"{known.name} in {message.DESCRIPTOR.name} is of the wire type {unknown.wire_type}")
