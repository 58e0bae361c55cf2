"""A month of nights in one table, with all that happens to a schedule, under a reader that looks all the time."""

import datetime
import threading
import time

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from sparkcv.driver import score
from sparkcv.errors import FileExistsAlreadyError
from tests.driver.test_score import config, write_model
from tests.jobs.test_batch_inference import LIMIT_S, start, wait_for
from tests.predict.models import COLORS

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]

NIGHTS = [str(datetime.date(2026, 2, 1) + datetime.timedelta(days=number)) for number in range(30)]


class Table:
    """The table as its readers see it: for each date the pairs of id and model digest."""

    def __init__(self, folder, table_format):
        self._folder, self._is_delta = folder, table_format == "delta"

    def read(self):
        if self._is_delta:
            rows = DeltaTable(str(self._folder)).to_pyarrow_table(columns=["dt", "id", "model_digest"]).to_pylist()
            days = {}
            for row in rows:
                days.setdefault(str(row["dt"]), []).append((row["id"], row["model_digest"]))
            return days
        return {
            day.name.removeprefix("dt="): [
                (row["id"], row["model_digest"])
                for row in pq.read_table(day, columns=["id", "model_digest"]).to_pylist()
            ]
            for day in self._folder.glob("dt=*")
        }


class Reader(threading.Thread):
    """Reads until it is told to stop; what it saw of a day must have been what some night had published."""

    def __init__(self, table):
        super().__init__(name="reader", daemon=True)
        self._table, self._end = table, threading.Event()
        self.allowed, self.wrong, self.num_looks = {}, [], 0

    def allow(self, date, rows):
        self.allowed.setdefault(date, []).append(sorted(rows))

    def run(self):
        while not self._end.wait(0.25):
            try:
                seen = self._table.read()
            except OSError:  # listed, and replaced before it was opened: a reader tries again
                continue
            except TableNotFoundError:  # before the first night
                continue
            self.num_looks += 1
            for date, rows in seen.items():
                if sorted(rows) not in self.allowed.get(date, []):
                    self.wrong.append(f"{date}: {sorted(rows)}")

    def stop(self):
        self._end.set()
        self.join()


# The numbers of the nights at which it happens.
MONTH = {"twice": 5, "kill": 8, "late": 12, "gone": 14, "model": 16}
WEEK = {"twice": 3, "kill": 4, "late": 5, "gone": 6, "model": 7}


@pytest.mark.parametrize(("table_format", "num_nights", "at"), [("parquet", 30, MONTH), ("delta", 8, WEEK)])
def test_nights_with_all_that_happens_to_a_schedule(spark, tmp_path, picture, table_format, num_nights, at):
    models = {name: write_model(tmp_path / name, weight) for name, weight in (("first", 8.0), ("second", 4.0))}
    source, out = tmp_path / "in", tmp_path / "out"
    table = Table(out, table_format)
    reader = Reader(table)
    fields = {"bad_image_budget": 0.9, "table_format": table_format, "report_samples": 0, "num_partitions": 1}
    expected = {}

    def prepare(date, model, **options):
        given = config(tmp_path, source / date, tmp_path / model, date=date, **(fields | options))
        return score.prepare(given)

    def night(date, model, **options):
        ids = [path.name for path in (source / date).iterdir() if path.name != "none.jpg"]
        before = dict(expected.get(date, ())) if not options.get("overwrite") else {}
        expected[date] = sorted({name: before.get(name, models[model]) for name in ids}.items())
        reader.allow(date, expected[date])
        return score.run(spark, prepare(date, model, **options))

    for date in NIGHTS[:num_nights]:
        (source / date).mkdir(parents=True)
        for color in COLORS:
            (source / date / f"{color}.jpg").write_bytes(picture(color))
        (source / date / "none.jpg").write_bytes(b"")
    reader.start()
    try:
        for number, date in enumerate(NIGHTS[:num_nights], 1):
            model = "first" if number < at["model"] else "second"
            if number == at["kill"]:
                kill_one(source / date, tmp_path / model, out, tmp_path / "temporary", date, **fields)
            report = night(date, model)
            assert (report.num_predictions, report.num_rejects, report.num_earlier) == (3, 1, 0)
            if number == at["twice"]:
                assert "complete already" in str(night(date, model))
            if number == at["late"]:  # a file of two days ago comes late
                late = NIGHTS[number - 3]
                (source / late / "late.jpg").write_bytes(picture("red"))
                report = night(late, model)
                assert (report.num_predictions, report.num_earlier) == (4, 4)
            if number == at["gone"]:  # a file is gone: a day stays as it was scored until it is scored anew
                gone = NIGHTS[number - 2]
                (source / gone / "red.jpg").unlink()
                assert "complete already" in str(score.run(spark, prepare(gone, model)))
                assert len(table.read()[gone]) == 3
                assert night(gone, model, overwrite=True).num_predictions == 2
            if number == at["model"]:  # another model never mixes with the rows of the one before
                with pytest.raises(FileExistsAlreadyError, match=models["first"]):
                    prepare(NIGHTS[number - 2], model)
                night(NIGHTS[number - 2], model, overwrite=True)
    finally:
        reader.stop()
    assert not reader.wrong, reader.wrong[:3]
    assert reader.num_looks > num_nights
    assert {date: sorted(rows) for date, rows in table.read().items()} == expected
    assert not list(out.glob(".staging-*"))


def kill_one(pictures, model, out, temporary, date, **flags):
    """Begin that night as a job of its own, and kill it with SIGKILL at its work."""
    temporary.mkdir()
    process = start(str(pictures), str(model), out, str(temporary), date=date, **flags)
    wait_for(lambda: list(out.glob(".staging-*")), process)
    time.sleep(0.5)
    process.kill()
    process.communicate(timeout=LIMIT_S)
