import datetime
import decimal

import pyarrow as pa
import pytest

from sparkcv.errors import DataError, UsageError
from sparkcv.predict.rows.kept import KeptColumn, choose, name_columns, spark_type, values


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (pa.uint8(), pa.int16()),
        (pa.uint64(), pa.decimal128(20, 0)),
        (pa.float16(), pa.float32()),
        (pa.large_string(), pa.string()),
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
        (pa.binary(16), pa.binary()),
        (pa.timestamp("ns"), pa.timestamp("us")),
        (pa.timestamp("s", "Europe/Berlin"), pa.timestamp("us", "UTC")),
        (pa.date64(), pa.date32()),
        (pa.large_list(pa.uint16()), pa.list_(pa.int32())),
        (pa.struct([("a", pa.list_(pa.float64()))]), pa.struct([("a", pa.list_(pa.float64()))])),
        (pa.map_(pa.string(), pa.uint8()), pa.map_(pa.string(), pa.int16())),
        (pa.decimal128(10, 2), pa.decimal128(10, 2)),
        (pa.decimal256(60, 2), None),
        (pa.null(), None),
        (pa.time32("s"), None),
        (pa.duration("s"), None),
        (pa.list_(pa.time32("s")), None),
    ],
)
def test_each_type_becomes_one_that_spark_has_or_none(kind, wanted):
    assert spark_type(kind) == wanted


def test_names_that_the_scores_have_get_a_prefix_whatever_their_capitals():
    fields = dict.fromkeys(["label", "Score", "input_label", "a", "A"], pa.string())
    names = [column.name for column in name_columns(fields, ["label", "score"])]
    assert names == ["input_label", "input_Score", "input_input_label", "a", "input_A"]


def test_all_but_binary_columns_are_kept_unless_they_are_named():
    columns = {"a": pa.string(), "mask": pa.binary(), "b": pa.int64()}
    assert list(choose(columns, None)) == ["a", "b"]
    assert list(choose(columns, "mask, a")) == ["mask", "a"]
    assert choose(columns, "none") == {}
    with pytest.raises(
        UsageError,
        match="--keep_columns: the input has no column 'c' to keep, it has 'a', 'mask', 'b' of types that Spark has",
    ):
        choose(columns, "a,c")


def test_a_time_that_python_does_not_have_names_its_column():
    batch = pa.record_batch({"t": pa.array([2**40], pa.timestamp("s"))})
    with pytest.raises(DataError, match="'f': column 't' is not readable: date value out of range"):
        list(values(batch, [KeptColumn("t", "t", spark_type(pa.timestamp("s")))], {}, "f"))


def test_values_keep_what_they_are():
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    data = {
        "n": pa.array([2**64 - 1, None], pa.uint64()),
        "t": pa.array([when, None], pa.timestamp("ns", "UTC")),
        "d": pa.array(["x", "y"]).dictionary_encode(),
    }
    columns = [KeptColumn(name, name, spark_type(array.type)) for name, array in data.items()]
    columns.append(KeptColumn("p", "q", pa.string()))
    first, second = values(pa.RecordBatch.from_pydict(data), columns, {"p": "v"}, "x")
    assert first == {"n": decimal.Decimal(2**64 - 1), "t": when, "d": "x", "q": "v"}
    assert second == {"n": None, "t": None, "d": "y", "q": "v"}
