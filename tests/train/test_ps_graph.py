"""A step over real parameter servers: cut variables are whole in a checkpoint, bfloat16 is on the wire only."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.nets.slim import model_variables, slim
from sparkcv.train import saver, step
from sparkcv.train.replicas import Topology
from sparkcv.train.warmstart import Source
from tests.contracts.free_ports import free_ports

pytestmark = pytest.mark.tensorflow

CLASSES, BATCH, NUM_PS = 4, 6, 3
IMAGES = np.random.RandomState(0).normal(size=[BATCH, 12, 12, 3]).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 0, 1], np.int64)


@pytest.fixture(scope="module")
def target():
    """The address of a worker with three ps; TensorFlow's servers live as long as the process."""
    found = free_ports(NUM_PS + 1)
    addresses = [f"127.0.0.1:{port}" for port in range(found.low, found.high + 1)]
    cluster = {"ps": addresses[:NUM_PS], "worker": addresses[NUM_PS:]}
    servers = [tf.train.Server(cluster, "ps", index) for index in range(NUM_PS)]
    servers.append(tf.train.Server(cluster, "worker", 0))
    return servers[-1].target


@pytest.fixture
def no_dropout(monkeypatch):
    monkeypatch.setattr(slim, "dropout", lambda inputs, *_, **__: inputs)


def build(num_ps, **flags):
    """LeNet, whose first fully connected layer has more than half of its bytes, with two slots and an average."""
    warm_start = flags.pop("warm_start", None)
    settings = {
        "model_name": "lenet",
        "batch_size": BATCH,
        "train_image_size": 12,
        "optimizer": "rmsprop",
        "learning_rate": 0.003,
        "moving_average_decay": 0.9,
        "weight_decay": 0.01,
        "num_ps_tasks": num_ps,
        **flags,
    }
    return step.build(
        TrainConfig(**settings),
        num_records=600,
        num_classes=CLASSES,
        next_batch=lambda: (tf.constant(IMAGES), tf.constant(LABELS)),
        topology=Topology(num_ps),
        warm_start=warm_start,
    )


class Life:
    """One graph and its session: restored from a checkpoint if there is one, trained, saved."""

    def __init__(self, num_ps, target, **flags):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.built = build(num_ps, **flags)
            self.saver = saver.make_saver("/job:worker/task:0/cpu:0" if num_ps else "/cpu:0")
            self.init = tf.global_variables_initializer()
        self.session = tf.Session(target if num_ps else "", graph=self.graph)
        self.session.run(self.init)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()

    def steps(self, count):
        return [float(self.session.run(self.built.train_op)) for _ in range(count)]

    def save(self, path):
        with self.graph.as_default():
            return self.saver.save(self.session, str(path), write_meta_graph=False)

    def restore(self, prefix):
        with self.graph.as_default():
            saver.check_fits(prefix, prefix, "lenet", {})
            self.saver.restore(self.session, prefix)


def tensors(prefix):
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_what_three_servers_saved_in_parts_one_process_reads_as_a_whole_and_the_other_way_round(
    target, tmp_path, no_dropout
):
    with Life(NUM_PS, target) as cut:
        parts = [v for v in model_variables_of(cut.graph) if v.op.name.startswith("LeNet/fc3/weights/part_")]
        assert sorted(v.device for v in parts) == [f"/job:ps/task:{index}/device:CPU:0" for index in range(NUM_PS)]
        cut.steps(2)
        first = cut.save(tmp_path / "cut")
        went_on = cut.steps(3)
        at_the_end = tensors(cut.save(tmp_path / "cut-end"))
    with Life(0, target) as whole:
        assert {v.op.name for v in whole.built.saver_variables} == set(tensors(first))
        assert [tensors(first)[v.op.name].shape for v in whole.built.saver_variables] == [
            tuple(v.shape.as_list()) for v in whole.built.saver_variables
        ]
        whole.restore(first)
        second = whole.save(tmp_path / "whole")
        for name, value in tensors(first).items():
            np.testing.assert_array_equal(tensors(second)[name], value)
        assert whole.steps(3) == pytest.approx(went_on, rel=1e-5)
        for name, value in tensors(whole.save(tmp_path / "whole-end")).items():
            np.testing.assert_allclose(value, at_the_end[name], rtol=1e-3, atol=1e-5, err_msg=name)
    with Life(NUM_PS, target) as cut:
        cut.restore(second)
        assert cut.steps(3) == pytest.approx(went_on, rel=1e-5)


def test_slots_and_averages_lie_beside_their_part(target):
    with tf.Graph().as_default() as graph:
        built = build(NUM_PS)
        devices = {variable.op.name: variable.device for variable in built.saver_variables}
        parts = [v.op.name for v in model_variables_of(graph) if "/part_" in v.op.name]
    for name in parts:
        assert {devices[f"{name}/{slot}"] for slot in ("RMSProp", "RMSProp_1", "ExponentialMovingAverage")} == {
            devices[name]
        }


def test_a_warm_start_fills_the_parts_of_a_variable_that_the_checkpoint_has_as_a_whole(target, tmp_path):
    with Life(0, target) as whole:
        prefix = whole.save(tmp_path / "whole")
        wanted = whole.session.run(next(v for v in model_variables_of(whole.graph) if v.op.name == "LeNet/fc3/weights"))
    with Life(NUM_PS, target, warm_start=Source(prefix, prefix), learning_rate_scales="LeNet/fc3=0.5,LeNet=1") as cut:
        with cut.graph.as_default():
            cut.built.init_fn(cut.session)
        parts = [v for v in model_variables_of(cut.graph) if v.op.name.startswith("LeNet/fc3/weights/part_")]
        got = np.concatenate(cut.session.run(parts), axis=1)
    np.testing.assert_array_equal(got, wanted)


def test_weights_are_computed_with_as_bfloat16_and_kept_as_float32(target, tmp_path, no_dropout):
    with Life(0, target) as whole:
        prefix = whole.save(tmp_path / "whole")
        exact = whole.steps(4)
    with Life(NUM_PS, target, wire_dtype="bfloat16", num_clones=2, clone_on_cpu=True) as halved:
        halved.restore(prefix)
        variables = [v for v in model_variables_of(halved.graph) if v.op.name.endswith("weights")]
        with halved.graph.as_default():
            pairs = [(variable.value(), variable.read_value()) for variable in variables]
            rounded = [tf.cast(tf.cast(kept, tf.bfloat16), tf.float32) for _, kept in pairs]
        for (seen, kept), wanted in zip(halved.session.run(pairs), halved.session.run(rounded), strict=True):
            np.testing.assert_array_equal(seen, wanted)
            np.testing.assert_allclose(seen, kept, rtol=2**-8)
            assert np.abs(seen - kept).max() > 0
        got = halved.steps(4)
        after = tensors(halved.save(tmp_path / "halved"))["LeNet/fc3/weights"]
    assert got == pytest.approx(exact, rel=0.02)
    assert got != exact
    assert np.mean(after.view(np.uint32) & 0xFFFF != 0) > 0.9  # not themselves rounded


@pytest.mark.parametrize("flags", [{}, {"sync_replicas": True}, {"num_clones": 2, "clone_on_cpu": True}])
def test_half_as_many_bytes_cross_between_worker_and_servers(flags):
    def crossing(**more):
        with tf.Graph().as_default() as graph:
            build(NUM_PS, moving_average_decay=None, **flags, **more)
            return bytes_across(graph)

    fetched, pushed = crossing()
    fetched_half, pushed_half = crossing(wire_dtype="bfloat16")
    assert fetched_half / fetched == pytest.approx(0.5, abs=0.001)
    assert pushed_half / pushed == pytest.approx(0.5, abs=0.001)


def bytes_across(graph):
    """Bytes of the step's tensors that go from servers to the worker, and back, each once for each receiver."""
    train_op = graph.get_operation_by_name("train_op")
    seen, waiting = {train_op}, [train_op]
    sent = {}
    while waiting:
        op = waiting.pop()
        for tensor in op.inputs:
            if task(tensor.op) != task(op) and tensor.dtype != tf.resource:
                count = tensor.shape.num_elements()
                sent[tensor.name, task(op)] = (task(op), (count or 0) * tensor.dtype.size)
        for before in [*(tensor.op for tensor in op.inputs), *op.control_inputs]:
            if before not in seen:
                seen.add(before)
                waiting.append(before)
    to_worker = sum(size for where, size in sent.values() if where.startswith("/job:worker"))
    return to_worker, sum(size for _, size in sent.values()) - to_worker


def task(op):
    device = tf.DeviceSpec.from_string(op.device)
    return f"/job:{device.job or 'worker'}/task:{device.task or 0}"


def model_variables_of(graph):
    with graph.as_default():
        return model_variables()


def test_statistics_of_batch_normalisation_travel_as_they_are():
    with tf.Graph().as_default() as graph:
        flags = {"optimizer": "sgd", "moving_average_decay": None}  # only the model's own variables are looked at
        build(NUM_PS, model_name="mobilenet_v1_025", train_image_size=32, wire_dtype="bfloat16", **flags)
        for variable in model_variables_of(graph):
            is_cast = variable.value().op.type == "Cast"
            assert is_cast == variable.trainable, variable.op.name
