import threading

import pytest

from sparkcv.errors import StorageError
from sparkcv.predict import batches
from sparkcv.predict.batches import score_rows
from sparkcv.predict.predictor import Prediction, Reject
from sparkcv.predict.rows import InputRow
from sparkcv.predict.schema import SCORED


def predict(pictures, top_k):
    return [
        Reject("empty: 0 bytes") if not p else Prediction(p.decode(), 0.5, ((p.decode(), 0.5),) * top_k)
        for p in pictures
    ]


def score(rows, batch_size=4, using=predict, top_k=2):
    return list(score_rows(rows, using, digest="d1", batch_size=batch_size, top_k=top_k))


def rows(count):
    return [InputRow(f"id{index}", data=b"%d" % index) for index in range(count)]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_batches_are_exactly_of_the_size_and_the_last_is_the_rest(count, sizes):
    seen = []
    batches = score(rows(count), using=lambda pictures, k: seen.append(len(pictures)) or predict(pictures, k))
    assert seen == sizes
    assert [batch.num_rows for batch in batches] == sizes
    assert [row["id"] for batch in batches for row in batch.to_pylist()] == [f"id{index}" for index in range(count)]


def test_every_row_is_a_prediction_or_a_reject():
    given = [
        InputRow("a", data=b"x"),
        InputRow("b", data=b""),
        InputRow("c", reason="null: n", filename="f"),
        InputRow("d", data=b"y"),
    ]
    (batch,) = score(given)
    assert batch.schema == SCORED
    a, b, c, d = batch.to_pylist()
    assert a.pop("scored_at").tzinfo is not None
    assert a == {
        "id": "a",
        "filename": None,
        "label": "x",
        "label_id": -1,
        "bytes": 1,
        "where": None,
        "score": 0.5,
        "damaged": None,
        "has_more_frames": False,
        "model_digest": "d1",
        "reason": None,
        "top_k": [{"label": "x", "score": 0.5}] * 2,
    }
    assert (b["reason"], b["label"], b["score"], b["top_k"]) == ("empty: 0 bytes", None, None, None)
    assert (c["reason"], c["filename"]) == ("null: n", "f")
    assert d["label"] == "y"


def test_a_file_that_is_gone_is_a_reject(tmp_path):
    (batch,) = score([InputRow("a", url=str(tmp_path / "none"))])
    assert batch.to_pylist()[0]["reason"] == "missing: the file is not there"


def test_at_most_two_batches_are_read_ahead():
    taken = []

    def source():
        for row in rows(100):
            taken.append(row)
            yield row

    batches = score_rows(source(), predict, digest="d", batch_size=4, top_k=1)
    next(batches)
    assert len(taken) <= 8
    batches.close()
    assert len(taken) <= 8


def test_a_store_that_does_not_answer_ends_the_task_and_leaves_no_thread():
    with pytest.raises(StorageError):
        score([InputRow("a", url="nosuchscheme://h/a")])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read")]


def test_a_file_that_is_never_read_ends_the_task_and_is_not_waited_for(monkeypatch):
    may_end = threading.Event()
    monkeypatch.setattr(batches, "load", lambda row: may_end.wait(30))  # as a mount whose server is gone
    monkeypatch.setattr(batches, "_READ_TIMEOUT_S", 0.05)
    with pytest.raises(StorageError, match=r"reading '.*a\.jpg' took more than"):
        score([InputRow("a", url="/gone/a.jpg")])
    (reader,) = (thread for thread in threading.enumerate() if thread.name.startswith("read"))
    may_end.set()
    reader.join(30)
    assert not reader.is_alive()


def test_an_error_of_the_rows_or_of_the_model_reaches_the_task():
    def broken():
        yield rows(1)[0]
        raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        score(broken())

    def fail(pictures, top_k):
        raise MemoryError("model")

    with pytest.raises(MemoryError, match="model"):
        score(rows(2), using=fail)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read")]
