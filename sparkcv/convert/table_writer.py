"""What the tasks do that write a DataFrame's shards: rows come in the order of their records, one line a shard goes."""

import collections
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from sparkcv.convert.plan import ConversionPlan
from sparkcv.convert.shard_writer import (
    MAX_FILE_BYTES,
    PictureOutcome,
    ShardSummary,
    ShardTarget,
    make_frame,
    write_outcomes,
)
from sparkcv.convert.table_rows import PictureColumns
from sparkcv.errors import ImageError
from sparkcv.preprocess import picture_file
from sparkcv.records.manifest import ShardEntry

__all__ = ["COLUMNS", "ShardWriter", "TOLD", "WrittenShard", "parse_told"]

COLUMNS = ("shard", "image", "label", "name", "first")
"""The columns that a writer takes, ``shard`` ascending."""

TOLD = "told string"
"""The column that it gives."""


class WrittenShard(NamedTuple):
    """One shard: its number, what became of it, and the sum of its rows' hashes."""

    shard: int
    summary: ShardSummary
    hashes: int


@dataclass(frozen=True)
class ShardWriter:
    """A function for ``mapInArrow``, which Spark sends to its tasks; ``enter`` is called before anything is written."""

    plan: ConversionPlan
    columns: PictureColumns
    enter: Callable[[], None]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write the shards of these rows."""
        self.enter()
        for shard, rows in itertools.groupby(_rows(batches), key=lambda row: row[0]):
            sums: collections.Counter[str] = collections.Counter()
            summary = write_outcomes(self._outcomes(rows, self.plan.target(shard), sums), self.plan.target(shard))
            told = {"shard": shard, "entry": vars(summary.entry), "reasons": summary.reasons, "hashes": sums["first"]}
            yield pa.RecordBatch.from_pydict({"told": [json.dumps(told)]})

    def _outcomes(
        self, rows: Iterable[tuple[Any, ...]], target: ShardTarget, sums: "collections.Counter[str]"
    ) -> Iterator[PictureOutcome]:
        index = {label: number for number, label in enumerate(self.plan.labels)}
        for _, image, label, name, first in rows:
            sums["first"] += first
            called = name if name is not None else f"{first % 2**64:016x}"
            number = index.get(label, -1)
            try:
                if number < 0:
                    raise ImageError(f"no label: column {self.columns.label!r} is {label!r}")
                if image is None:
                    raise ImageError(f"null: column {self.columns.image!r} is null")
                if len(image) > MAX_FILE_BYTES:
                    raise ImageError(f"too large: {len(image)} bytes, at most {MAX_FILE_BYTES}")
                seen = picture_file.read(image, target.rules)
                yield PictureOutcome(called, number, make_frame(seen, called, number, target))
            except ImageError as err:
                yield PictureOutcome(called, number, None, str(err))


def parse_told(told: str) -> WrittenShard:
    """Read a line that a writer gave."""
    value = json.loads(told)
    return WrittenShard(value["shard"], ShardSummary(ShardEntry(**value["entry"]), value["reasons"]), value["hashes"])


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of all batches, each made when it is wanted: a batch may hold as many bytes as its task."""
    for batch in batches:
        columns = [batch.column(name) for name in COLUMNS]
        for at in range(batch.num_rows):
            yield tuple(column[at].as_py() for column in columns)
