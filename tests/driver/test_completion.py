"""The proof of a run's end: each of its checks, by the cause that it is there for."""

import pytest

from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.driver import completion, train_report
from sparkcv.errors import CheckpointError, RoleFailedError
from sparkcv.roles import roles
from sparkcv.rundir import checkpoint_publication


@pytest.fixture
def run_dir(tmp_path):
    return str(tmp_path / "run")


def save(tmp_path, run_dir, step):
    """A checkpoint that is whole; nobody looks into it."""
    local = tmp_path / f"local-{step}"
    local.mkdir()
    for suffix in (".index", ".data-00000-of-00001"):
        (local / f"model.ckpt-{step}{suffix}").write_bytes(b"%d" % step * 100)
    return checkpoint_publication.publish(str(local / f"model.ckpt-{step}"), step, run_dir, model_name="lenet")


@pytest.fixture
def ended(tmp_path, run_dir):
    """What the roles of a run returned that ended well at step 20: ps, two workers, an evaluator."""
    save(tmp_path, run_dir, 10)
    found = save(tmp_path, run_dir, 20)
    chief = {"step": 20, "checkpoint": found.prefix_url}
    return {"ps:0": {}, "worker:0": chief, "worker:1": {"step": 21, "checkpoint": None}, "evaluator:0": {}}


def prove(run_dir, results, **flags):
    config = TrainConfig(dataset_dir="/data", train_dir=run_dir, **{"max_number_of_steps": 20, **flags})
    return completion.prove(config, roles(1, 2, 1), results)


@pytest.mark.parametrize("target", [20, 15, None])
def test_a_run_is_complete(run_dir, ended, target):
    assert prove(run_dir, ended, max_number_of_steps=target).step == 20


def test_the_evaluators_end_is_not_needed(run_dir, ended):
    del ended["evaluator:0"]
    assert prove(run_dir, ended).step == 20


@pytest.mark.parametrize("role", ["ps:0", "worker:0", "worker:1"])
def test_a_role_whose_end_is_missing_is_no_success(run_dir, ended, role):
    del ended[role]
    with pytest.raises(RoleFailedError, match=rf"^{role} did not report its end"):
        prove(run_dir, ended)


@pytest.mark.parametrize("result", [{}, {"step": None}, {"step": "20"}, {"step": True}])
def test_a_worker_that_tells_no_step_is_no_success(run_dir, ended, result):
    with pytest.raises(RoleFailedError, match=r"worker:1 ended without telling its last step"):
        prove(run_dir, {**ended, "worker:1": result})


def test_a_checkpoint_short_of_the_target_is_no_success(run_dir, ended):
    with pytest.raises(CheckpointError, match=r"model\.ckpt-20 is at step 20, wanted 30"):
        prove(run_dir, ended, max_number_of_steps=30)


def test_without_a_target_the_chief_says_how_far_it_came(run_dir, ended):
    ended["worker:0"]["step"] = 25
    with pytest.raises(CheckpointError, match=r"model\.ckpt-20 is at step 20, wanted 25"):
        prove(run_dir, ended, max_number_of_steps=None)


def test_a_run_that_stopped_early_is_complete_short_of_its_target_if_that_was_asked_for(run_dir, ended):
    ended["worker:0"]["stopped_early"] = "nothing got better"
    flags = {"max_number_of_steps": 30, "num_evaluators": 1}
    assert prove(run_dir, ended, early_stopping_evaluations=3, **flags).step == 20
    with pytest.raises(CheckpointError, match=r"model\.ckpt-20 is at step 20, wanted 30"):
        prove(run_dir, ended, **flags)


def test_the_report_says_why_a_run_stopped_early(run_dir, ended):
    found = prove(run_dir, ended)
    assert "stopped" not in str(train_report.report_of(run_dir, found, ended, 1.0))
    ended["worker:0"]["stopped_early"] = "stopped early: nothing got better"
    text = str(train_report.report_of(run_dir, found, ended, 1.0))
    assert "read back and whole; stopped early: nothing got better" in text


def test_the_report_has_the_newest_accuracy_and_the_best_where_there_is_one(run_dir, ended):
    found = prove(run_dir, ended)
    ended["evaluator:0"] = {"evaluated_step": 20, "accuracy": 0.5, "best_step": 10, "best_accuracy": 0.75}
    text = str(train_report.report_of(run_dir, found, ended, 1.0))
    assert text.endswith("; accuracy 0.5000 at step 20 (best 0.7500 at step 10)")
    # Nothing of this split is the best yet: the row is of another one, or its checkpoint was gone meanwhile.
    ended["evaluator:0"] |= {"best_step": None, "best_accuracy": None}
    assert str(train_report.report_of(run_dir, found, ended, 1.0)).endswith("; accuracy 0.5000 at step 20")


def test_a_last_checkpoint_that_does_not_read_back_is_no_success(tmp_path, run_dir, ended):
    path = tmp_path / "run" / "model.ckpt-20.data-00000-of-00001"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(CheckpointError, match=r"model\.ckpt-10 is at step 10, wanted 20; step 20: .*crc32c"):
        prove(run_dir, ended)


def test_a_last_checkpoint_that_is_not_the_chiefs_is_no_success(tmp_path, run_dir, ended):
    save(tmp_path, run_dir, 40)
    with pytest.raises(CheckpointError, match=r"checkpoint is \S+ckpt-40, the chief ended with \S+ckpt-20"):
        prove(run_dir, ended)


def test_a_folder_without_checkpoints_is_no_success(run_dir, ended):
    storage.delete(run_dir, recursive=True)
    with pytest.raises(CheckpointError, match="holds no valid checkpoint, though every role reported its end"):
        prove(run_dir, ended)
