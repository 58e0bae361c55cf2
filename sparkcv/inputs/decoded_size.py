"""What a worker's pictures take once they are decoded, and whether that may stay in its memory, where it is to.

The driver estimates it from the first records before anything starts; a worker adds up its own, and is exact.
"""

from __future__ import annotations

import threading

from sparkcv import storage
from sparkcv.errors import ImageError, RecordError, UsageError
from sparkcv.records import compression, example, image_header, tfrecord
from sparkcv.records.header import ImageHeader
from sparkcv.records.shards import Dataset

__all__ = ["DecodedSize", "check_fits", "decoded_bytes"]

_LOOKED_AT_BYTES = 8 << 20
_CHANNELS = 3


def decoded_bytes(header: ImageHeader) -> int:
    """Return the bytes of a picture's pixels, uint8 ``[height, width, 3]``."""
    return header.height * header.width * _CHANNELS


class DecodedSize:
    """Adds up pictures of which ``num_records`` will come; raises UsageError at the first byte over ``max_bytes``."""

    def __init__(self, max_bytes: int, num_records: int) -> None:
        self._max_bytes, self._num_expected = max_bytes, num_records
        self._lock = threading.Lock()  # shards are fetched by several threads
        self._num_records = self.num_bytes = 0

    def add(self, header: ImageHeader) -> None:
        """Count one picture."""
        with self._lock:
            self.num_bytes += decoded_bytes(header)
            self._num_records += 1
            if self.num_bytes > self._max_bytes:
                expected = max(self._num_expected, self._num_records)
                needed = round(self.num_bytes / self._num_records * expected)
                raise UsageError(_too_large(needed, expected, self._max_bytes))


def check_fits(dataset: Dataset, num_workers: int, max_bytes: int) -> int:
    """Return about how many bytes each worker's decoded pictures take, going by the first of them.

    Raises UsageError if that is more than ``max_bytes``. Pictures that do not read are left for the workers to list.
    """
    sizes = []
    for data in _first_records(dataset):
        try:
            encoded = example.decode(data, names=dataset.features).encoded
            sizes.append(decoded_bytes(image_header.probe(encoded, formats=image_header.NATIVE_FORMATS)))
        except (RecordError, ImageError):
            continue
    num_records = -(-dataset.num_records // num_workers)
    needed = round(sum(sizes) / max(1, len(sizes)) * num_records)
    if needed > max_bytes:
        raise UsageError(_too_large(needed, num_records, max_bytes))
    return needed


def _first_records(dataset: Dataset) -> list[memoryview]:
    first = max(dataset.shards, key=lambda shard: shard.num_bytes)
    stored = storage.read_bytes(first.url, 0, min(first.num_bytes, _LOOKED_AT_BYTES))
    if compression.is_compressed(stored):
        stored = compression.expand_start(stored, _LOOKED_AT_BYTES)
    return [item.payload for item in tfrecord.read_all(stored) if isinstance(item, tfrecord.Record)]


def _too_large(needed: int, num_records: int, max_bytes: int) -> str:
    return (
        f"--input_mode preloaded: got {num_records} pictures a worker that take about {needed / 2**20:.0f} MiB decoded,"
        " wanted at most"
        f" --cache_bytes {max_bytes} ({max_bytes / 2**20:.0f} MiB)"
    )
