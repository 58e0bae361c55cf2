"""A tree of pictures: the listing is streamed into Parquet lists, so that the driver holds none of it.

The list is the frozen input: a picture that is added later is not scored, one that is deleted later is a reject.
Ids are paths relative to the tree.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sparkcv import storage
from sparkcv.predict.rows.finding import InputFiles
from sparkcv.predict.rows.left_out import LeftOut
from sparkcv.predict.rows.parts import TRUTH, InputPart, InputRow

KIND = "pictures"

_ROWS_A_FILE = 1 << 16
_ROWS_A_GROUP = 1 << 10
# URLs are bytes: a POSIX file name need not be UTF-8.
_LEAST_ROWS_A_PART, _ROWS_OF_FINE_PARTS = 16, 1 << 8
_SCHEMA = pa.schema([pa.field("id", pa.string(), False), pa.field("url", pa.binary(), False)])


def freeze(files: InputFiles, list_url: str, left_out: LeftOut | None = None) -> Iterator[InputPart]:
    """Write the lists into the folder ``list_url`` and yield their parts: rows, and the mean size of their pictures.

    Parts are small at first and become larger with the tree, so that small trees are dealt out evenly and large ones
    are a few lines.
    """
    batch: list[tuple[str, bytes]] = []
    sizes: list[int] = []
    count = 0
    for entry in files.entries(left_out):
        batch.append((files.name(entry), entry.url.encode("utf-8", "surrogateescape")))
        sizes.append(entry.size)
        if len(batch) == _ROWS_A_FILE:
            yield from _parts(_write(batch, list_url, count), sizes, count * _ROWS_A_FILE)
            batch, sizes, count = [], [], count + 1
    if batch:
        yield from _parts(_write(batch, list_url, count), sizes, count * _ROWS_A_FILE)


def read_ids(part: InputPart) -> Iterator[str]:
    """Yield the ids of a part."""
    for ids, _ in _read(part, ["id"]):
        yield from ids.to_pylist()


def read_rows(part: InputPart) -> Iterator[InputRow]:
    """Yield the rows of a part, their pictures still in storage."""
    for ids, urls in _read(part, ["id", "url"]):
        for name, url in zip(ids.to_pylist(), urls.to_pylist(), strict=True):
            kept = {TRUTH: name.split("/")[-2] if "/" in name else None} if part.truth else {}
            yield InputRow(name, url=url.decode("utf-8", "surrogateescape"), filename=name, kept=kept)


def _write(batch: Iterable[tuple[str, bytes]], list_url: str, number: int) -> InputPart:
    ids, urls = zip(*batch, strict=True)
    table = pa.table([pa.array(ids, pa.string()), pa.array(urls, pa.binary())], schema=_SCHEMA)
    url = storage.join(list_url, f"pictures-{number:06d}.parquet")
    with storage.open_write(url) as sink:
        pq.write_table(table, sink, row_group_size=_ROWS_A_GROUP)
    return InputPart(KIND, url, "", 0, table.num_rows, 0)


def _parts(whole: InputPart, sizes: list[int], before: int) -> Iterator[InputPart]:
    """Cut a list of ``sizes`` bytes, which ``before`` rows precede, into parts of pictures that lie side by side."""
    start = 0
    while start < len(sizes):
        rows = min(_ROWS_A_GROUP, max(_LEAST_ROWS_A_PART, (before + start) // _ROWS_OF_FINE_PARTS))
        of = sizes[start : start + rows]
        yield dataclasses.replace(whole, start=start, stop=start + len(of), row_bytes=sum(of) // len(of))
        start += len(of)


def _read(part: InputPart, columns: list[str]) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Yield id and last column of the row groups that the part touches, cut to it."""
    with storage.open_read(part.url) as source, pq.ParquetFile(source) as file:
        for group in range(part.start // _ROWS_A_GROUP, -(-(part.stop or 0) // _ROWS_A_GROUP)):
            first = group * _ROWS_A_GROUP
            start = max(0, part.start - first)
            table = file.read_row_group(group, columns=columns).slice(start, (part.stop or 0) - first - start)
            yield table.column(0), table.column(-1)
