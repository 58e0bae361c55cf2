"""T25: a gradient that is not a number ends the run with step and reason, and no saved tensor ever holds one.

The fault is a learning rate beyond all numbers, which users do set: as a factor that grows where it should decay, it
comes at one known step of a run that was well until then.
"""

import numpy as np
import pytest

from sparkcv.train import checkpoint
from tests.faults.running import Run, check_whole
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

STEP = 30  # the first whose update has the learning rate 0.001 x infinity
FAULTY = {"learning_rate_decay_type": "exponential", "learning_rate_decay_factor": 1e41, "num_epochs_per_decay": 5}
SANE = {"learning_rate_decay_type": "fixed"}


@pytest.fixture
def flags(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 12))  # 24 records, 6 steps an epoch
    return {"dataset_dir": tmp_path / "data", "train_dir": tmp_path / "run", "max_number_of_steps": 40}


def not_finite(prefix):
    """The names of the tensors of a checkpoint that hold NaN or infinity."""
    import tensorflow.compat.v1 as tf

    reader = tf.train.load_checkpoint(str(prefix))
    names = reader.get_variable_to_shape_map()
    return [name for name in names if not np.isfinite(reader.get_tensor(name)).all()]


def saved_steps(url):
    """The steps of all checkpoints of a run, each of whose tensors is finite."""
    steps = checkpoint.steps(url)
    assert not [name for step in steps for name in not_finite(f"{url}/model.ckpt-{step}")]
    return steps


def check_failed(run, reason):
    """Hold the end of a run to O6: exit code, status.json and the last word say the same."""
    ended = run.end()
    assert ended.code == 1, ended.said
    assert reason in ended.sentence
    assert "to change: " in ended.said
    assert "--learning_rate" in ended.said
    status = run.status()
    assert (status["state"], reason in status["reason"]) == ("failed", True)


def test_a_nan_ends_the_run_each_time_and_a_sane_flag_resumes_what_was_good(flags, tmp_path):
    with Run(tmp_path, {**flags, **FAULTY}) as run:
        check_failed(run, f"the loss is nan at step {STEP + 2}")
    assert saved_steps(run.url) == [25]
    # Again, with a save right behind that update, which no loss has seen yet.
    with Run(tmp_path, {**flags, **FAULTY, "save_interval_steps": STEP + 1 - 25}) as run:
        check_failed(run, "holds NaN or infinity: the run diverged and this state is not saved")
    assert saved_steps(run.url) == [25]
    check_whole(run.url)
    with Run(tmp_path, {**flags, **SANE}) as run:
        assert run.end().code == 0
    assert f"resuming from {run.url}/model.ckpt-25" in run.said
    assert saved_steps(run.url) == [25, 40]


def test_tensorflows_own_saver_would_have_saved_it(tmp_path):
    """The mechanism off: what the tests above look for is found where nobody looked before saving."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable("weights", initializer=[1.0, 2.0])
        update = tf.train.GradientDescentOptimizer(float("inf")).minimize(tf.reduce_sum(weights[:1]))
        session.run(tf.global_variables_initializer())
        session.run(update)
        prefix = tf.train.Saver([weights]).save(session, str(tmp_path / "model.ckpt"))
    assert not_finite(prefix) == ["weights"]
