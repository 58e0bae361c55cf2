"""The losses of a style net's training: their values by hand, and what is trained by them."""

import numpy as np
import pytest

from sparkcv.config import TrainStyleConfig
from sparkcv.errors import ImageError, UsageError
from sparkcv.nets.slim import tf
from sparkcv.style import style_tower

pytestmark = pytest.mark.tensorflow


def flags(**changes):
    fields = {
        "style_image": "style.png",
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "content_layers": "conv2",
        "style_layers": "conv1, conv2",
    }
    return TrainStyleConfig(**{**fields, **changes})


def gram(features):
    flat = features.reshape(-1, features.shape[-1])
    return flat.T @ flat / features.size


def test_the_losses_are_those_of_the_published_program():
    made = np.random.default_rng(0)
    points = {
        "conv1": made.normal(size=(5, 6, 8, 3)),
        "conv2": made.normal(size=(5, 4, 4, 2)),
        "flat": np.zeros((5, 7)),
    }
    pictures = made.uniform(0, 255, (2, 9, 10, 3))
    with tf.Graph().as_default(), tf.Session() as session:
        ends = {name: tf.constant(value, tf.float32) for name, value in points.items()}
        losses = style_tower.style_losses(flags(), ends, tf.constant(pictures, tf.float32))
        content, style, variation = session.run(losses)
    assert content == pytest.approx(7.5 * np.square(points["conv2"][:2] - points["conv2"][2:4]).mean(), rel=1e-5)
    wanted = 0.0
    for name in ("conv1", "conv2"):
        of_style = gram(points[name][4])
        wanted += np.mean([np.square(gram(point) - of_style).mean() for point in points[name][:2]])
    assert style == pytest.approx(100 * wanted, rel=1e-5)
    down, across = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
    assert variation == pytest.approx(200 * (np.square(down).mean() + np.square(across).mean()), rel=1e-5)


def test_a_weight_of_0_leaves_its_loss_out():
    with tf.Graph().as_default():
        ends = {name: tf.zeros([5, 4, 4, 2]) for name in ("conv1", "conv2")}
        losses = style_tower.style_losses(flags(content_weight=0.0, tv_weight=0.0), ends, tf.zeros([2, 9, 9, 3]))
        assert [loss.op.name for loss in losses] == ["style_loss"]


@pytest.mark.parametrize("which", ["content", "style"])
def test_an_end_point_that_is_not_there_is_named_with_the_nearest(which):
    with tf.Graph().as_default():
        ends = {name: tf.zeros([5, 4, 4, 2]) for name in ("conv1", "conv2")}
        with pytest.raises(UsageError, match=r"no end point 'conv22', did you mean 'conv2'"):
            style_tower.style_losses(flags(**{f"{which}_layers": "conv22"}), ends, tf.zeros([2, 9, 9, 3]))


def test_a_tower_looks_at_three_kinds_of_pictures_through_one_net_and_only_the_transformer_can_fall():
    style = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        build = style_tower.build_tower(flags(), style)
        images = tf.constant(np.random.default_rng(2).uniform(-1, 1, (2, 32, 32, 3)), tf.float32)
        losses, shown = build(images, None, None)
        assert shown["stylized"].shape.as_list() == [2, 32, 32, 3]
        ours = [each for each in tf.trainable_variables() if each.op.name.startswith("transformer/")]
        assert len(ours) == 48
        assert any(each.op.name.startswith("CifarNet/") for each in tf.trainable_variables())
        total = tf.add_n(losses)
        step = tf.train.AdamOptimizer(1e-3).minimize(total, var_list=ours)
        session.run(tf.global_variables_initializer())
        first = session.run(total)
        for _ in range(15):
            session.run(step)
        assert session.run(total) < 0.8 * first


def test_a_preprocessing_that_cannot_be_undone_is_refused():
    with pytest.raises(UsageError, match="cannot be had back from cifarnet; wanted one of vgg, inception"):
        style_tower.build_tower(flags(preprocessing_name=None), np.zeros((32, 32, 3), np.uint8))


def test_the_style_covers_a_square(tmp_path, encoded):
    (tmp_path / "style.png").write_bytes(encoded("PNG", size=(90, 40)))
    assert style_tower.read_style(str(tmp_path / "style.png"), 32).shape == (32, 32, 3)
    (tmp_path / "style.png").write_bytes(b"words")
    with pytest.raises(ImageError, match=r"--style_image: .*style.png' is rejected"):
        style_tower.read_style(str(tmp_path / "style.png"), 32)
