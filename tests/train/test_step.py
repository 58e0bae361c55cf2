"""The training step as a graph: its loss, updates, towers, averages, placement and summaries are slim's."""

import re
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import nets
from sparkcv.config import TrainConfig
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.nets.slim import model_variables, slim
from sparkcv.train import hooks, step, warmstart
from sparkcv.train.placement import place
from sparkcv.train.replicas import Topology

pytestmark = pytest.mark.tensorflow

CLASSES, BATCH = 4, 6
SLOTS = {"RMSProp", "RMSProp_1", "ExponentialMovingAverage"}
MOBILENET = {
    "model_name": "mobilenet_v1_025",
    "batch_size": BATCH,
    "optimizer": "adam",
    "opt_epsilon": 1e-12,
    "train_image_size": 32,
}


def batches(size, channels=3):
    """Batches in which the label is the brightness, so that a net can learn it."""

    def next_batch():
        labels = tf.random_uniform([BATCH], 0, CLASSES, tf.int64)
        noise = tf.random_normal([BATCH, size, size, channels], stddev=0.1)
        return noise + tf.reshape(tf.cast(labels, tf.float32) - 1.5, [BATCH, 1, 1, 1]), labels

    return next_batch


def build(config, size=8, **options):
    options = {"num_records": 600, "num_classes": CLASSES, "next_batch": batches(size)} | options
    return step.build(config, **options)


def lenet(**flags):
    return TrainConfig(
        **({"model_name": "lenet", "batch_size": BATCH, "optimizer": "sgd", "train_image_size": 8} | flags)
    )


def opened():
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


def test_training_lowers_the_loss_and_counts_steps():
    with tf.Graph().as_default():
        graph = build(lenet(learning_rate=0.002, num_epochs_per_decay=1000.0))
        assert graph.images_per_step == BATCH
        assert (graph.sync_hook, graph.init_fn) == (None, None)
        with opened() as session:
            losses = [session.run(graph.train_op) for _ in range(60)]
            assert session.run(graph.global_step) == 60
            assert session.run(graph.learning_rate) == pytest.approx(0.002)
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:3])


def test_the_loss_is_cross_entropy_plus_weight_decay():
    with tf.Graph().as_default():
        graph = build(lenet(weight_decay=0.01, label_smoothing=0.1))
        entropy = tf.get_collection(tf.GraphKeys.LOSSES)
        weights = [variable for variable in tf.trainable_variables() if variable.op.name.endswith("weights")]
        decay = 0.01 * tf.add_n([tf.nn.l2_loss(variable) for variable in weights])
        with opened() as session:
            total, parts, decay = session.run([graph.loss, entropy, decay])
            assert session.run(graph.global_step) == 0
    assert len(parts) == 1
    assert decay > 0.01
    assert total == pytest.approx(parts[0] + decay, rel=1e-5)


def test_towers_share_the_loss_and_count_weight_decay_once():
    with tf.Graph().as_default():
        graph = build(lenet(num_clones=2, clone_on_cpu=True, weight_decay=0.01))
        entropy = tf.get_collection(tf.GraphKeys.LOSSES)
        decay = tf.add_n(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
        with opened() as session:
            total, parts, decay = session.run([graph.loss, entropy, decay])
            session.run(graph.train_op)
            assert session.run(graph.global_step) == 1
        assert len(model_variables()) == 8
        assert graph.images_per_step == 2 * BATCH
    assert len(parts) == 2
    assert parts[0] != parts[1]  # each tower takes a batch of its own
    assert total == pytest.approx(sum(parts) / 2 + decay, rel=1e-5)


def test_towers_update_by_the_sum_of_their_gradients():
    """Towers with equal batches and half the loss each move the weights as one tower does."""

    def moved(num_clones):
        with tf.Graph().as_default():
            images = np.random.RandomState(0).normal(size=[BATCH, 8, 8, 3]).astype(np.float32)
            batch = lambda: (tf.constant(images), tf.constant([0, 1, 2, 3, 0, 1], tf.int64))  # noqa: E731
            config = lenet(num_clones=num_clones, clone_on_cpu=True, learning_rate=0.1, weight_decay=0.1)
            graph = build(config, next_batch=batch)
            bias = next(v for v in tf.trainable_variables() if v.op.name == "LeNet/fc4/biases")
            fillings = [
                tf.assign(v, np.random.RandomState(i).normal(0, 0.1, v.shape.as_list()))
                for i, v in enumerate(tf.trainable_variables())
            ]
            with opened() as session:
                session.run(fillings)
                session.run(graph.train_op)
                return session.run(bias)

    # Dropout is random: the biases of the last layer move by nearly the same.
    np.testing.assert_allclose(moved(1), moved(2), atol=0.02)


def test_more_towers_than_gpus_are_refused():
    with tf.Graph().as_default(), pytest.raises(UsageError, match="--num_clones 9 wants as many GPUs"):
        build(lenet(num_clones=9))


def test_quantized_training_is_refused():
    config = lenet()
    object.__setattr__(config, "quantize_delay", 0)
    with tf.Graph().as_default(), pytest.raises(UsageError, match="--quantize_delay=0 asks for quantized training"):
        build(config)


def test_a_label_out_of_range_stops_training():
    def bad_batch():
        return tf.zeros([2, 8, 8, 3]), tf.constant([0, CLASSES], tf.int64)

    with tf.Graph().as_default():
        graph = build(lenet(), next_batch=bad_batch)
        with opened() as session, pytest.raises(tf.errors.InvalidArgumentError, match="a label is out of range"):
            session.run(graph.train_op)


def test_only_the_trainable_scopes_are_trained():
    with tf.Graph().as_default():
        graph = build(lenet(trainable_scopes="LeNet/fc4", weight_decay=0.1))
        with opened() as session:
            before = session.run(tf.trainable_variables())
            session.run(graph.train_op)
            after = session.run(tf.trainable_variables())
            changed = [
                variable.op.name
                for variable, old, new in zip(tf.trainable_variables(), before, after, strict=True)
                if np.abs(old - new).max() > 0
            ]
    assert changed == ["LeNet/fc4/weights", "LeNet/fc4/biases"]


def test_a_scope_that_trains_nothing_is_refused():
    with tf.Graph().as_default(), pytest.raises(UsageError, match="--trainable_scopes has 'LeNet/fc9'"):
        build(lenet(trainable_scopes="LeNet/fc9"))


def test_grey_pictures_have_one_channel():
    with tf.Graph().as_default():
        build(lenet(use_grayscale=True), next_batch=batches(8, channels=1), topology=Topology(num_ps=2))
        assert model_variables()[0].shape.as_list() == [5, 5, 1, 32]


def test_moving_averages_follow_all_model_variables_and_are_saved():
    with tf.Graph().as_default():
        graph = build(lenet(moving_average_decay=0.5, learning_rate=0.1))
        weights = model_variables()[0]
        saved = {variable.op.name: variable for variable in graph.saver_variables}
        average = saved[f"{weights.op.name}/ExponentialMovingAverage"]
        assert sum(name.endswith("ExponentialMovingAverage") for name in saved) == len(model_variables())
        with opened() as session:
            start = session.run(weights)
            np.testing.assert_array_equal(session.run(average), start)
            for _ in range(3):
                session.run(graph.train_op)
            end, averaged = session.run([weights, average])
    assert 0 < np.abs(averaged - start).max() < np.abs(end - start).max()


def test_everything_that_resuming_needs_is_saved():
    with tf.Graph().as_default():
        graph = build(lenet(optimizer="rmsprop"))
        assert set(graph.saver_variables) == set(tf.global_variables())
        assert graph.global_step in graph.saver_variables
        assert len(graph.saver_variables) == 1 + 3 * len(tf.trainable_variables())


def test_the_seed_makes_the_first_weights_the_same():
    def first(seed):
        with tf.Graph().as_default():
            build(lenet(seed=seed))
            with opened() as session:
                return session.run(model_variables()[0])

    np.testing.assert_array_equal(first(3), first(3))
    assert np.abs(first(3) - first(4)).max() > 0.01


def test_synchronous_training_takes_a_step_for_the_batches_that_it_aggregates():
    config = lenet(sync_replicas=True, replicas_to_aggregate=2, moving_average_decay=0.9)
    with tf.Graph().as_default():
        graph = build(config)
        both = [graph.sync_hook, hooks.QuietSync(graph.sync_hook)]
        with tf.train.MonitoredSession(hooks=both, stop_grace_period_secs=1) as session:
            for _ in range(6):
                session.run(graph.train_op)
            assert 2 <= session.run(graph.global_step) <= 3
            average = next(v for v in graph.saver_variables if v.op.name.endswith("ExponentialMovingAverage"))
            assert np.isfinite(session.run(average)).all()


def test_a_warm_start_fills_the_model_and_leaves_the_step_alone(tmp_path):
    with tf.Graph().as_default():
        build(lenet())
        with opened() as session:
            prefix = tf.train.Saver(model_variables()).save(session, str(tmp_path / "lenet.ckpt"))
            wanted = session.run(model_variables())
    with tf.Graph().as_default():
        graph = build(lenet(seed=9, checkpoint_exclude_scopes="LeNet/fc4"), warm_start=warmstart.Source(prefix, prefix))
        with opened() as session:
            graph.init_fn(session)
            got = session.run(model_variables())
            assert session.run(graph.global_step) == 0
    for old, new in zip(wanted[:6], got[:6], strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(wanted[6] - got[6]).max() > 0.01


def test_a_warm_start_from_another_number_of_classes_is_refused(tmp_path):
    with tf.Graph().as_default():
        build(lenet())
        with opened() as session:
            prefix = tf.train.Saver(model_variables()).save(session, str(tmp_path / "lenet.ckpt"))
    with tf.Graph().as_default(), pytest.raises(CheckpointError, match=r"LeNet/fc4/weights has shape \[1024, 4\]"):
        build(lenet(), num_classes=5, warm_start=warmstart.Source(prefix, prefix))


def test_other_workers_neither_start_warm_nor_write_summaries(tmp_path):
    with tf.Graph().as_default():
        graph = build(
            lenet(), topology=Topology(1, 2, 1), warm_start=warmstart.Source(str(tmp_path / "not looked at"), "")
        )
        assert (graph.init_fn, graph.summary_op) == (None, None)


def test_summaries_are_slims_and_those_of_the_input():
    with tf.Graph().as_default():
        tf.summary.scalar("queues/prefetch", 0.5)
        graph = build(lenet())
        with opened() as session:
            summary = tf.Summary.FromString(session.run(graph.summary_op))
    tags = {value.tag for value in summary.value}
    assert {"queues/prefetch", "learning_rate", "total_loss", "activations/conv1", "sparsity/conv1"} <= tags
    assert {"LeNet/conv1/weights_1", "losses/softmax_cross_entropy_loss/value"} <= tags


@pytest.mark.parametrize(("num_ps", "builds"), [(0, 1), (1, 1), (2, 2)])
def test_one_parameter_server_does_not_pay_for_a_second_graph(num_ps, builds):
    calls = []

    def watch(frame, event, _):
        if event == "call" and frame.f_code is nets.Net.build.__code__:
            calls.append(frame)

    with tf.Graph().as_default():
        sys.setprofile(watch)
        try:
            build(lenet(), topology=Topology(num_ps))
        finally:
            sys.setprofile(None)
    assert len(calls) == builds


@pytest.fixture(scope="module")
def inception():
    """Inception v3 at its default size with moving averages, on 2 ps, as the second of 2 workers."""
    config = TrainConfig(batch_size=BATCH, moving_average_decay=0.999, num_ps_tasks=2)
    with tf.Graph().as_default() as graph:
        built = build(config, next_batch=batches(299), num_classes=1001, topology=Topology(2, 2, 1))
        yield graph, built


def owner(variable):
    """Name of the model's variable that this one is, or is a slot of."""
    name, _, slot = variable.op.name.rpartition("/")
    return name if slot in SLOTS else variable.op.name


def test_all_variables_are_on_the_servers_and_slots_beside_them(inception):
    graph, built = inception
    devices = {variable.op.name: variable.device for variable in built.saver_variables}
    assert set(devices.values()) == {"/job:ps/task:0/device:CPU:0", "/job:ps/task:1/device:CPU:0"}
    assert len(devices) == 388 + 2 * 196 + 388 + 1
    for variable in built.saver_variables:
        assert variable.device == devices[owner(variable)]
    on_servers = {op.type for op in graph.get_operations() if op.device.startswith("/job:ps")}
    assert "Conv2D" not in on_servers
    worker = {op.device for op in graph.get_operations() if op.type == "Conv2D"}
    assert worker == {"/job:worker/task:1"}


def test_the_servers_hold_the_same_number_of_bytes(inception):
    graph, built = inception
    num_bytes: dict[str, int] = {}
    for variable in built.saver_variables:
        values = variable.shape.num_elements() * variable.dtype.base_dtype.size
        num_bytes[owner(variable)] = num_bytes.get(owner(variable), 0) + values
    loads = [0, 0]
    with graph.as_default():
        for variable in [*model_variables(), built.global_step]:
            loads[int("task:1" in variable.device)] += num_bytes[variable.op.name]
    assert max(loads) / np.mean(loads) <= 1.01
    for num_ps in (2, 4, 8):
        loads = [0] * num_ps
        for name, index in place(num_bytes, num_ps).items():
            loads[index] += num_bytes[name]
        assert max(loads) / np.mean(loads) <= 1.01, num_ps


def test_each_variable_is_fetched_once_a_step(inception):
    """Weight decay and convolution use one copy; reading again would send the whole model a second time."""
    graph, _ = inception
    with graph.as_default():
        for variable in model_variables():
            if not variable.op.name.endswith("/weights"):
                continue
            away = set()
            for read in (op for op in variable.handle.consumers() if op.type == "ReadVariableOp"):
                for user in read.outputs[0].consumers():
                    if user.device.startswith("/job:worker"):
                        away.add(read.name)
            assert len(away) == 1, away


def test_the_step_waits_for_every_update_of_batch_normalisation(inception):
    graph, built = inception
    with graph.as_default():
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert len(updates) == 192
    assert {update.name for update in updates} <= ancestors(built.train_op.op)


def test_moving_averages_are_taken_after_batch_normalisations_updates_and_before_the_gradients(inception):
    """Without an order the average of a moving mean is of its old or its new value as the threads happen to run."""
    graph, built = inception
    run = ancestors(built.train_op.op)
    with graph.as_default():
        updates = {update.name for update in tf.get_collection(tf.GraphKeys.UPDATE_OPS)}
    moves = [
        op
        for op in graph.get_operations()
        if op.name in run
        and op.type == "AssignSubVariableOp"
        and op.inputs[0].op.name.endswith("/ExponentialMovingAverage")
    ]
    assert len(moves) == 388
    differences = [move.inputs[1].op.inputs[0].op for move in moves]
    values = [tensor.op for difference in differences for tensor in difference.inputs]
    reads = [value.inputs[0].op if value.type == "Identity" else value for value in values]
    assert {read.type for read in reads} == {"ReadVariableOp"}
    barriers = {tuple(before.name for before in read.control_inputs) for read in reads}
    for names in barriers:
        assert updates <= set().union(*(ancestors(graph.get_operation_by_name(name)) for name in names))
    applied = [op for op in graph.get_operations() if op.type.startswith("ResourceApply")]
    assert len(applied) == 196
    for op in applied[::65]:  # each looks through the whole graph
        assert {move.name for move in moves} <= ancestors(op)


def test_towers_move_the_weights_as_one_device_with_the_whole_batch(monkeypatch):
    """To 1e-5, on pictures and labels of their own; without dropout, whose random numbers are each tower's."""
    monkeypatch.setattr(slim, "dropout", lambda inputs, *_, **__: inputs)
    random = np.random.RandomState(0)
    pictures, labels = random.normal(size=[12, 8, 8, 3]).astype(np.float32), random.randint(0, CLASSES, [12])

    def trained(num_clones):
        parts = iter(zip(np.split(pictures, num_clones), np.split(labels, num_clones), strict=True))

        def next_batch():
            images, of_images = next(parts)
            return tf.constant(images), tf.constant(of_images, tf.int64)

        with tf.Graph().as_default():
            flags = {"num_clones": num_clones, "clone_on_cpu": True, "optimizer": "momentum", "weight_decay": 0.01}
            graph = build(lenet(learning_rate=0.1, label_smoothing=0.1, **flags), next_batch=next_batch)
            fill = [
                tf.assign(variable, np.random.RandomState(index).normal(0, 0.05, variable.shape.as_list()))
                for index, variable in enumerate(tf.trainable_variables())
            ]
            with opened() as session:
                session.run(fill)
                before = session.run(tf.trainable_variables())
                losses = [session.run(graph.train_op) for _ in range(3)]
                after = session.run(tf.trainable_variables())
        assert all(np.abs(new - old).max() > 1e-3 for new, old in zip(after, before, strict=True))
        return losses, after

    wanted, whole = trained(1)
    for num_clones in (2, 3):
        losses, weights = trained(num_clones)
        assert losses == pytest.approx(wanted, rel=1e-5)
        for got, one in zip(weights, whole, strict=True):
            np.testing.assert_allclose(got, one, atol=1e-5)


def test_the_learning_rate_of_a_scope_and_the_norm_of_the_gradients_are_the_flags():
    def moved(**flags):
        with tf.Graph().as_default():
            images = np.random.RandomState(0).normal(size=[BATCH, 8, 8, 3]).astype(np.float32)
            batch = lambda: (tf.constant(images), tf.constant([0, 1, 2, 3, 0, 1], tf.int64))  # noqa: E731
            graph = build(lenet(optimizer="adam", opt_epsilon=1e-8, weight_decay=0.0, **flags), next_batch=batch)
            names = [variable.op.name for variable in tf.trainable_variables()]
            with opened() as session:
                before = session.run(tf.trainable_variables())
                session.run(graph.train_op)
                after = session.run(tf.trainable_variables())
            return {name: np.abs(b - a).max() for name, a, b in zip(names, before, after, strict=True)}

    got = moved(learning_rate_scales="LeNet=0.01, LeNet/fc4=1,LeNet/conv1/biases=0", clip_gradient_norm=0.1)
    # Adam's first step is the learning rate in each weight whatever the gradient: a scaled gradient would not show.
    assert got["LeNet/fc4/weights"] == pytest.approx(0.01, rel=1e-2)
    assert got["LeNet/conv2/weights"] == pytest.approx(0.0001, rel=1e-2)
    assert got["LeNet/conv1/biases"] == 0


def test_a_scope_with_a_learning_rate_that_matches_nothing_is_refused():
    with tf.Graph().as_default(), pytest.raises(UsageError, match=r"'LeNet/fc5'.* did you mean 'LeNet/fc[34]'"):
        build(lenet(learning_rate_scales="LeNet/fc5=0.1"))


def test_only_the_first_tower_updates_batch_normalisation():
    config = TrainConfig(**{**MOBILENET, "optimizer": "sgd"}, num_clones=2, clone_on_cpu=True)
    with tf.Graph().as_default():
        graph = build(config, size=32)
        updates = {update.name for update in tf.get_collection(tf.GraphKeys.UPDATE_OPS)}
        run = updates & ancestors(graph.train_op.op)
    assert len(updates) == 2 * 54
    assert len(run) == 54
    assert all(name.startswith("clone_0/") for name in run)


def ancestors(op):
    """Names of all operations that running ``op`` runs."""
    seen, waiting = {op.name}, [op]
    while waiting:
        current = waiting.pop()
        for before in [*(tensor.op for tensor in current.inputs), *current.control_inputs]:
            if before.name not in seen:
                seen.add(before.name)
                waiting.append(before)
    return seen


@pytest.mark.parametrize(
    ("flags", "changes", "statistics_change"),
    [
        ({"trainable_scopes": "MobilenetV1/Logits"}, r"MobilenetV1/Logits/", "nothing"),
        (
            {"trainable_scopes": "MobilenetV1/Conv2d_13,MobilenetV1/Logits"},
            r"MobilenetV1/(Logits|Conv2d_13_)",
            r"MobilenetV1/Conv2d_13_",
        ),
        ({"freeze_batch_norm": True}, "", "nothing"),
    ],
)
def test_a_frozen_layer_keeps_its_bytes_and_those_of_its_statistics(flags, changes, statistics_change):
    with tf.Graph().as_default():
        build(TrainConfig(**MOBILENET, **flags), size=32)
        graph_variables = model_variables()
        frozen = step._frozen(TrainConfig(**MOBILENET, **flags))
        train_op = tf.get_default_graph().get_tensor_by_name("train_op:0")
        with opened() as session:
            before = session.run(graph_variables)
            for _ in range(3):
                session.run(train_op)
            after = session.run(graph_variables)
    same = {v.op.name for v, a, b in zip(graph_variables, before, after, strict=True) if a.tobytes() == b.tobytes()}
    for variable in graph_variables:
        name = variable.op.name
        kept = statistics_change if "/moving_" in name else changes
        assert (name in frozen) == (re.match(kept, name) is None), name
    assert frozen <= same
    # ReLUs of what a picture of 32 pixels leaves may be 0 for a whole batch; what is trained mostly moves.
    assert len(same - frozen) <= 0.2 * (len(graph_variables) - len(frozen)) + 1


def test_frozen_layers_are_as_in_inference():
    """Their statistics, not the batch's, so that a new head learns from the features that it will get."""
    with tf.Graph().as_default(), tf.Session() as session:
        images, _ = batches(32)()
        fixed = tf.constant(session.run(images))
        build(
            TrainConfig(**MOBILENET, trainable_scopes="MobilenetV1/Logits"),
            size=32,
            next_batch=lambda: (fixed, tf.zeros([BATCH], tf.int64)),
        )
        trained = tf.get_default_graph().get_tensor_by_name("MobilenetV1/Logits/AvgPool_1a/AvgPool:0")
        features, _ = nets.get("mobilenet_v1_025").build(fixed, None, is_training=False, reuse=True)
        session.run(tf.global_variables_initializer())
        got, wanted = session.run([trained, features])
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("num_clones", [1, 2])
def test_opposed_losses_train_their_own_variables_from_the_same_values(num_clones):
    def tower(images, labels, reuse):
        del images, labels
        with tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
            one, other = (
                slim.model_variable(f"{name}/value", [], initializer=tf.constant_initializer(value))
                for name, value in (("first", 3.0), ("second", 5.0))
            )
        if not reuse:
            tf.add_to_collection(step.RECORDED, tf.identity(one, name="one_loss"))
        return [one * other, -one * other], {}

    opposed = step.OpposedLosses(tower, ("first/", "second/"))
    flags = {"learning_rate": 0.1, "learning_rate_decay_type": "fixed", "num_clones": num_clones, "clone_on_cpu": True}
    with tf.Graph().as_default():
        graph = build(lenet(**flags), build_tower=opposed)
        assert [each.op.name.rpartition("/")[2] for each in graph.recorded] == ["one_loss"]
        with opened() as session:
            session.run(graph.train_op)
            values = {each.op.name: session.run(each) for each in tf.trainable_variables()}
    assert values == {"first/value": pytest.approx(3 - 0.1 * 5), "second/value": pytest.approx(5 + 0.1 * 3)}
