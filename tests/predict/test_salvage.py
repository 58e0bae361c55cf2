"""Whose rows of a killed run are taken over: those of finished tasks, of the very same work, each id once."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv.predict import salvage
from sparkcv.predict.schema import ddl, scored_schema

ABOUT = {"model_digest": "d", "input": "/in", "columns": [], "truth": ""}
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def killed(folder, files, about=ABOUT):
    """Write what a run leaves that was killed while its stage wrote ``files``: ids by path below its output."""
    salvage.describe(str(folder), about)
    for path, ids in files.items():
        file = folder / salvage.SCORED / path
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"id": name, "model_digest": "d", "scored_at": NOW} for name in ids]
        pq.write_table(pa.Table.from_pylist(rows, scored_schema()), file)
    return str(folder)


def find(spark, *leftovers):
    return salvage.find(spark, list(leftovers), ABOUT, ddl(scored_schema()))


@pytest.mark.spark
def test_rows_of_finished_tasks_are_taken_over_each_once(spark, tmp_path):
    running = {"_temporary/0/_temporary/attempt_1/part-1.parquet": ["half"]}
    first = killed(tmp_path / "first", {"_temporary/0/task_1/part-0.parquet": ["a", "b"], **running})
    ended = killed(tmp_path / "ended", {"part-0.parquet": ["b", "c"], "part-1.parquet": ["d"]})
    other = killed(tmp_path / "other", {"part-0.parquet": ["e"]}, {**ABOUT, "model_digest": "another"})
    early = tmp_path / "early"
    early.mkdir()
    found = find(spark, first, ended, other, str(early), str(tmp_path / "gone"))
    assert sorted(row.id for row in found.collect()) == ["a", "b", "c", "d"]


@pytest.mark.spark
def test_nothing_to_take_over_is_none(spark, tmp_path):
    other = killed(tmp_path / "other", {"part-0.parquet": ["e"]}, {**ABOUT, "columns": ["n"]})
    before = killed(tmp_path / "before", {})
    assert find(spark) is find(spark, other) is find(spark, before) is None
