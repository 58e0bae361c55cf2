"""What a row may hold comes out as it went in; what it may not is named, with its place."""

import datetime
import decimal

import msgpack
import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import Row

from sparkcv.errors import DataError
from sparkcv.feeding.chunks import chunks, rows_of

VALUES = [
    None, True, 0, -5, 2**63, 2**80, -(2**70), 1.5, float("inf"), "ü", "", b"\xff\x00", [1, [2, (3,)]], (), (1, [2]),
    {"a": (1,), 2: b"x"}, {1, 2}, frozenset("a"), 1j, datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    datetime.date(2026, 1, 2),
    datetime.time(1, 2), datetime.timedelta(1, 2, 3), decimal.Decimal("1.50"), np.float32(0.1), np.int64(-4),
    np.str_(""), np.bytes_(b""),
    np.bool_(True), np.str_("x"), Row(a=1, b=(2,)), Row(1, 2), Vectors.dense([1, 2]), Vectors.sparse(3, [1], [2.0]),
]  # fmt: skip


def round_trip(rows, **more):
    return [row for chunk in chunks(rows, **more) for row in rows_of(chunk.data)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_out_as_it_went_in_alone_and_in_a_column(value):
    for row in (value, (1, value), [value], Row(x=value)):
        (found,) = round_trip([row])
        assert found == row
        assert type(found) is type(row)
    assert type(round_trip([(value,)])[0][0]) is type(value)
    assert getattr(round_trip([value])[0], "__fields__", None) == getattr(value, "__fields__", None)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u2", "i8", "?", "c8", "S3", "U2", "M8[s]"])
def test_an_array_keeps_dtype_and_shape_and_can_be_written_to(dtype):
    array = np.zeros((2, 0, 3), dtype) if dtype == "i1" else np.arange(6).reshape(2, 3).astype(dtype)
    (found,) = round_trip([array])
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert (found == array).all()
    found.flags.writeable = True


def test_a_bytearray_comes_out_as_bytes():
    assert round_trip([(bytearray(b"x"),)]) == [(b"x",)]
    assert type(round_trip([(bytearray(b"x"),)])[0][0]) is bytes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (object(), "row 1 .* it holds a object"),
        ((1, lambda: 0), "row 1 .* column 1 holds a function"),
        (Row(a=1, label=np.array([None])), r"column 1 \(label\) holds a numpy.ndarray of dtype object"),
        ((DataError("x"),), "column 0 holds a sparkcv.errors.DataError"),
        (("\ud800",), "column 0 cannot be packed: .*surrogates"),
        ((np.zeros(1, [("a", "i4")]),), "column 0 holds a numpy.ndarray of dtype"),
    ],
)
def test_a_row_of_another_type_is_named_with_its_column(row, message):
    with pytest.raises(DataError, match=message):
        round_trip([(1,), row])


def test_a_value_that_holds_itself_ends_in_a_sentence():
    loop = []
    loop.append(loop)
    with pytest.raises(DataError, match="row 0 of its partition cannot be fed"):
        round_trip([loop])


def test_chunks_are_bounded_in_bytes_and_keep_the_order_over_changes_of_form():
    rows = [(at, b"x" * 100) for at in range(100)] + [Row(a=1), Row(b=2), 3, (4,), [5]]
    made = list(chunks(rows, 1000))
    assert max(len(chunk.data) for chunk in made) < 1100
    assert sum(chunk.count for chunk in made) == len(rows)
    assert [row for chunk in made for row in rows_of(chunk.data)] == rows
    assert list(chunks([])) == []


def test_no_more_rows_are_taken_than_are_given():
    taken = []
    rows = (taken.append(at) or (at, b"x" * 600) for at in range(1000))
    next(chunks(rows, 1000))
    assert len(taken) <= 3


BAD = [b"", b"\xc1", b"\x93\x01", msgpack.packb(1), msgpack.packb([]), msgpack.packb(["tuples", [], 1]),
       msgpack.packb(["table", 3, [1]]), b"\x91" * 5000 + b"\x90", msgpack.packb(["any", [], msgpack.ExtType(99, b"")]),
       msgpack.packb(["any", [], msgpack.ExtType(3, msgpack.packb(["O", [1], b"x" * 8]))]),
       msgpack.packb(["any", [], msgpack.ExtType(3, msgpack.packb(["f4", [10**9], b"x" * 8]))]),
       msgpack.packb(["any", [], msgpack.ExtType(2, b"one")])]  # fmt: skip


@pytest.mark.parametrize("data", BAD, ids=lambda data: data[:12].hex())
def test_bytes_that_are_no_chunk_are_refused(data):
    with pytest.raises(DataError, match="expected a chunk of rows"):
        rows_of(data)
