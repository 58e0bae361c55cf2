"""T25: a gradient that is not a number ends the run with step and reason, and no saved tensor ever holds one.

The fault is in the program (nan_gradient.py): at one step of a run that is well until then TensorFlow computes a NaN,
in each life of the run or only in the first.
"""

import numpy as np
import pytest

from sparkcv.rundir import checkpoint
from tests.faults.running import Run, check_whole
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

STEP = 30  # the first whose update is spoiled
PROGRAM = "tests.faults.nan_gradient:main"


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


def test_a_nan_ends_the_run_each_time_that_it_comes_and_what_was_good_goes_on_where_it_does_not(flags, tmp_path):
    always, once = {"NAN_AT": str(STEP)}, {"NAN_AT": str(STEP), "NAN_ONCE": str(tmp_path / "once")}
    with Run(tmp_path, flags, env=once, program=PROGRAM) as run:
        check_failed(run, f"the loss is nan at step {STEP + 2}")
    assert saved_steps(run.url) == [25]
    # Each time, and with a save right behind that update, which no loss has seen yet.
    saves = {"save_interval_steps": STEP + 1 - 25}
    with Run(tmp_path, {**flags, **saves}, env=always, program=PROGRAM) as run:
        check_failed(run, "holds NaN or infinity: the run diverged and this state is not saved")
    assert f"resuming from {run.url}/model.ckpt-25" in run.said
    assert saved_steps(run.url) == [25]
    check_whole(run.url)
    with Run(tmp_path, flags, env=once, program=PROGRAM) as run:
        assert run.end().code == 0, run.said
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
