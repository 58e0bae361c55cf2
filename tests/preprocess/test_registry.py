"""The registry of preprocessings: names, shapes, ranges, and use in tf.data."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import preprocess
from sparkcv.errors import UsageError

FAMILIES = ("charnet", "cifarnet", "inception", "inception_square", "lenet", "vgg")
RANGES = {"charnet": (0, 1), "cifarnet": (-20, 20), "lenet": (-1, 1), "vgg": (-123.68, 151.06)}
RANGES |= dict.fromkeys(("inception", "inception_square"), (-1, 1))


def test_a_net_stands_for_its_family():
    assert preprocess.get("inception_v3") is preprocess.get("inception")
    assert preprocess.get("resnet_v2_50").name == "vgg"
    assert list(preprocess.names()) == sorted(preprocess.names())
    assert set(FAMILIES) < set(preprocess.names())


def test_an_unknown_preprocessing_names_the_nearest():
    with pytest.raises(UsageError, match=r"unknown preprocessing 'inceptoin', did you mean 'inception'\?"):
        preprocess.get("inceptoin")


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("use_grayscale", [False, True])
def test_pictures_of_every_kind_have_the_shape_and_range_promised(name, use_grayscale, kind):
    """One channel for grey pictures, as in slim, whose nets then have one input channel."""
    family = preprocess.get(name)
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = tf.placeholder(tf.string, [])
        for image in (
            family.for_train(encoded, 24, use_grayscale=use_grayscale),
            family.for_eval(encoded, 24, use_grayscale=use_grayscale),
        ):
            assert image.shape.as_list() == [24, 24, 1 if use_grayscale else 3]
            assert image.dtype == tf.float32
            values = session.run(image, {encoded: kind[1]})
            low, high = RANGES[name]
            assert low - 1e-4 <= values.min() <= values.max() <= high + 1e-4
            assert values.std() > 0.01


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (9, 200), (300, 20)])
def test_tiny_and_elongated_pictures_are_prepared_too(name, width, height):
    from tests.preprocess.conftest import encoded

    family = preprocess.get(name)
    with tf.Graph().as_default(), tf.Session() as session:
        data = tf.constant(encoded("RGB", "PNG", width, height))
        for image in (family.for_train(data, 32), family.for_eval(data, 32)):
            assert np.isfinite(session.run(image)).all()


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FAMILIES)
def test_evaluation_is_always_the_same_and_training_repeats_with_its_seed(name, jpeg):
    family = preprocess.get(name)

    def twice(build):
        with tf.Graph().as_default(), tf.Session() as session:
            image = build(tf.constant(jpeg))
            return session.run(image), session.run(image)

    first, second = twice(lambda data: family.for_eval(data, 24))
    np.testing.assert_array_equal(first, second)
    first, second = twice(lambda data: family.for_train(data, 24, seed=5))
    again, _ = twice(lambda data: family.for_train(data, 24, seed=5))
    other, _ = twice(lambda data: family.for_train(data, 24, seed=6))
    np.testing.assert_array_equal(first, again)
    if name not in ("charnet", "lenet"):  # in which nothing is random
        assert np.abs(first - second).max() > 1e-3
        assert np.abs(first - other).max() > 1e-3


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FAMILIES)
def test_tf_data_maps_it_in_parallel_without_a_warning(name, jpeg, png, caplog):
    tf.get_logger().addHandler(caplog.handler)
    family = preprocess.get(name)
    with tf.Graph().as_default(), tf.Session() as session:
        pictures = tf.data.Dataset.from_tensor_slices([jpeg, png] * 4)
        batches = pictures.map(lambda data: family.for_train(data, 24), num_parallel_calls=2).batch(4)
        batch = tf.data.make_one_shot_iterator(batches).get_next()
        assert session.run(batch).shape == (4, 24, 24, 3)
        assert session.run(batch).shape == (4, 24, 24, 3)
    tf.get_logger().removeHandler(caplog.handler)
    assert "AutoGraph" not in caplog.text


@pytest.mark.tensorflow
def test_a_smallest_window_is_for_families_that_cut_one(jpeg):
    with tf.Graph().as_default(), tf.Session() as session:
        whole = preprocess.get("inception").for_train(tf.constant(jpeg), 24, min_crop_area=0.99, seed=1)
        assert session.run(whole).shape == (24, 24, 3)
        assert session.run(preprocess.get("vgg").for_train(tf.constant(jpeg), 24, min_crop_area=0.5)).shape[0] == 24


@pytest.mark.tensorflow
def test_sizes_above_what_vgg_cuts_from_are_refused(jpeg):
    vgg = preprocess.get("vgg")
    assert vgg.check_image_size(256) == 256
    for build in (vgg.check_image_size, lambda size: vgg.for_train(jpeg, size), lambda size: vgg.for_eval(jpeg, size)):
        with pytest.raises(
            UsageError, match=r"image size 299 does not fit the vgg preprocessing.*--preprocessing_name"
        ):
            build(299)
