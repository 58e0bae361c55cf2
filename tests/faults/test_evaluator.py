"""The evaluator of a real run: it follows the training, survives its restarts, and costs it nothing by its death."""

import os
import re
import signal

import pytest

from sparkcv import storage
from sparkcv.evaluate import history
from tests.faults.running import Run, check_preempted
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

EVALUATED = r"evaluator:0 info step (\d+): accuracy"
PROCESS = r"evaluator:0 runs on host \S+, process (\d+)"


@pytest.fixture
def flags(tmp_path):
    """A run that never ends, with a save every few steps and few that are kept: the evaluator has to hurry."""
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 12))
    data.write_dataset(tmp_path / "data", data.drawn_shards(1, 9), split="validation")
    flags = {"dataset_dir": tmp_path / "data", "train_dir": tmp_path / "run", "num_evaluators": 1}
    return {**flags, "save_interval_steps": 10, "keep_checkpoints": 2}


def check_best(url):
    """Hold best.json to what was found at each checkpoint; returns both."""
    rows = history.read(url)
    best = storage.read_json(f"{url}/best.json")
    assert best["value"] == max(row.accuracy for row in rows.values())
    assert rows[best["step"]].accuracy == best["value"]
    assert best["checkpoint"] == f"{url}/model.ckpt-{best['step']}"
    return rows, best


def check_success(run, target):
    """Hold the end of a run at its target to O6; the last checkpoint was evaluated."""
    ended = run.end()
    assert ended.code == 0, ended.said
    rows, best = check_best(run.url)
    last = rows[target]
    status = run.status()
    assert (status["state"], status["step"]) == ("finished", target)
    assert status["evaluated"] == {"step": target, "accuracy": last.accuracy}
    told = f"; accuracy {last.accuracy:.4f} at step {target} (best {best['value']:.4f} at step {best['step']})"
    assert told in ended.said.rstrip().splitlines()[-1]
    return rows


def test_it_follows_the_training_and_its_death_and_a_restart_of_the_run_lose_nothing(flags, tmp_path):
    with Run(tmp_path, flags) as run:
        first = int(run.wait_for(EVALUATED)[1])
        seen = len(run.said)
        assert int(run.wait_for(EVALUATED, seen)[1]) > first
        run.wait_for(r"train \d+ step.* accuracy \d\.\d{3} at step \d+")
        os.kill(int(run.wait_for(PROCESS)[1]), signal.SIGKILL)
        seen = len(run.said)
        run.wait_for(r"evaluator:0 .*SIGKILL", seen)
        run.wait_for_save(above=run.highest_step())
        run.wait_for(EVALUATED, seen)
        assert not re.search(PROCESS.replace("evaluator", "worker"), run.said[seen:])
        step = check_preempted(run)
    before, best = check_best(run.url)
    with Run(tmp_path, {**flags, "max_number_of_steps": step + 10}) as run:
        rows = check_success(run, step + 10)
    assert {**rows, **before} == rows  # nothing that was known is lost
    assert storage.read_json(f"{run.url}/best.json")["value"] >= best["value"]


def test_a_missing_split_is_told_before_anything_starts(flags, tmp_path):
    with Run(tmp_path, {**flags, "eval_split_name": "test"}) as run:
        ended = run.end()
    assert ended.code == 1
    assert re.search(
        r"--eval_split_name test, which the evaluator reads: no shards .* it has 'shapes_train'", ended.sentence
    )
    assert "runs on host" not in ended.said


def test_one_that_cannot_evaluate_is_told_of_and_the_run_succeeds_without(flags, tmp_path):
    (bad,) = (tmp_path / "data").glob("shapes_validation*")
    bad.unlink()
    undecodable = [data.payload(data.undecodable(i), 0) for i in range(9)]
    data.write_dataset(tmp_path / "data", [undecodable], split="validation")
    with Run(tmp_path, {**flags, "max_number_of_steps": 40}) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert "evaluator:0 error 9 of 9 records cannot be used" in ended.said
    assert ended.said.rstrip().endswith("read back and whole")
    assert (run.status()["state"], run.status()["evaluated"]) == ("finished", None)
    assert not storage.exists(f"{run.url}/best.json")
