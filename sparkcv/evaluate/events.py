"""TensorBoard event files of scalars, written without TensorFlow.

The numbers of a whole evaluation exist only on the driver, which merges the evaluators' parts and never imports
TensorFlow. The format is small: a TFRecord file of ``tensorflow.Event`` messages (tensorflow/core/util/event.proto),
the first of which holds the version ``brain.Event:2``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping

from sparkcv import storage
from sparkcv.records.tfrecord import frame

_VERSION = b"brain.Event:2"


def write_scalars(log_dir: str, step: int, values: Mapping[str, float], *, wall_time_s: float) -> str:
    """Write one event file with ``values`` (tag -> number) at ``step`` into ``log_dir``; return its URL.

    Each call makes a file of its own, as TensorBoard reads all event files of a folder. Raise StorageError.
    """
    host = socket.gethostname().split(".")[0] or "localhost"
    name = f"events.out.tfevents.{int(wall_time_s):010d}.{host}.{os.getpid()}.step{step}"
    url = storage.join(log_dir, name)
    version = _double(1, wall_time_s) + _bytes(3, _VERSION)
    summary = b"".join(_bytes(1, _bytes(1, tag.encode()) + _float(2, number)) for tag, number in values.items())
    event = _double(1, wall_time_s) + _varint_field(2, step) + _bytes(5, summary)
    storage.write_bytes(url, frame(version) + frame(event))
    return url


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value
