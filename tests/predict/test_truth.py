"""What pictures are known to show, by name and by number."""

import pyarrow as pa
import pytest

from sparkcv.predict.schema import scored_schema
from sparkcv.predict.truth import mark

NAMES = ["cat", "dog", "7"]


def batch(truths, best=("cat", "dog")):
    some = [{"label": name, "score": 0.5} for name in best]
    rows = [
        {"id": str(at), "model_digest": "d", "scored_at": 0, "_truth": truth, "top_k": some}
        for at, truth in enumerate(truths)
    ]
    return pa.RecordBatch.from_pylist(rows, scored_schema())


@pytest.mark.parametrize(
    ("truth", "line", "is_among"),
    [
        ("cat", 0, True),
        ("dog", 1, True),
        ("7", 2, False),  # a name comes before a number
        ("1", 1, True),
        ("3", -1, False),
        ("-1", -1, False),
        ("wolf", -1, False),
        ("", -1, False),
        ("¹", -1, False),
        ("123456789012", -1, False),
        (None, None, None),
    ],
)
def test_a_label_is_a_name_else_a_number_else_unknown(truth, line, is_among):
    row = mark(batch([truth, "cat"]), NAMES).to_pylist()[0]
    assert (row["_true_id"], row["_in_top_k"]) == (line, is_among)


def test_a_reject_is_among_no_best_labels():
    rows = mark(batch(["cat"]).set_column(5, "top_k", pa.nulls(1, batch([]).schema.field("top_k").type)), NAMES)
    assert rows.to_pylist()[0]["_in_top_k"] is False


def test_rows_of_which_nothing_is_known_stay_as_they_are():
    rows = batch([None, None])
    assert mark(rows, NAMES) is rows
