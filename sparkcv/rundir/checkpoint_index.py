"""The ``.index`` of a TensorFlow checkpoint, read without TensorFlow: names and shapes of its variables.

The file is a table of LevelDB (doc/table_format.md there): blocks of sorted keys, a CRC behind each, and a footer of 48
bytes. Its first key is empty and has a BundleHeaderProto, each other one is a variable's name and has its
BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto). Checkpoints of the first version, which slim published
as one file, are such tables too, but compressed: they are known by their last bytes and not read.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from sparkcv import storage
from sparkcv.errors import CheckpointError
from sparkcv.records.tfrecord import mask, masked_crc32c

__all__ = ["CheckpointIndex", "SavedTensor", "is_table", "read"]

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES, _TRAILER_BYTES = 48, 5
_MAX_BYTES = 64 << 20  # of a file, and of all names in it together: a shared beginning costs a file nothing
_BLOCK_BYTES = 1 << 20
_NEWEST = 1  # kTensorBundleVersion
_STRING = 7  # DT_STRING, whose CRC is not that of its bytes alone


@dataclasses.dataclass(frozen=True)
class SavedTensor:
    """Where one variable lies: its bytes are ``[offset, offset + num_bytes)`` of data file ``shard``."""

    shape: tuple[int, ...]
    dtype: int
    shard: int
    offset: int
    num_bytes: int
    crc32c: int


@dataclasses.dataclass(frozen=True)
class CheckpointIndex:
    """What the index of the checkpoint at ``prefix_url`` says.

    Attributes:
        prefix_url: what TensorFlow calls the checkpoint's path.
        num_shards: number of its data files.
        tensors: by name; of a partitioned variable the whole, which has a shape and no bytes of its own.
        parts: the parts of partitioned variables.
    """

    prefix_url: str
    num_shards: int
    tensors: Mapping[str, SavedTensor]
    parts: tuple[SavedTensor, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by name."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}

    def data_url(self, shard: int) -> str:
        """Return the URL of a data file."""
        return f"{self.prefix_url}.data-{shard:05d}-of-{self.num_shards:05d}"

    def check_sizes(self, sizes: Mapping[str, int]) -> None:
        """Raise CheckpointError if a data file is missing in a folder's listing, or too short for what it holds."""
        ends = dict.fromkeys(range(self.num_shards), 0)
        for tensor in (*self.tensors.values(), *self.parts):
            ends[tensor.shard] = max(ends[tensor.shard], tensor.offset + tensor.num_bytes)
        for shard, end in ends.items():
            url = self.data_url(shard)
            got = sizes.get(storage.basename(url))
            if got is None:
                raise CheckpointError(f"the checkpoint {self.prefix_url!r} lacks its file {storage.basename(url)}")
            if got < end:
                raise CheckpointError(f"{url!r} has {got} bytes, its index wants {end}")

    def check_data(self) -> None:
        """Read every variable's bytes; raise CheckpointError for the first that is not as the index says."""
        stored = [*self.tensors.items(), *(("a part of a variable", part) for part in self.parts)]
        for shard in range(self.num_shards):
            here = [(name, tensor) for name, tensor in stored if tensor.shard == shard and tensor.num_bytes]
            with storage.open_read(self.data_url(shard)) as source:
                for name, tensor in sorted(here, key=lambda item: item[1].offset):
                    source.seek(tensor.offset)
                    if not _has_crc(source, tensor):
                        raise CheckpointError(f"{self.data_url(shard)!r} is damaged where {name} is stored")


def is_table(url: str) -> bool:
    """Tell whether a file ends as a table does: an index, or a whole checkpoint of the first version."""
    size = storage.size(url)
    return size >= _FOOTER_BYTES and storage.read_bytes(url, size - 8, size) == struct.pack("<Q", _MAGIC)


def read(prefix_url: str) -> CheckpointIndex:
    """Read the index of the checkpoint at ``prefix_url``.

    Raises:
        MissingFileError: there is none.
        CheckpointError: it is damaged, or of a newer format than this reads.
    """
    url = f"{prefix_url}.index"
    data = storage.read_bytes(url, 0, _MAX_BYTES)
    try:
        return _parse(prefix_url, data)
    except (ValueError, IndexError, struct.error, message.DecodeError) as err:
        if isinstance(err, CheckpointError):
            raise
        raise CheckpointError(f"{url!r} is not the index of a checkpoint, or damaged: {err}") from err


def _parse(prefix_url: str, data: bytes) -> CheckpointIndex:
    header, num_shards = False, 0
    tensors: dict[str, SavedTensor] = {}
    parts: list[SavedTensor] = []
    for key, value in _table(data):
        if not key:
            told = _Header.FromString(value)
            if told.version.min_consumer > _NEWEST:
                raise CheckpointError(
                    f"the checkpoint {prefix_url!r} is of format {told.version.min_consumer}, which a newer TensorFlow"
                    f" wrote; wanted at most {_NEWEST}"
                )
            header, num_shards = True, told.num_shards
        else:
            entry = _Entry.FromString(value)
            if not 0 <= entry.shard_id < num_shards or entry.offset < 0 or entry.size < 0:
                raise ValueError(f"a bad entry for {key[:80]!r}")
            shape = tuple(dim.size for dim in entry.shape.dim)
            tensor = SavedTensor(shape, entry.dtype, entry.shard_id, entry.offset, entry.size, entry.crc32c)
            if key[0]:
                tensors[key.decode()] = tensor
            else:  # no name, but which part of a partitioned variable it is
                parts.append(tensor)
    if not header or not 0 < num_shards < 10**5:
        raise ValueError("it has no header")
    return CheckpointIndex(prefix_url, num_shards, tensors, tuple(parts))


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the keys and values of a table, each block's CRC checked."""
    footer = data[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError(f"it does not end as a table of variables does, at {len(data)} bytes")
    _, _, at = _handle(footer, 0)
    offset, size, _ = _handle(footer, at)
    before, named = -1, 0
    for _, value in _entries(_block(data, offset, size)):
        offset, size, _ = _handle(value, 0)
        if offset <= before:  # each block once, so that a small file cannot name one a million times
            raise ValueError("its blocks are not in order")
        before = offset
        for key, entry in _entries(_block(data, offset, size)):
            named += len(key)
            if named > _MAX_BYTES:
                raise ValueError(f"its names have more than {_MAX_BYTES} bytes")
            yield key, entry


def _block(data: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER_BYTES > len(data):
        raise ValueError(f"it ends within a block, at {len(data)} bytes")
    if masked_crc32c(data[offset : end + 1]) != struct.unpack("<I", data[end + 1 : end + _TRAILER_BYTES])[0]:
        raise ValueError(f"the block at byte {offset} has another CRC")
    if data[end]:
        raise ValueError("its blocks are compressed, which TensorFlow's are not")
    return data[offset:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the keys and values of a block; a key is stored as what differs from the one before."""
    (num_restarts,) = struct.unpack("<I", block[-4:])
    at, end, key = 0, len(block) - 4 * (num_restarts + 1), b""
    while at < end:
        shared, at = _varint(block, at)
        rest, at = _varint(block, at)
        size, at = _varint(block, at)
        if shared > len(key) or at + rest + size > end:
            raise ValueError("a name or a value runs over its block")
        key = key[:shared] + block[at : at + rest]
        yield key, block[at + rest : at + rest + size]
        at += rest + size


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return offset, size, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")


def _has_crc(source: Any, tensor: SavedTensor) -> bool:
    checksum, left = google_crc32c.Checksum(), tensor.num_bytes
    while left:
        block = source.read(min(left, _BLOCK_BYTES))
        if not block:
            return False
        checksum.update(block)
        left -= len(block)
    return tensor.dtype == _STRING or mask(int.from_bytes(checksum.digest(), "big")) == tensor.crc32c


def _messages() -> tuple[Any, Any]:
    """Return the classes of BundleHeaderProto and BundleEntryProto, with the fields that are read here."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="bundle.proto", package="bundle", syntax="proto3")
    fields: dict[str, list[tuple[str, int, Any]]] = {
        "Version": [("min_consumer", 2, field.TYPE_INT32)],
        "Header": [("num_shards", 1, field.TYPE_INT32), ("version", 3, "Version")],
        "Dim": [("size", 1, field.TYPE_INT64)],
        "Shape": [("dim", 2, "Dim")],
        "Entry": [
            ("dtype", 1, field.TYPE_INT32),
            ("shape", 2, "Shape"),
            ("shard_id", 3, field.TYPE_INT32),
            ("offset", 4, field.TYPE_INT64),
            ("size", 5, field.TYPE_INT64),
            ("crc32c", 6, field.TYPE_FIXED32),
        ],
    }
    for message_name, members in fields.items():
        added = file.message_type.add(name=message_name)
        for name, number, kind in members:
            label = field.LABEL_REPEATED if name == "dim" else field.LABEL_OPTIONAL
            named = {"type": kind}
            if isinstance(kind, str):
                named = {"type": field.TYPE_MESSAGE, "type_name": f".bundle.{kind}"}
            added.field.add(name=name, number=number, label=label, **named)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    header, entry = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"bundle.{name}")) for name in ("Header", "Entry")
    )
    return header, entry


_Header, _Entry = _messages()
