"""Both forms of the table of scores: one contract, and what an open table has beside it."""

import datetime
import os
import pathlib
import signal
import subprocess
import sys
import threading

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError, SchemaError, UsageError
from sparkcv.predict.staging import Staging, clean_up
from sparkcv.predict.tables import REJECTS, open_table
from tests.contracts.score_table import ARROW, DAY, OTHER, ScoreTableContract, columns, publish, rejects_of, stage


def ask(relation):
    found = relation.query("scores", "SELECT CAST(dt AS VARCHAR), id, score FROM scores ORDER BY ALL").fetchall()
    return [(str(date)[:10], name, score) for date, name, score in found]


def delta_rows(url, version=None):
    """Read by deltalake and by DuckDB, which agree."""
    found = DeltaTable(url, version=version).to_pyarrow_table()
    with duckdb.connect() as connection:
        told = ask(connection.from_arrow(found))
    rows = sorted((str(row["dt"]), row["id"], row["score"]) for row in found.to_pylist())
    assert rows == told
    return rows


class TestParquet(ScoreTableContract):
    """Read by DuckDB as a folder of Hive's partitions."""

    @pytest.fixture
    def table(self, tmp_path):
        return open_table("parquet", str(tmp_path / "out"))

    @staticmethod
    def rows(table):
        while True:
            with duckdb.connect() as connection:
                try:
                    return ask(connection.read_parquet(f"{table.output_dir}/dt=*/*.parquet", hive_partitioning=True))
                except duckdb.IOException:  # a file of the night that was replaced after it was listed
                    continue


class TestDelta(ScoreTableContract):
    """Read by deltalake, and by DuckDB through Arrow."""

    @pytest.fixture
    def table(self, tmp_path):
        return open_table("delta", str(tmp_path / "out"))

    @staticmethod
    def rows(table):
        return delta_rows(table.output_dir)


@pytest.fixture
def delta(tmp_path):
    return open_table("delta", str(tmp_path / "out ü 1%"))


def test_last_night_can_be_read_again_until_it_is_vacuumed(delta):
    publish(delta, ["a"], ["x"])
    version = DeltaTable(delta.output_dir).version()
    publish(delta, ["b"], ["y"], overwrite=True)
    assert DeltaTable(delta.output_dir).version() == version + 1, "one transaction replaces the day"
    assert delta_rows(delta.output_dir) == [(DAY, "b", 0.5)]
    assert delta_rows(delta.output_dir, version) == [(DAY, "a", 0.5)]
    assert delta.vacuum(1) == 1, "the first night's folder; its files were removed just now, so they stay"
    assert delta_rows(delta.output_dir, version) == [(DAY, "a", 0.5)]
    assert rejects_of(delta.published(DAY)) == ["y"]
    assert delta.vacuum(0) == 2
    assert delta_rows(delta.output_dir) == [(DAY, "b", 0.5)]


def test_each_publication_of_a_day_is_one_application_transaction(delta):
    for number in range(1, 4):
        publish(delta, ["a"], overwrite=True)
        found = DeltaTable(delta.output_dir)
        assert found.transaction_version(f"sparkcv dt={DAY}") == number
    newest = found.history(1)[0]
    assert newest["sparkcv.dt"] == DAY
    assert len(newest["sparkcv.run_id"]) == 24


def test_of_two_that_publish_the_same_version_of_a_day_one_is_refused(delta):
    """Both claims were taken, as an expired lease lets happen: the log alone decides."""
    publish(delta, ["z"], date=OTHER)
    stagings = [Staging(f"{delta.output_dir}-{number}", DAY, overwrite=True) for number in range(4)]
    barrier, results = threading.Barrier(4), []

    def run(number, staging):
        with staging:
            stage(staging, [f"{number}"])
            prior, staging.may_replace = None, False
            barrier.wait(30)
            try:
                delta.publish(staging, "day", prior, columns())
                results.append(number)
            except FileExistsAlreadyError:
                results.append(None)

    threads = [threading.Thread(target=run, args=item, name="sparkcv-test-publish") for item in enumerate(stagings)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (winner,) = [number for number in results if number is not None]
    assert len(results) == 4
    assert delta_rows(delta.output_dir) == [(OTHER, "z", 0.5), (DAY, str(winner), 0.5)]
    assert len(list(pathlib.Path(delta.output_dir, f"dt={DAY}").iterdir())) == 1


def test_days_that_are_published_at_once_are_all_there(delta):
    dates = [str(datetime.date(2026, 3, 1) + datetime.timedelta(days=number)) for number in range(6)]
    publish(delta, ["a"], date=OTHER)
    threads = [
        threading.Thread(target=publish, args=(delta, ["a"]), kwargs={"date": date}, name="sparkcv-test-publish")
        for date in dates
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [date for date, _, _ in delta_rows(delta.output_dir)] == [OTHER, *dates]


def test_a_run_killed_before_its_commit_is_seen_by_nobody_and_forgotten_by_the_next(delta):
    publish(delta, ["a"], ["x"])
    program = f"""
import os, signal
from sparkcv.predict.staging import Staging
from sparkcv.predict.tables import open_table
from tests.contracts.score_table import stage
table = open_table("delta", {delta.output_dir!r})
with Staging(table.output_dir, {DAY!r}, overwrite=True) as staging:
    stage(staging, ["b", "c"], ["y"])
    table._move(staging, "day", 2)
    print(staging.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL
    dead = pathlib.Path(delta.output_dir, f"dt={DAY}", done.stdout.strip())
    assert len(list(dead.iterdir())) == 2
    assert delta_rows(delta.output_dir) == [(DAY, "a", 0.5)]
    assert rejects_of(delta.published(DAY)) == ["x"]
    clean_up(delta.output_dir, forget=delta.forget)
    assert not dead.exists()
    assert len(os.listdir(f"{delta.output_dir}/_nights/dt={DAY}")) == 1
    assert rejects_of(publish(delta, ["d"], ["z"], overwrite=True)) == ["z"]
    assert delta_rows(delta.output_dir) == [(DAY, "d", 0.5)]


def test_what_was_committed_is_never_forgotten(delta):
    publish(delta, ["a"])
    (run_id,) = os.listdir(f"{delta.output_dir}/dt={DAY}")
    delta.forget(DAY, run_id)
    assert delta_rows(delta.output_dir) == [(DAY, "a", 0.5)]


def test_a_night_that_was_never_committed_takes_no_place_of_the_nights_before(delta):
    done = publish(delta, ["a"])
    storage.make_dirs(storage.join(delta.output_dir, "_nights", "dt=2026-01-04", f"1-{'0' * 24}"))
    assert delta.trailing("2026-01-05", 1) == [done]


def test_a_new_column_is_null_in_the_nights_before(delta):
    publish(delta, ["a"], date=OTHER)
    more = {"name": "n", "type": "long", "nullable": True, "metadata": {}}
    publish(delta, ["b"], schema=columns(more), arrow=ARROW.append(pa.field("n", pa.int64())))
    found = DeltaTable(delta.output_dir).to_pyarrow_table().to_pylist()
    assert sorted((row["id"], row["n"]) for row in found) == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["id", "a b"], "'a b' has a space or one of"), (["n", "id", "N"], "of the column 'n' there are two that differ")],
)
def test_columns_that_delta_cannot_have_are_named(delta, names, said):
    with pytest.raises(SchemaError, match=f"^--table_format delta: .*{said}"):
        delta.check(names)
    open_table("parquet", delta.output_dir).check(names)


@pytest.mark.parametrize("name", ["a%20b", "a#b", "a?b"])
def test_a_folder_whose_name_deltalake_misreads_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"misreads %XX, # and \? in --output_dir '\S+', wanted none$"):
        open_table("delta", str(tmp_path / name))


def test_without_the_package_the_extra_is_named(tmp_path):
    program = """
import sys
sys.modules["deltalake"] = None
from sparkcv.predict.tables import open_table
try:
    open_table("delta", "/out")
except Exception as err:
    print(type(err).__name__, err)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    assert done.stdout.startswith(f"{UsageError.__name__} --table_format delta: the package deltalake is not installed")
    assert "pip install 'sparkcv[delta]'" in done.stdout


@pytest.mark.hadoop
def test_an_open_table_on_hdfs_holds_the_same(hdfs):
    table = open_table("delta", f"{hdfs}/scores")
    prior = publish(table, ["a"], ["x"])
    publish(table, ["b"], date=OTHER)
    done = publish(table, ["c"], ["y"], prior=prior, score=0.25)
    assert delta_rows(table.output_dir) == [(OTHER, "b", 0.5), (DAY, "a", 0.5), (DAY, "c", 0.25)]
    assert rejects_of(done) == ["x", "y"]
    publish(table, ["d"], overwrite=True)
    assert delta_rows(table.output_dir) == [(OTHER, "b", 0.5), (DAY, "d", 0.5)]
    assert storage.exists(f"{table.published(DAY).folder}/{REJECTS}")
