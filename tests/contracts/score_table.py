"""What every form of the table of scores does: subclass it with fixtures ``table``, ``out`` and a method ``rows``."""

import json
import os
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError
from sparkcv.predict.staging import Staging
from sparkcv.predict.tables import REJECTS, REPORT

DAY, OTHER = "2026-01-02", "2026-01-01"
FIELDS = [
    {"name": "id", "type": "string", "nullable": False, "metadata": {}},
    {"name": "score", "type": "float", "nullable": False, "metadata": {}},
]
ARROW = pa.schema([pa.field("id", pa.string(), False), pa.field("score", pa.float32(), False)])


def columns(*more):
    """Return the table's columns as Spark's JSON."""

    return json.dumps({"type": "struct", "fields": [*FIELDS, *more]})


def write_rows(folder, name, ids, score, arrow=ARROW):
    data = {"id": ids, "score": [score] * len(ids)}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(data | {name: [None] * len(ids) for name in arrow.names[2:]}, schema=arrow), sink)
    storage.write_bytes(storage.join(folder, name), sink.getvalue().to_pybytes())


def stage(staging, ids, rejects=(), score=0.5, **options):
    """Write what a run has before it publishes: two files of predictions, rejects, a report."""
    day = staging.join("day")
    for number, part in enumerate((ids[::2], ids[1::2])):
        write_rows(day, f"part-{number} {score}.parquet", part, score, **options)
    write_rows(storage.join(day, REJECTS), f"part-{score}.parquet", list(rejects), 0.0)
    storage.write_json(storage.join(day, REPORT), {"run_id": staging.run_id, "ended": "2026-01-03T00:00:00+00:00"})


def publish(table, ids, rejects=(), *, date=DAY, overwrite=False, prior=None, score=0.5, schema=None, **options):
    """Do what a scoring run does of a table; return the day."""
    may_replace = overwrite or prior is not None
    with Staging(table.output_dir, date, overwrite=may_replace, forget=table.forget) as staging:
        stage(staging, ids, rejects, score, **options)
        if prior is not None:
            table.carry_over(prior, staging.join("day"))
        folder = table.next_folder(staging)
        done = table.publish(staging, "day", prior, schema or columns())
        assert (done.folder, staging.is_published) == (folder, True)
        return done


def rejects_of(day):
    with_rows = [storage.read_bytes(entry.url) for entry in storage.walk(day.rejects) if entry.name.endswith("parquet")]
    return sorted(row["id"] for data in with_rows for row in pq.read_table(pa.BufferReader(data)).to_pylist())


def files_below(out):
    return sorted(entry.url for entry in storage.walk(out))


class ScoreTableContract:
    """``rows(table)`` reads as a user does: (day, id, score), sorted."""

    def test_a_day_appears_whole_with_its_rejects_and_report(self, table):
        assert table.published(DAY) is None
        assert table.trailing(DAY, 3) == []
        done = publish(table, ["a", "b", "c"], ["x"])
        assert self.rows(table) == [(DAY, "a", 0.5), (DAY, "b", 0.5), (DAY, "c", 0.5)]
        assert table.published(DAY) == done
        assert rejects_of(done) == ["x"]
        assert storage.exists(storage.join(done.folder, REPORT))
        assert not any(name.startswith(".") for name in os.listdir(table.output_dir))

    def test_a_day_that_is_there_is_refused_untouched_and_nothing_is_left_of_the_second(self, table):
        publish(table, ["a"], ["x"])
        before = files_below(table.output_dir)
        with pytest.raises(FileExistsAlreadyError, match=f"dt={DAY}.* was published by another run meanwhile"):
            publish(table, ["a", "b"])
        assert self.rows(table) == [(DAY, "a", 0.5)]
        assert files_below(table.output_dir) == before

    def test_overwrite_replaces_one_day_and_no_other(self, table):
        publish(table, ["a"], date=OTHER)
        publish(table, ["a", "b"], ["x"])
        done = publish(table, ["b", "c"], ["y"], overwrite=True, score=0.25)
        assert self.rows(table) == [(OTHER, "a", 0.5), (DAY, "b", 0.25), (DAY, "c", 0.25)]
        assert rejects_of(done) == ["y"]

    def test_new_rows_of_a_day_lie_beside_the_old(self, table):
        prior = publish(table, ["a", "b"], ["x"])
        done = publish(table, ["c"], ["y"], prior=prior, score=0.25)
        assert self.rows(table) == [(DAY, "a", 0.5), (DAY, "b", 0.5), (DAY, "c", 0.25)]
        assert rejects_of(done) == ["x", "y"]

    def test_the_nights_before_are_the_newest_first(self, table):
        for date in ("2026-01-05", OTHER, DAY, "2026-01-03"):
            publish(table, ["a"], date=date)
        found = [day.folder for day in table.trailing("2026-01-05", 2)]
        assert [DAY in found[1], "2026-01-03" in found[0], len(found)] == [True, True, 2]

    def test_a_reader_sees_one_night_or_the_other_at_every_moment(self, table):
        publish(table, ["a", "b", "c"], score=1.0)
        seen, done = set(), threading.Event()

        def read():
            while not done.is_set():
                seen.add(tuple(self.rows(table)))

        reader = threading.Thread(target=read, name="sparkcv-test-reader")
        reader.start()
        try:
            for number in range(2, 12):
                publish(table, ["a", "b", "c"], overwrite=True, score=float(number))
        finally:
            done.set()
            reader.join(60)
        assert seen <= {tuple((DAY, name, float(number)) for name in "abc") for number in range(1, 12)}
        assert self.rows(table) == [(DAY, name, 11.0) for name in "abc"]
