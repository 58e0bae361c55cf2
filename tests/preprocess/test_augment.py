"""Where windows are cut and how colours are distorted: bounds, and independence of one another."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment

pytestmark = pytest.mark.tensorflow


def sample(build, count):
    with tf.Graph().as_default(), tf.Session() as session:
        tensor = build()
        return np.array([session.run(tensor) for _ in range(count)])


@pytest.mark.parametrize("shape", [(90, 120, 3), (500, 10, 3), (1, 1, 3)])
def test_random_windows_lie_in_the_picture(shape):
    windows = sample(lambda: augment.random_window(tf.constant(shape), seed=3), 60)
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] >= 1).all()
    assert (windows[:, 0] + windows[:, 2] <= shape[0]).all()
    assert (windows[:, 1] + windows[:, 3] <= shape[1]).all()


def test_random_windows_keep_slims_share_of_the_area_and_its_aspect_ratio():
    windows = sample(lambda: augment.random_window(tf.constant((400, 600, 3)), seed=4), 200).astype(float)
    area, aspect = windows[:, 2] * windows[:, 3] / 240_000, windows[:, 3] / windows[:, 2]
    assert 0.1 <= area.min() < 0.2  # the window must also cover 10 % of the only box, the whole picture
    assert area.max() > 0.7
    assert 0.74 < aspect.min() < 0.9
    assert 1.2 < aspect.max() < 1.34


def test_a_larger_share_can_be_asked_for():
    windows = sample(lambda: augment.random_window(tf.constant((400, 600, 3)), seed=4, min_area=0.6), 50).astype(float)
    assert (windows[:, 2] * windows[:, 3] / 240_000).min() > 0.59


@pytest.mark.parametrize(("height", "width"), [(90, 120), (91, 7), (1, 1), (299, 299)])
def test_the_central_window_is_that_of_central_crop(height, width):
    image = np.arange(height * width * 3, dtype=np.int32).reshape([height, width, 3])
    with tf.Graph().as_default(), tf.Session() as session:
        dynamic = tf.placeholder(tf.int32, [None, None, 3])
        top, left, rows, columns = tf.unstack(augment.central_window(tf.shape(dynamic), 0.875))
        ours = dynamic[top : top + rows, left : left + columns]
        got, wanted = session.run([ours, tf.image.central_crop(dynamic, 0.875)], {dynamic: image})
    np.testing.assert_array_equal(got, wanted)


def test_half_of_the_pictures_are_mirrored():
    image = np.arange(6, dtype=np.float32).reshape([1, 2, 3])
    flipped = sample(lambda: augment.random_flip(tf.constant(image), seed=5), 200)
    mirrored = (flipped[:, 0, 0, 0] == 3).mean()
    assert 0.35 < mirrored < 0.65
    assert {tuple(picture.ravel()) for picture in flipped} == {(0, 1, 2, 3, 4, 5), (3, 4, 5, 0, 1, 2)}


def test_colours_stay_in_range_and_grey_stays_grey():
    image = np.random.RandomState(0).uniform(0, 1, [8, 8, 3]).astype(np.float32)
    distorted = sample(lambda: augment.distort_color(tf.constant(image), seed=6), 40)
    assert distorted.min() >= 0
    assert distorted.max() <= 1
    assert distorted.std(axis=0).max() > 0.05
    gray = sample(lambda: augment.distort_color(tf.fill([4, 4, 3], 0.5), seed=6), 40)
    np.testing.assert_allclose(gray[..., 0], gray[..., 1], atol=1e-5)
    assert np.abs(gray - 0.5).max() <= 32 / 255 + 1e-5
    assert np.abs(gray - 0.5).max() > 0.08


def test_operations_of_one_picture_have_different_seeds():
    assert augment.op_seed(None, 3) is None
    seeds = {augment.op_seed(seed, which) for seed in range(50) for which in range(4)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
