"""Saving a session: on the chief's disk, read back, and nothing that is not a number."""

import pathlib

import pytest
import tensorflow.compat.v1 as tf

from sparkcv.errors import CheckpointError, DataError, StorageError
from sparkcv.rundir import checkpoint
from sparkcv.train import saver

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def variables(step=7, value=1.5, shape=(2, 3)):
    tf.get_variable("net/w", shape, tf.float32, tf.constant_initializer(value))
    tf.get_variable("net/count", [], tf.int64, tf.constant_initializer(3))
    return tf.train.get_or_create_global_step(), step


def save(session, tf_saver, tmp_path, **more):
    (tmp_path / "scratch").mkdir(exist_ok=True)
    settings = {"model_name": "cifarnet", "keep": 5, **more}
    return saver.save(session, tf_saver, str(tmp_path / "scratch"), str(tmp_path / "run"), **settings)


def saved(tmp_path, **more):
    """Save the default graph's variables at a step."""
    global_step, step = variables(**more)
    tf_saver = saver.make_saver("/cpu:0")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        global_step.load(step, session)
        return save(session, tf_saver, tmp_path)


def test_a_saved_session_is_published_under_the_step_in_it(graph, tmp_path):
    found = saved(tmp_path)
    assert found.step == 7
    assert found.manifest["variables"]["count"] == 3
    assert checkpoint.newest_valid(str(tmp_path / "run")) == found
    assert list((tmp_path / "scratch").iterdir()) == []
    reader = tf.train.load_checkpoint(str(tmp_path / "run" / "model.ckpt-7"))
    assert reader.get_tensor("net/w").tolist() == [[1.5] * 3] * 2


def test_tensorflow_finds_it_by_the_pointer(graph, tmp_path):
    saved(tmp_path)
    assert tf.train.latest_checkpoint(str(tmp_path / "run")) == str(tmp_path / "run" / "model.ckpt-7")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_a_number_is_never_published(graph, tmp_path, value):
    with pytest.raises(DataError, match="variable 'net/w' holds NaN or infinity"):
        saved(tmp_path, value=value)
    assert not (tmp_path / "run").exists()


def test_every_save_and_restore_operation_is_on_the_chief(graph):
    with tf.device("/job:ps/task:0"):
        variables()
    saver.make_saver("/job:worker/task:0/device:CPU:0")
    files = [op for op in graph.get_operations() if op.type in ("SaveV2", "RestoreV2", "MergeV2Checkpoints")]
    assert files
    assert {op.device for op in files} == {"/job:worker/task:0/device:CPU:0"}


def test_a_scratch_disk_that_takes_nothing_is_an_error(graph, tmp_path):
    (tmp_path / "scratch").write_text("a file in the way")
    variables()
    tf_saver = saver.make_saver("/cpu:0")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(StorageError, match="cannot write a checkpoint to the scratch folder"):
            saver.save(
                session, tf_saver, str(tmp_path / "scratch"), str(tmp_path / "run"), model_name="cifarnet", keep=1
            )


def test_the_same_graph_fits(graph, tmp_path):
    found = saved(tmp_path)
    with tf.Graph().as_default():
        variables()
        saver.check_fits(str(tmp_path / "run" / "model.ckpt-7"), found.prefix_url, "cifarnet", found.manifest)


def test_a_variable_less_than_in_the_checkpoint_fits(graph, tmp_path):
    found = saved(tmp_path)
    with tf.Graph().as_default():
        tf.train.get_or_create_global_step()
        saver.check_fits(str(tmp_path / "run" / "model.ckpt-7"), found.prefix_url, "cifarnet", found.manifest)


def test_another_shape_a_missing_and_an_extra_variable_are_told(graph, tmp_path):
    found = saved(tmp_path)
    with tf.Graph().as_default():
        tf.get_variable("net/w", [2, 4])
        for index in range(8):
            tf.get_variable(f"net/new{index}", [1])
        tf.train.get_or_create_global_step()
        with pytest.raises(CheckpointError) as caught:
            saver.check_fits(str(tmp_path / "run" / "model.ckpt-7"), found.prefix_url, "cifarnet", found.manifest)
    message = str(caught.value)
    assert "it lacks net/new0, net/new1, net/new2, net/new3, net/new4 and 3 more" in message
    assert "net/w is float32[2, 3], not float32[2, 4]" in message
    assert "it also has net/count" in message


def test_another_net_is_told_by_name(graph, tmp_path):
    found = saved(tmp_path)
    with tf.Graph().as_default():
        variables()
        with pytest.raises(CheckpointError, match="not of this run's 'lenet': it holds the net 'cifarnet'"):
            saver.check_fits(str(tmp_path / "run" / "model.ckpt-7"), found.prefix_url, "lenet", found.manifest)


def test_a_partitioned_variable_fits_as_a_whole(graph, tmp_path):
    def build():
        partitioner = tf.fixed_size_partitioner(2)
        tf.get_variable("big", [4, 3], partitioner=partitioner, initializer=tf.zeros_initializer())
        return tf.train.get_or_create_global_step()

    build()
    with tf.Session() as session:
        tf_saver = saver.make_saver("/cpu:0")
        session.run(tf.global_variables_initializer())
        found = save(session, tf_saver, tmp_path)
    with tf.Graph().as_default():
        build()
        prefix = str(pathlib.Path(tmp_path / "run" / "model.ckpt-0"))
        saver.check_fits(prefix, found.prefix_url, "cifarnet", found.manifest)
