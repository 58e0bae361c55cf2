"""What the evaluator tells those who train: written and read back, and what follows from it."""

import pytest

from sparkcv import storage
from sparkcv.errors import StorageError
from sparkcv.rundir.selection import Selection


def test_it_is_read_back_as_it_was_written(tmp_path):
    storage.make_dirs(str(tmp_path / "eval"))
    assert Selection.read(str(tmp_path)) == Selection()
    for written in (Selection(), Selection(20, 0.75, 2, 50), Selection(20, 0.75)):
        written.write(str(tmp_path))
        assert Selection.read(str(tmp_path)) == written


@pytest.mark.parametrize("text", ["", "[1]", "7", '{"better": 1}', '{"best_step": "20"}', '{"num_since_best": null}'])
def test_a_file_of_something_else_is_an_error_and_not_an_empty_selection(tmp_path, text):
    storage.make_dirs(str(tmp_path / "eval"))
    storage.write_text(str(tmp_path / "eval" / "selection.json"), text)
    with pytest.raises(StorageError, match=r"selection\.json"):
        Selection.read(str(tmp_path))


def test_the_best_and_the_evaluated_checkpoint_are_spared():
    assert Selection().spared == frozenset()
    assert Selection(20, 0.75, 1, 40).spared == {20, 40}
    assert Selection(evaluating=0).spared == {0}


def test_training_ends_once_enough_evaluations_were_no_better():
    assert Selection().stop_reason(1) == ""
    assert Selection(20, 0.75, 2).stop_reason(3) == ""
    assert Selection(20, 0.75, 3).stop_reason(3) == (
        "stopped early: none of the 3 evaluations since step 20 was better than its accuracy of 0.7500"
    )
