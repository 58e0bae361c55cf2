"""How nets are built: without classes, with a global pool, twice with the same variables, and for a training step."""

import numpy as np
import pytest

from sparkcv import nets
from sparkcv.errors import UsageError
from tests.nets import goldens

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("name", "size", "shape", "last"),
    [
        ("alexnet_v2", 195, [2, 1, 1, 4096], "alexnet_v2/fc7"),
        ("cifarnet", 16, [2, 192], "fc4"),
        ("lenet", 16, [2, 1024], "fc3"),
        ("mobilenet_v1_025", 64, [2, 1, 1, 256], "AvgPool_1a"),
        ("mobilenet_v3_small_minimalistic", 64, [2, 1, 1, 1024], "global_pool"),
        ("resnet_v1_50", 32, [2, 1, 1, 2048], "global_pool"),
    ],
)
def test_without_classes_there_are_features(name, size, shape, last):
    from sparkcv.nets.slim import model_variables, tf

    with tf.Graph().as_default():
        features, end_points = nets.get(name).build(tf.zeros([2, size, size, 3]), None, is_training=False)
        assert features.shape.as_list() == shape
        assert end_points[last] is features
        assert not {"Logits", "Predictions", "AuxLogits"} & set(end_points)
        assert not [v.op.name for v in model_variables() if "logits" in v.op.name.lower() or "/fc8" in v.op.name]


def test_no_classes_may_be_said_by_zero():
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default():
        features, _ = nets.get("lenet").build(tf.zeros([1, 12, 12, 3]), 0, is_training=False)
        assert features.shape.as_list() == [1, 1024]
        with pytest.raises(UsageError, match="asked for -1 classes"):
            nets.get("lenet").build(tf.zeros([1, 12, 12, 3]), -1, is_training=False)


@pytest.mark.parametrize(("name", "size"), [("alexnet_v2", 300), ("mobilenet_v1_025", 300)])
def test_a_global_pool_takes_larger_pictures(name, size):
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default():
        images = tf.zeros([2, size, size, 3])
        with pytest.raises(UsageError, match=f"image size {size} does not fit {name}"):
            nets.get(name).build(images, 5, is_training=False)
        logits, end_points = nets.get(name).build(images, 5, is_training=False, global_pool=True)
        assert logits.shape.as_list() == [2, 5]
        assert end_points["global_pool"].shape.as_list()[1:3] == [1, 1]


def test_without_a_global_pool_mobilenet_v1_cannot_be_built_at_more_than_its_size():
    from sparkcv.nets.slim import tf

    net = nets.get("mobilenet_v1_025")
    unchecked = type(net)(net.name, net.family, 257, 1, None, net.preprocessing, batch_norm=net.batch_norm)
    with tf.Graph().as_default(), pytest.raises(ValueError):
        unchecked.build(tf.zeros([1, 257, 257, 3]), 5, is_training=False)


@pytest.mark.parametrize("name", ["alexnet_v2", "mobilenet_v1_025", "mobilenet_v3_small_minimalistic"])
def test_a_second_tower_shares_all_variables(name):
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default():
        size = nets.get(name).default_image_size
        images = tf.zeros([1, size, size, 3])
        nets.get(name).build(images, 5, is_training=True)
        before = tf.global_variables()
        with tf.name_scope("clone_1"):
            _, end_points = nets.get(name).build(images, 5, is_training=True, reuse=True)
        assert [v.op.name for v in tf.global_variables()] == [v.op.name for v in before]
        assert all(point.op.name.startswith("clone_1/") for point in end_points.values())
        with pytest.raises(ValueError, match="already exists"):
            nets.get(name).build(images, 5, is_training=True)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("alexnet_flowers", 32),
        ("cifarnet", 32),
        ("inception_resnet_v2", None),
        ("inception_v4", None),
        ("mobilenet_v1_025", None),
        ("mobilenet_v3_small", None),
        ("nasnet_mobile", None),
    ],
)
def test_a_training_step_changes_every_variable(name, size):
    """Without a size in the graph that the goldens describe: of a large net it takes as long to build as to run."""
    from sparkcv.nets.slim import quick, tf

    if size is None:
        graph, logits, end_points = goldens.build(name)
        with graph.as_default(), quick():
            check_a_training_step(graph.get_tensor_by_name(goldens.PICTURES), logits, end_points)
        return
    with tf.Graph().as_default(), quick():
        tf.set_random_seed(1)
        images = tf.zeros([4, size, size, 3])
        check_a_training_step(images, *nets.get(name).build(images, 5, is_training=True))


def check_a_training_step(images, logits, end_points):
    """Adds a step to the net's graph, no variable, and takes it."""
    from sparkcv.nets.slim import model_variables, tf

    pictures = np.random.RandomState(1).uniform(-1, 1, images.shape.as_list()).astype(np.float32)
    heads = [logits, end_points["AuxLogits"]] if "AuxLogits" in end_points else [logits]
    labels = list(range(len(pictures)))
    loss = tf.add_n([tf.losses.sparse_softmax_cross_entropy(labels, head) for head in heads])
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    # Of a graph that is run once its optimization takes longer than it saves.
    options = tf.GraphOptions(optimizer_options=tf.OptimizerOptions(opt_level=tf.OptimizerOptions.L0))
    options.rewrite_options.disable_meta_optimizer = True
    with tf.Session(config=tf.ConfigProto(graph_options=options)) as session:
        session.run(tf.global_variables_initializer())
        before = session.run(model_variables())
        assert np.isfinite(session.run([loss, train, updates], {images: pictures})[0])
        after = session.run(model_variables())
    same = [v.op.name for v, a, b in zip(model_variables(), before, after, strict=True) if np.array_equal(a, b)]
    # What an image of 32 pixels leaves is 1x1, and ReLUs of it may be 0 for all of a batch of four.
    assert len(same) <= len(before) // 10, same


def test_paths_are_dropped_for_whole_pictures_and_the_mean_stays():
    from sparkcv.nets.nasnet_cells import drop_path
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        dropped = session.run(drop_path(tf.ones([4000, 2, 1, 3]), tf.constant(0.8)))
    assert set(np.unique(dropped)) == {np.float32(0.0), np.float32(1.25)}
    assert (dropped == dropped[:, :1, :1, :1]).all()
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)


def test_batch_normalisation_counts_as_it_is_tabulated():
    """Momentum 0.9, inputs 0, 1, 2: by the batch in training, by the moved averages in inference."""
    from sparkcv.nets.slim import quiet, slim, tf

    with tf.Graph().as_default(), tf.Session() as session, quiet():
        inputs = tf.reshape(tf.constant([0.0, 1.0, 2.0]), [3, 1, 1, 1])
        shared = {"decay": 0.9, "scope": "norm", "fused": False}
        trained = slim.batch_norm(inputs, is_training=True, **shared)
        inferred = slim.batch_norm(inputs, is_training=False, reuse=True, **shared)
        session.run(tf.global_variables_initializer())
        first = session.run([trained, tf.get_collection(tf.GraphKeys.UPDATE_OPS)])[0].ravel()
        later = session.run(inferred).ravel()
    np.testing.assert_allclose(first, [-1.2238, 0.0, 1.2238], atol=1e-4)
    np.testing.assert_allclose(later, [-0.1017, 0.9149, 1.9315], atol=1e-4)
