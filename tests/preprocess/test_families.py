"""Each family computes what slim's preprocessing of that name does, written here a second time in plain operations."""

import functools
import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from sparkcv import preprocess
from sparkcv.preprocess.augment import op_seed

pytestmark = pytest.mark.tensorflow


def evaluated(name, data, size, reference):
    """Our evaluation picture and the reference's from the whole decoded picture (float32, 0 to 255)."""
    with tf.Graph().as_default(), tf.Session() as session:
        slims = functools.partial(preprocess.EncodedPicture, jpeg_arithmetic="fast")  # as decode_image, and slim, do it
        whole = tf.cast(tf.image.decode_image(data, channels=3, expand_animations=False), tf.float32)
        return session.run([preprocess.get(name).for_eval(slims(data), size), reference(whole)])


def test_inception_evaluates_the_central_seven_eighths_in_minus_one_to_one(kind):
    def reference(whole):
        part = tf.image.central_crop(whole / 255.0, 0.875)
        return (tf.image.resize_bilinear(part[tf.newaxis], [75, 75])[0] - 0.5) * 2.0

    name, data = kind
    ours, slims = evaluated("inception", data, 75, reference)
    # A JPEG's chroma at the edge of the crop is interpolated without what lies outside.
    np.testing.assert_allclose(ours, slims, atol=0.05 if "jpeg" in name else 1e-5)
    assert np.abs(ours - slims).mean() < 2e-3


def test_the_square_one_evaluates_seven_eighths_of_the_shorter_side_without_squeezing(png):
    def reference(whole):  # of 120 x 90 pixels: a square of 78
        part = whole[6:84, 21:99]
        return tf.compat.v2.image.resize(part, [32, 32], antialias=True) / 127.5 - 1.0

    ours, wanted = evaluated("inception_square", png, 32, reference)
    np.testing.assert_allclose(ours, wanted, atol=1e-5)


def test_vgg_evaluates_the_middle_of_the_picture_with_its_shorter_side_at_256(png):
    def reference(whole):
        resized = tf.image.resize_bilinear(whole[tf.newaxis], [256, 341])[0]
        return resized[16:240, 58:282] - [123.68, 116.78, 103.94]

    ours, slims = evaluated("vgg", png, 224, reference)
    np.testing.assert_allclose(ours, slims, atol=1e-3)


def test_vgg_trains_on_squares_of_pictures_resized_to_256_to_512(png):
    """With a picture of one colour per column, the columns' spacing tells the scale."""
    with tf.Graph().as_default(), tf.Session() as session:
        image = preprocess.get("vgg").for_train(tf.constant(png), 224, seed=3)
        scales = [np.abs(np.diff(session.run(image)[100, :, 0])).mean() for _ in range(12)]
    assert max(scales) / min(scales) > 1.2
    assert max(scales) / min(scales) < 3.0


def test_a_grey_picture_loses_the_grey_of_vggs_mean_colour(png):
    with tf.Graph().as_default(), tf.Session() as session:
        family = preprocess.get("vgg")
        gray = family.for_eval(tf.constant(png), 64, use_grayscale=True)
        colour = family.for_eval(tf.constant(png), 64)
        gray, colour = session.run([gray, colour])
    np.testing.assert_allclose(gray[..., 0], colour @ [0.2989, 0.5870, 0.1140], atol=1e-2)


def test_cifarnet_standardizes_the_middle(png):
    def reference(whole):
        return tf.image.per_image_standardization(whole[29:61, 44:76])

    ours, slims = evaluated("cifarnet", png, 32, reference)
    np.testing.assert_allclose(ours, slims, atol=1e-5)


def test_cifarnet_trains_on_any_square_of_the_picture_and_its_edge():
    from tests.preprocess.conftest import encoded

    data = encoded("RGB", "PNG", 32, 32)
    with tf.Graph().as_default(), tf.Session() as session:
        image = preprocess.get("cifarnet").for_train(tf.constant(data), 32, seed=2)
        pictures = [session.run(image) for _ in range(20)]
    for picture in pictures:
        assert picture.mean() == pytest.approx(0.0, abs=1e-3)
        assert picture.std() == pytest.approx(1.0, abs=1e-2)
    flat = sum(np.ptp(picture[0], axis=0).max() < 1e-3 for picture in pictures)
    assert 0 < flat < 20  # rows of the black edge, in some of them


def test_lenet_scales_the_middle_by_128(png):
    ours, slims = evaluated("lenet", png, 28, lambda whole: (whole[31:59, 46:74] - 128.0) / 128.0)
    np.testing.assert_array_equal(ours, slims)


def slims_inception(whole, size, seed):
    """``preprocess_for_train`` in its fast mode, the default."""
    image = whole / 255.0
    begin, extent, _ = tf.image.sample_distorted_bounding_box(
        tf.shape(image),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        min_object_covered=0.1,
        aspect_ratio_range=(0.75, 1.33),
        area_range=(0.05, 1.0),
        max_attempts=100,
        use_image_if_no_bounding_boxes=True,
        seed=op_seed(seed, 0),
    )
    image = tf.image.resize_images(tf.slice(image, begin, extent), [size, size])
    image = tf.image.random_flip_left_right(image, seed=op_seed(seed, 1))
    image = tf.image.random_brightness(image, max_delta=32.0 / 255.0, seed=op_seed(seed, 2))
    image = tf.image.random_saturation(image, lower=0.5, upper=1.5, seed=op_seed(seed, 3))
    return (tf.clip_by_value(image, 0.0, 1.0) - 0.5) * 2.0


def slims_vgg(whole, size, seed):
    side = tf.random_uniform([], 256, 513, tf.int32, seed=op_seed(seed, 0))
    height, width = (tf.cast(tf.shape(whole)[axis], tf.float32) for axis in (0, 1))
    scale = tf.cast(side, tf.float32) / tf.minimum(height, width)
    sides = [tf.cast(tf.rint(height * scale), tf.int32), tf.cast(tf.rint(width * scale), tf.int32)]
    image = tf.image.resize_bilinear(whole[tf.newaxis], sides, align_corners=False)[0]
    image = tf.random_crop(image, [size, size, 3], seed=op_seed(seed, 2))
    return tf.image.random_flip_left_right(image, seed=op_seed(seed, 1)) - [123.68, 116.78, 103.94]


def slims_cifarnet(whole, size, seed):
    image = tf.random_crop(tf.pad(whole, [[4, 4], [4, 4], [0, 0]]), [size, size, 3], seed=op_seed(seed, 0))
    image = tf.image.random_flip_left_right(image, seed=op_seed(seed, 1))
    image = tf.image.random_brightness(image, max_delta=63, seed=op_seed(seed, 2))
    image = tf.image.random_contrast(image, lower=0.2, upper=1.8, seed=op_seed(seed, 3))
    return tf.image.per_image_standardization(image)


# What the crop while decoding changes of a JPEG: the chroma at the window's edge, in levels of the family's own range.
SLIMS = {"inception": (slims_inception, 0.003), "vgg": (slims_vgg, 0.0), "cifarnet": (slims_cifarnet, 0.0)}


@pytest.mark.parametrize("name", SLIMS)
def test_training_is_slims_on_the_same_seed(name, png, jpeg):
    reference, of_a_jpeg = SLIMS[name]
    for data, bound in ((png, 0.0), (jpeg, of_a_jpeg)):
        with tf.Graph().as_default(), tf.Session() as session:
            whole = tf.cast(tf.image.decode_image(data, channels=3, expand_animations=False), tf.float32)
            picture = preprocess.EncodedPicture(tf.constant(data), jpeg_arithmetic="fast")
            both = [preprocess.get(name).for_train(picture, 48, seed=7), reference(whole, 48, 7)]
            pairs = [session.run(both) for _ in range(12)]
        for ours, slims in pairs:
            np.testing.assert_allclose(ours, slims, atol=2e-4 + 20 * bound)
            assert np.abs(ours - slims).mean() <= 1e-5 + bound
        assert np.ptp([ours.mean() for ours, _ in pairs]) > 0.0
        assert len({ours.tobytes() for ours, _ in pairs}) == 12  # each is another


def test_charnet_takes_the_whole_picture_as_ink(png):
    ours, whole = evaluated("charnet", png, 64, lambda whole: whole)
    shrunk = Image.fromarray(np.asarray(whole, np.uint8)).resize((64, 64), Image.Resampling.BILINEAR)
    assert np.abs(ours - (1 - np.asarray(shrunk, np.float32) / 255)).max() < 0.01  # Pillow's has antialiasing, too


def test_grey_pictures_keep_their_values_for_charnet():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 51], [204, 255]], np.uint8)).save(buffer, "PNG")
    with tf.Graph().as_default(), tf.Session() as session:
        image = session.run(preprocess.get("charnet").for_eval(tf.constant(buffer.getvalue()), 2, use_grayscale=True))
    np.testing.assert_allclose(image[..., 0], [[1, 0.8], [0.2, 0]], atol=1e-6)


def test_vgg_takes_a_part_of_a_picture_that_is_a_line():
    """Whose shorter side of 256 pixels would make it gigabytes; each column has a colour of its own."""
    line = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (2, 200, 3))

    def encoded(pixels):
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
        return buffer.getvalue()

    vgg = preprocess.get("vgg")
    with tf.Graph().as_default() as graph, tf.Session() as session:
        whole, middle = (vgg.for_eval(tf.constant(encoded(pixels)), 224) for pixels in (line, line[:, 84:116]))
        drawn = vgg.for_train(tf.constant(encoded(line)), 224, seed=3)
        resized = [op.outputs[0] for op in graph.get_operations() if op.type == "ResizeBilinear"]
        np.testing.assert_array_equal(*session.run([whole, middle]))
        columns = [session.run(drawn)[0, :, 0] + 123.68 for _ in range(12)]
        assert max(session.run(tf.shape(each))[2] for each in resized) <= 16 * 512
    assert all(np.ptp(part) < 32 for part in columns)
    assert min(map(np.min, columns)) < 80
    assert max(map(np.max, columns)) > 120
