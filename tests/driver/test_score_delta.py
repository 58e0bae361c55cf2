"""Nights as an open table: every id once, by one transaction a night, as deltalake, DuckDB and Spark's files say."""

import datetime
import decimal
import os

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from sparkcv import storage
from sparkcv.driver import score
from sparkcv.errors import BudgetError, FileExistsAlreadyError, SchemaError, UsageError
from tests.driver.test_score import config, write_model

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]
DATE, NEXT = "2026-01-02", "2026-01-03"


def score_it(spark, tmp_path, model, *, source="in", **options):
    fields = {"table_format": "delta", "bad_image_budget": 0.9} | options
    return score.run(spark, score.prepare(config(tmp_path, tmp_path / source, model, **fields)))


def labels(tmp_path, version=None):
    """Read id and label of each day by deltalake, and see that DuckDB reads the same."""
    table = DeltaTable(str(tmp_path / "out"), version=version).to_pyarrow_table()
    with duckdb.connect() as connection:
        told = connection.from_arrow(table).query("t", "SELECT CAST(dt AS VARCHAR)[:10], id, label FROM t").fetchall()
    found = {(str(row["dt"]), row["id"]): row["label"] for row in table.to_pylist()}
    assert len(found) == len(told) == len(table)
    assert {(date, name): label for date, name, label in told} == found
    return found


def rejects(report):
    return sorted(row["id"] for row in pq.read_table(report.rejects_url).to_pylist())


@pytest.fixture
def source(tmp_path, picture):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("red", "blue"):
        (folder / f"{name}.jpg").write_bytes(picture(name))
    (folder / "none.jpg").write_bytes(b"")
    return folder


def test_nights_are_transactions_of_one_table(spark, tmp_path, source, color_model, picture):
    first = score_it(spark, tmp_path, color_model)
    assert labels(tmp_path) == {(DATE, "red.jpg"): "red", (DATE, "blue.jpg"): "blue"}
    assert rejects(first) == ["none.jpg"]
    said = storage.read_json(os.path.join(os.path.dirname(first.page_url), "_report.json"))
    assert (said["num_rows"], said["rejects_url"]) == (3, first.rejects_url)
    assert "None were asked for" not in storage.read_text(first.page_url)
    version = DeltaTable(str(tmp_path / "out")).version()
    again = str(score_it(spark, tmp_path, color_model, vacuum_days=30))
    assert "complete already" in again
    assert "vacuum: 0 files and nights older than 30 days were deleted" in again
    assert DeltaTable(str(tmp_path / "out")).version() == version

    (source / "green.jpg").write_bytes(picture("green"))
    (source / "text.jpg").write_bytes(b"no picture")
    second = score_it(spark, tmp_path, color_model)
    assert second.num_earlier == 3
    assert labels(tmp_path) == {(DATE, f"{name}.jpg"): name for name in ("red", "green", "blue")}
    assert rejects(second) == ["none.jpg", "text.jpg"]
    assert DeltaTable(str(tmp_path / "out")).transaction_version(f"sparkcv dt={DATE}") == 2

    third = score_it(spark, tmp_path, color_model, date=NEXT)
    assert storage.read_json(os.path.join(os.path.dirname(third.page_url), "_report.json"))["drift"]["num_nights"] == 1
    write_model(tmp_path / "other", weight=4.0)
    with pytest.raises(FileExistsAlreadyError, match="scored by the model"):
        score_it(spark, tmp_path, tmp_path / "other")
    (source / "red.jpg").unlink()
    with pytest.raises(BudgetError, match="2 of 4 pictures"):
        score_it(spark, tmp_path, tmp_path / "other", overwrite=True, bad_image_budget=0.1)
    assert len(labels(tmp_path)) == 6
    version = DeltaTable(str(tmp_path / "out")).version()
    fourth = score_it(spark, tmp_path, tmp_path / "other", overwrite=True, vacuum_days=30)
    assert labels(tmp_path) == {
        **{(DATE, f"{name}.jpg"): name for name in ("green", "blue")},
        **{(NEXT, f"{name}.jpg"): name for name in ("red", "green", "blue")},
    }
    assert "vacuum: 0 files and nights older than 30 days were deleted" in str(fourth)
    assert len(labels(tmp_path, version)) == 6, "last night can be read again"
    assert [name for name in os.listdir(tmp_path / "out") if name.startswith(".")] == []


def test_columns_and_their_types_arrive(spark, tmp_path, picture, color_model):
    now = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    kept = {"n": [1], "price": [decimal.Decimal("1.50")], "at": [now], "tags": [["a", "b"]]}
    pq.write_table(pa.table({"id": ["x"], "bytes": [picture("red")], **kept}), tmp_path / "t.parquet")
    score_it(spark, tmp_path, color_model, source="t.parquet")
    (row,) = DeltaTable(str(tmp_path / "out")).to_pyarrow_table().to_pylist()
    assert {name: [row[name]] for name in kept} == kept
    assert row["top_k"][0]["label"] == "red"
    assert row["dt"] == datetime.date(2026, 1, 2)
    required = {field.name for field in DeltaTable(str(tmp_path / "out")).schema().fields if not field.nullable}
    assert {"id", "label", "score", "run_id", "model_digest"} <= required


def test_what_the_table_cannot_have_or_is_not_is_refused_before_the_first_row(spark, tmp_path, source, color_model):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ["x"], "bytes": [b"no picture"], "a b": [1]}), path)
    with pytest.raises(SchemaError, match="the name of the column 'a b' has a space or one of"):
        score_it(spark, tmp_path, color_model, source="t.parquet")
    assert not (tmp_path / "out" / "_delta_log").exists()
    score_it(spark, tmp_path, color_model, table_format="parquet")
    with pytest.raises(SchemaError, match="holds a table of --table_format parquet, got delta; another --output_dir"):
        score.prepare(config(tmp_path, source, color_model, table_format="delta"))
    with pytest.raises(UsageError, match="--vacuum_days: got 7 with --table_format parquet, wanted delta"):
        config(tmp_path, source, color_model, vacuum_days=7)
