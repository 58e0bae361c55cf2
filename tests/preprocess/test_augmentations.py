"""Augmentations against plain NumPy, colorsys and Pillow: what each does, its range, its dtype, and its seed."""

import colorsys
import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from sparkcv import preprocess
from sparkcv.config.augment import KINDS, Augmentations
from sparkcv.errors import UsageError
from sparkcv.preprocess import EncodedPicture, augmentations, colour, geometry
from tests.preprocess.conftest import drawn

pytestmark = pytest.mark.tensorflow

SIDE = 33
PICTURE = (drawn(SIDE, SIDE) / 255.0).astype(np.float32)

# A range of each that is sure to change the picture.
RANGES = {
    "flip_left_right": "1",
    "flip_top_bottom": "1",
    "rot90": "1",
    "transpose": "1",
    "crop": "0.5:0.8",
    "zoom": "0.5:0.8",
    "shear": "10:30",
    "rotation": "10:60",
    "shift": "0.1:0.3",
    "brightness": "0.05:0.15",
    "contrast": "1.1:1.3",
    "saturation": "0:0.5",
    "hue": "0.1:0.4",
    "gamma": "1.5:2",
    "channel_shift": "-0.2:-0.05",
}


def run(build):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(build(tf.constant(PICTURE)))


@pytest.fixture(scope="module")
def drawn_by_seed():
    """Each augmentation alone, and all together, as functions of a seed: ``(name, seeds) -> pictures``."""
    with tf.Graph().as_default(), tf.Session() as session:
        seed, image = tf.placeholder(tf.int64, [2]), tf.constant(PICTURE)
        texts = {name: f"{name}={value}" for name, value in RANGES.items()}
        texts["all"] = ",".join(texts.values())
        outputs = {name: augmentations.distort(image, Augmentations.parse(text), seed) for name, text in texts.items()}

        def pictures(name, seeds):
            return np.array([session.run(outputs[name], {seed: pair}) for pair in seeds])

        yield pictures


@pytest.mark.parametrize("name", [*KINDS, "all"])
def test_each_is_drawn_by_its_seed_alone_and_stays_in_range(drawn_by_seed, name):
    first, again, other, later = drawn_by_seed(name, [(3, 0), (3, 0), (4, 0), (3, 1)])
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert first.shape == (SIDE, SIDE, 3)
    assert 0.0 <= first.min() <= first.max() <= 1.0
    assert np.abs(first - PICTURE).max() > 0.02
    if not KINDS.get(name, KINDS["zoom"]).is_chance:
        assert (first != other).any()
        assert (first != later).any()


def test_the_ranges_of_the_test_are_of_all_there_are():
    assert list(RANGES) == list(KINDS)


def test_the_neutral_value_of_each_changes_nothing():
    for name, kind in KINDS.items():
        value = "0" if kind.is_chance else f"{kind.neutral}:{kind.neutral}"
        distort = functools.partial(
            augmentations.distort, augmentations=Augmentations.parse(f"{name}={value}"), seed=(1, 2)
        )
        np.testing.assert_allclose(run(distort), PICTURE, atol=2e-6, err_msg=name)


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [
        (geometry.flip_left_right, np.fliplr),
        (geometry.flip_top_bottom, np.flipud),
        (geometry.transpose, lambda image: np.transpose(image, (1, 0, 2))),
        *(
            (lambda image, n=n: geometry.quarter_turns(image, n), lambda image, n=n: np.rot90(image, n))
            for n in range(4)
        ),
    ],
)
def test_mirrors_and_quarter_turns_are_numpys(ours, wanted):
    np.testing.assert_array_equal(run(ours), wanted(PICTURE))


def test_a_quarter_of_the_quarter_turns_each_and_half_of_the_flips():
    tiny = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 12

    def build(_):
        def one(text):
            spec = Augmentations.parse(text)
            return tf.map_fn(
                lambda i: augmentations.distort(tf.constant(tiny), spec, tf.stack([tf.constant(9, tf.int64), i])),
                tf.range(300, dtype=tf.int64),
                fn_output_signature=tf.float32,
            )

        return one("rot90=0.75"), one("flip_left_right=0.5")

    turned, flipped = run(build)
    shares = [(turned == np.rot90(tiny, count)).all(axis=(1, 2, 3)).mean() for count in range(4)]
    assert sum(shares) == pytest.approx(1)
    assert all(0.17 < share < 0.33 for share in shares), shares
    assert 0.4 < (flipped == np.fliplr(tiny)).all(axis=(1, 2, 3)).mean() < 0.6


def resampled(image, matrix, fill):
    """What geometry.resample says of itself, pixel by pixel in float64."""
    side = len(image)
    padded = np.pad(image.astype(np.float64), ((2 * side, 2 * side), (2 * side, 2 * side), (0, 0)), **fill)
    y, x = np.mgrid[0:side, 0:side]
    points = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.astype(np.float64).T + 2 * side
    left, top = (np.floor(points[..., axis]).astype(int) for axis in (0, 1))
    right, down = points[..., :1] - left[..., None], points[..., 1:2] - top[..., None]
    rows = [padded[top + dy, left] * (1 - right) + padded[top + dy, left + 1] * right for dy in (0, 1)]
    return rows[0] * (1 - down) + rows[1] * down


FILLS = {"reflect": {"mode": "symmetric"}, "nearest": {"mode": "edge"}, "black": {"mode": "constant"}}
MAPS = {
    "rotation": lambda: geometry.rotation(27.0, SIDE),
    "shear": lambda: geometry.shear(-20.0, SIDE),
    "zoom out": lambda: geometry.zoom(0.6, SIDE),
    "zoom in": lambda: geometry.zoom(1.7, SIDE),
    "shift": lambda: geometry.shift(tf.constant([0.21, -0.34]), SIDE),
    "crop": lambda: geometry.crop(0.7, tf.constant([0.2, 0.9]), SIDE),
    "both": lambda: tf.matmul(geometry.zoom(1.3, SIDE), geometry.rotation(100.0, SIDE)),
}


@pytest.mark.parametrize("fill", FILLS)
def test_each_affine_map_is_numpys_bilinear_interpolation(fill):
    with tf.Graph().as_default(), tf.Session() as session:
        matrices = [make() for make in MAPS.values()]
        found = session.run([(matrix, geometry.resample(tf.constant(PICTURE), matrix, fill)) for matrix in matrices])
    for name, (matrix, ours) in zip(MAPS, found, strict=True):
        np.testing.assert_allclose(ours, resampled(PICTURE, matrix, FILLS[fill]), atol=2e-4, err_msg=name)


def pillows(*, rotate=None, affine=None, box=None):
    picture = Image.fromarray(np.uint8(np.round(PICTURE * 255)))
    if rotate is not None:
        made = picture.rotate(rotate, Image.Resampling.BILINEAR)
    elif affine is not None:
        made = picture.transform(picture.size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    else:
        made = picture.transform(picture.size, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    return np.asarray(made) / 255.0


MIDDLE, LEAN = SIDE / 2, np.tan(np.radians(15))
PILLOW = {
    "rotation": (lambda: geometry.rotation(30.0, SIDE), lambda: pillows(rotate=30)),
    "shift": (lambda: geometry.shift([4 / SIDE, 7 / SIDE], SIDE), lambda: pillows(affine=(1, 0, -4, 0, 1, -7))),
    "shear": (lambda: geometry.shear(15.0, SIDE), lambda: pillows(affine=(1, LEAN, -LEAN * MIDDLE, 0, 1, 0))),
    "zoom": (
        lambda: geometry.zoom(2.0, SIDE),
        lambda: pillows(box=(SIDE / 4, SIDE / 4, 3 * SIDE / 4, 3 * SIDE / 4)),
    ),
    "crop": (
        lambda: geometry.crop(0.5, [1.0, 0.0], SIDE),
        lambda: pillows(box=(SIDE / 2, 0, SIDE, SIDE / 2)),
    ),
}


@pytest.mark.parametrize("name", PILLOW)
def test_each_affine_map_is_pillows_of_the_same_numbers(name):
    make, wanted = PILLOW[name]
    ours = run(lambda image: geometry.resample(image, make(), "black"))
    # Pillow has 8 bits, and other ideas of the outermost pixel, where half of it is outside.
    assert np.quantile(np.abs(ours - wanted()), 0.9) < 0.006, name


def test_several_maps_are_one_interpolation():
    text = "zoom=2:2,rotation=90:90,shift=0:0"
    ours = run(lambda image: augmentations.distort(image, Augmentations.parse(text), (0, 0)))
    matrix = np.diag([0.5, 0.5, 1.0])
    matrix[:2, 2] = (SIDE - 1) / 4
    np.testing.assert_allclose(ours, np.rot90(resampled(PICTURE, matrix, FILLS["reflect"])), atol=1e-4)


def hsv(change):
    def one(pixel):
        return colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel)))

    return np.apply_along_axis(one, -1, PICTURE)


COLOURS = {
    "brightness": (0.3, lambda: np.clip(PICTURE + 0.3, 0, 1)),
    "contrast": (1.8, lambda: np.clip((PICTURE - PICTURE.mean((0, 1))) * 1.8 + PICTURE.mean((0, 1)), 0, 1)),
    "saturation": (0.4, lambda: hsv(lambda h, s, v: (h, s * 0.4, v))),
    "hue": (0.3, lambda: hsv(lambda h, s, v: ((h + 0.3) % 1, s, v))),
    "gamma": (2.2, lambda: PICTURE**2.2),
    "channel_shift": ([0.2, -0.4, 0.1], lambda: np.clip(PICTURE + np.array([0.2, -0.4, 0.1]), 0, 1)),
}


@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_is_its_formula(name):
    value, wanted = COLOURS[name]
    ours = run(lambda image: getattr(colour, name)(image, value))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, wanted(), atol=1e-5)


def test_what_one_draws_does_not_depend_on_the_others(drawn_by_seed):
    both = Augmentations.parse(f"flip_top_bottom={RANGES['flip_top_bottom']},brightness={RANGES['brightness']}")
    ours = run(lambda image: augmentations.distort(image, both, (3, 0)))
    np.testing.assert_array_equal(ours, np.flipud(drawn_by_seed("brightness", [(3, 0)])[0]))


def test_each_function_is_the_one_of_the_recipe(drawn_by_seed):
    def build(image):
        made = {}
        for name, value in RANGES.items():
            function = getattr(augmentations, f"random_{name}")
            made[name] = function(image, *map(float, value.split(":")), seed=(3, 0))
        return made

    for name, ours in run(build).items():
        # TensorFlow has computed what is constant beforehand, in another order.
        np.testing.assert_allclose(ours, drawn_by_seed(name, [(3, 0)])[0], atol=1e-6, err_msg=name)
    with pytest.raises(UsageError, match=r"random_zoom: the range of zoom is turned round: got 2:1, wanted 1:2"):
        augmentations.random_zoom(tf.constant(PICTURE), 2, 1, seed=(0, 0))


@pytest.mark.parametrize("family", ["charnet", "inception", "inception_square", "vgg", "cifarnet", "lenet"])
def test_without_slims_own_the_picture_of_evaluation_is_augmented(png, family):
    plain = preprocess.get(family)
    flips = plain.augmented(Augmentations.parse("flip_left_right=1,slim=false"))
    with tf.Graph().as_default(), tf.Session() as session:
        picture = EncodedPicture(tf.constant(png), draw=(5, 6))
        ours = session.run([flips.for_train(picture, 32), plain.for_eval(picture, 32), flips.for_eval(picture, 32)])
    np.testing.assert_allclose(ours[0], np.fliplr(ours[1]), atol=1e-4)
    np.testing.assert_array_equal(ours[1], ours[2])  # evaluation never is


def test_slims_own_distortions_come_first(png):
    plain = preprocess.get("lenet")  # which distorts nothing
    turned = plain.augmented(Augmentations.parse("flip_top_bottom=1"))
    with tf.Graph().as_default(), tf.Session() as session:
        ours = session.run([turned.for_train(png, 32), plain.for_eval(png, 32)])
        grey = session.run([turned.for_train(png, 32, use_grayscale=True), plain.for_eval(png, 32, use_grayscale=True)])
    np.testing.assert_allclose(ours[0], np.flipud(ours[1]), atol=1e-6)
    np.testing.assert_allclose(grey[0], np.flipud(grey[1]), atol=1e-6)
    assert grey[0].shape == (32, 32, 1)
