"""The Spark task that measures a net of less precision on pictures of a scoring run's input."""

import dataclasses
import itertools
import json
import os
from collections.abc import Iterator

import pyarrow as pa

from sparkcv.predict import rows, tasks
from sparkcv.predict.accuracy import measure
from sparkcv.predict.predictor import Picture, RecordPicture
from sparkcv.predict.tasks import ScoreTask

__all__ = ["AccuracySample", "measure_sample"]


@dataclasses.dataclass(frozen=True)
class AccuracySample:
    """Which pictures are measured on: the first ones of some pieces, together about ``count``.

    ``url`` is the folder that the measurement is written to.
    """

    url: str
    count: int
    pieces: tuple[int, ...] = ()


def measure_sample(task: ScoreTask, sample: AccuracySample, _: int) -> Iterator[pa.RecordBatch]:
    """Measure ``task.net``, and return what was found as JSON in one row."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    count = sample.count * (2 if task.net.precision == "int8" else 1)
    found = measure(
        task.model_url,
        sample.url,
        task.net,
        _read(task, sample.pieces, count),
        cache_dir=tasks.cache_dir(task),
        num_threads=task.num_threads,
    )
    yield pa.RecordBatch.from_pydict({"agreement": [json.dumps(dataclasses.asdict(found))]})


def _read(task: ScoreTask, pieces: tuple[int, ...], count: int) -> list[Picture]:
    """Return up to ``count`` pictures; which row cannot be read costs itself, scoring will say why."""
    found: list[Picture] = []
    for number, index in enumerate(pieces):
        wanted = -(-(count - len(found)) // (len(pieces) - number))
        for row in itertools.islice(tasks.read_rows(task.pieces_url, index), wanted):
            data = rows.load(row)
            if isinstance(data, bytes):
                found.append(RecordPicture(data, row.orientation) if row.is_record else data)
    return found
