"""Parts travel through storage and come back the same, or are refused with their name."""

import numpy as np
import pytest

from sparkcv import storage
from sparkcv.errors import DataError, StorageError
from sparkcv.evaluate import part
from sparkcv.evaluate.metrics import Tally
from sparkcv.evaluate.part import MAX_LISTED, EvaluatedPart, Mistake, worst
from sparkcv.inputs.quarantine import RejectedRecord


def a_part():
    tally = Tally(3)
    tally.update(np.array([[9.0, 0, 0], [0, 9.0, 0]]), np.array([0, 2]))
    made = EvaluatedPart(step=7, tally=tally, seconds=1.5, versions={"tensorflow": "2.21"})
    made.mistakes.append(Mistake(2, 1, 0.9, 0.05, "a/\udcff<b>.jpg", b"\xff\xd8\x00"))
    made.reject([RejectedRecord("/data/x", 12, "truncated"), RejectedRecord("/data/x", 99, "cut", 4)])
    return made


def test_a_part_comes_back_from_storage_as_it_was():
    url = "memory://parts/evaluator-0.json"
    part.write(url, a_part())
    found = part.read(url)
    assert found.to_dict() == a_part().to_dict()
    assert found.mistakes == a_part().mistakes
    assert found.rejected == a_part().rejected
    assert found.num_rejected == 5


def test_rejects_are_all_counted_and_listed_while_there_is_room():
    made = EvaluatedPart(step=1, tally=Tally(2))
    made.reject(RejectedRecord("/data/x", i, "truncated") for i in range(MAX_LISTED + 50))
    assert (made.num_rejected, len(made.rejected)) == (MAX_LISTED + 50, MAX_LISTED)


def test_the_worst_mistakes_are_the_surest():
    mistakes = [Mistake(0, 1, score, 0.1, name) for score, name in [(0.5, "c"), (0.9, "b"), (0.9, "a"), (0.1, "d")]]
    assert [mistake.where for mistake in worst(mistakes, 3)] == ["a", "b", "c"]
    assert worst(mistakes, 0) == []
    assert worst([], 5) == []


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"tally": {}},
        {"mistakes": [{}]},
        {"mistakes": 5},
        {"rejected": [{"url": "x"}]},
        {"reasons": []},
        {"seconds": "soon"},
        {"step": None},
        {"versions": None},
    ],
)
def test_what_is_no_part_is_refused_with_its_name(change):
    with pytest.raises(DataError, match=r"/parts/evaluator-3\.json does not read as an evaluator's results"):
        EvaluatedPart.from_dict({**a_part().to_dict(), **change}, "/parts/evaluator-3.json")


@pytest.mark.parametrize("form", [None, [], "text", 5, {}])
def test_any_other_json_is_refused(form):
    with pytest.raises(DataError):
        EvaluatedPart.from_dict(form, "x")


def test_a_thumbnail_that_is_no_base64_is_refused():
    form = a_part().to_dict()
    form["mistakes"][0]["thumbnail"] = "not base64!"
    with pytest.raises(DataError, match="base64"):
        EvaluatedPart.from_dict(form, "x")


def test_a_part_that_is_absent_is_an_error_of_storage():
    with pytest.raises(StorageError):
        part.read(storage.join("memory://parts", "absent.json"))
