"""Which evaluation an export carries along: that of its checkpoint and its weights, or none, and then it says so."""

import dataclasses
import json

import pytest

from sparkcv.config import ExportConfig
from sparkcv.driver import evaluated
from sparkcv.errors import DataError, MissingFileError
from sparkcv.evaluate import history
from sparkcv.evaluate.history import HistoryRow
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.description import RunDescription


@pytest.fixture
def found(tmp_path):
    """A checkpoint of a run."""
    (tmp_path / "run").mkdir()
    return Found(7, f"{tmp_path}/run/model.ckpt-7", manifest={"files": {"a": 1}})


def result(found, **changes):
    value = {"checkpoint": found.prefix_url, "step": 7, "accuracy": 0.75, "recall_5": 1.0, "per_class": [1, 2]}
    return json.dumps(value | {"moving_averages": False, "loss": 0.5} | changes)


def find(found, told=None, **flags):
    config = ExportConfig(checkpoint_path="c", model_dir="m", **flags)
    return evaluated.find(config, found, told or RunDescription())


def test_that_of_a_folder(found, tmp_path):
    (tmp_path / "eval-7.json").write_text(result(found))
    value = find(found, eval_dir=str(tmp_path))
    assert (value["accuracy"], value["recall_5"], value["loss"]) == (0.75, 1.0, 0.5)
    assert "per_class" not in value


@pytest.mark.parametrize("place", ["", "eval/"])
def test_that_of_the_runs_own_folder(found, tmp_path, place):
    (tmp_path / "run" / place).mkdir(exist_ok=True)
    (tmp_path / "run" / place / "eval-7.json").write_text(result(found))
    assert find(found)["accuracy"] == 0.75
    assert find(dataclasses.replace(found, step=8)) is None


def test_that_of_the_runs_evaluator(found, tmp_path):
    row = HistoryRow(7, 0.5, 1.0, 0.5, None, 40, 0, 1.0, history.identity(found))
    (tmp_path / "run" / "eval").mkdir()
    (tmp_path / "run" / "eval" / history.FILE_NAME).write_text(json.dumps(dataclasses.asdict(row)) + "\n")
    assert find(found)["accuracy"] == 0.5
    assert find(found, moving_average_decay=0.9) is None
    assert find(found, RunDescription(config={"moving_average_decay": 0.9}), moving_average_decay=0.9) is not None
    assert find(dataclasses.replace(found, manifest={"files": {"a": 2}})) is None  # saved again at the same step


def test_none_there_is_none(found):
    assert find(found) is None


@pytest.mark.parametrize(
    ("text", "flags", "sentence"),
    [
        ("{", {}, "cannot be read: .*is not JSON"),
        ("[]", {}, "has no 'accuracy' from 0 to 1"),
        ('{"accuracy": true}', {}, "has no 'accuracy' from 0 to 1"),
        ('{"accuracy": 1.5}', {}, "has no 'accuracy' from 0 to 1"),
        ('{"accuracy": 0.5, "checkpoint": "x"}', {}, "is of the checkpoint 'x', wanted '.*/run/model.ckpt-7'"),
        (None, {"moving_average_decay": 0.9}, "is of the weights themselves, their moving averages are exported"),
    ],
)
def test_a_result_that_is_not_the_checkpoints_is_told(found, tmp_path, text, flags, sentence):
    (tmp_path / "eval-7.json").write_text(result(found) if text is None else text)
    with pytest.raises(DataError, match=rf"--eval_dir: '.*eval-7\.json' {sentence}"):
        find(found, eval_dir=str(tmp_path), **flags)
    (tmp_path / "eval-7.json").rename(tmp_path / "run" / "eval-7.json")
    assert find(found, **flags) is None


def test_a_folder_without_that_result_is_told_with_what_it_has(found, tmp_path):
    with pytest.raises(MissingFileError, match=r"has no eval-7\.json, .*; it has no result"):
        find(found, eval_dir=str(tmp_path / "none"))
    (tmp_path / "eval-6.json").write_text("{}")
    with pytest.raises(MissingFileError, match=r"it has eval-6\.json"):
        find(found, eval_dir=str(tmp_path))


@pytest.mark.parametrize(("step", "place"), [(-1, ""), (-1, "run/"), (900, "")])
def test_that_of_a_checkpoint_whose_name_does_not_tell_the_step_it_holds(tmp_path, found, step, place):
    """Such as the files that slim published, and models: the evaluation named its result by what it read in them."""
    slims = Found(step, f"{tmp_path}/run/inception_v3.ckpt", names=("inception_v3.ckpt",))
    (tmp_path / place / "eval-5.json").write_text(result(found))
    (tmp_path / place / "eval-6.json").write_text("{")
    flags = {} if place else {"eval_dir": str(tmp_path)}
    if not place:
        with pytest.raises(MissingFileError, match=r"result of the checkpoint .*inception_v3\.ckpt'; it has eval-5"):
            find(slims, **flags)
    (tmp_path / place / "eval-7.json").write_text(result(slims))
    assert find(slims, **flags)["accuracy"] == 0.75
