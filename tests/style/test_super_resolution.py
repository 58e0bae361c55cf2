"""A drawn picture made small and enlarged again, by examples drawn alike."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sparkcv.style import super_resolution
from sparkcv.style.super_resolution import SuperResolutionSpec

SIDE = 64


def drawn(seed):
    """Return discs and turned squares of random colours with smooth edges, uint8 ``[64, 64, 3]``."""
    rng, side = np.random.default_rng(seed), 4 * SIDE
    canvas = Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(canvas)
    for _ in range(5):
        (x, y), radius = rng.integers(0, side, 2).tolist(), int(rng.integers(side // 10, side // 4))
        color = tuple(rng.integers(0, 256, 3).tolist())
        if rng.random() < 0.5:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        else:
            angles = rng.uniform(0, np.pi / 2) + np.arange(4) * np.pi / 2
            pen.polygon([(int(x + radius * np.cos(a)), int(y + radius * np.sin(a))) for a in angles], fill=color)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX))


def resized(pixels, height, width):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def psnr(got, wanted):
    return 10 * np.log10(255**2 / np.square(got.astype("f8") - wanted).mean())


@pytest.fixture(scope="module")
def examples():
    spec = SuperResolutionSpec(max_patches=20_000)
    return super_resolution.example_patches([drawn(seed) for seed in range(8)], spec)


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_a_picture_that_was_not_seen_becomes_sharper_than_by_bicubic(examples, seed):
    wanted = drawn(seed)
    small = resized(wanted, SIDE // 2, SIDE // 2)
    got = super_resolution.enlarged(small, examples, SuperResolutionSpec())
    assert psnr(got, wanted) > psnr(resized(small, SIDE, SIDE), wanted) + 0.5


def test_a_picture_that_was_seen_comes_back():
    wanted = drawn(3)
    spec = SuperResolutionSpec()
    got = super_resolution.enlarged(
        resized(wanted, SIDE // 2, SIDE // 2), super_resolution.example_patches([wanted], spec), spec
    )
    assert psnr(got, wanted) > psnr(resized(resized(wanted, 32, 32), SIDE, SIDE), wanted) + 3


@pytest.mark.parametrize(("height", "width", "scale"), [(1, 1, 2), (2, 9, 3), (11, 7, 4), (16, 17, 2)])
def test_any_size_becomes_as_many_times_as_large(height, width, scale):
    spec = SuperResolutionSpec(scale=scale, max_patches=300)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    examples = super_resolution.example_patches([drawn(0)[:13, :19]], spec)
    assert super_resolution.enlarged(pixels, examples, spec).shape == (height * scale, width * scale, 3)


def test_flat_pictures_stay_flat(examples):
    pixels = np.full((9, 12, 3), (10, 200, 90), np.uint8)
    got = super_resolution.enlarged(pixels, examples, SuperResolutionSpec())
    assert np.abs(got.astype(int) - pixels[0, 0]).max() <= 1


def test_grey_stays_grey(examples):
    pixels = np.repeat(drawn(9)[::4, ::4, :1], 3, axis=2)
    got = super_resolution.enlarged(pixels, examples, SuperResolutionSpec())
    assert (got == got[..., :1]).all()


def test_patches_are_counted_and_the_seed_chooses_them():
    pictures = [drawn(0), drawn(1)]
    first, same, other = (
        super_resolution.example_patches(pictures, SuperResolutionSpec(max_patches=50, seed=seed)).seen
        for seed in (1, 1, 2)
    )
    assert first.shape == (50, 49)
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    few = super_resolution.example_patches([drawn(0)[:7, :8]], SuperResolutionSpec())
    assert few.details.shape == (8, 25)  # a patch of 5x5 at each place of 6x8 pixels


def test_a_large_example_takes_no_memory_for_patches_that_are_not_kept():
    pixels = np.zeros((300, 400, 3), np.uint8)
    tracemalloc.start()
    try:
        super_resolution.example_patches([pixels], SuperResolutionSpec(max_patches=100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 * 300 * 400  # a photograph of 12 million pixels: 0.3 GB; 409 bytes a pixel were 4.9


def test_patches_that_overlap_are_averaged():
    chosen = np.arange(2 * 2 * 9, dtype=np.float32).reshape(2, 2, 3, 3)
    made = super_resolution._blended(chosen, (5, 5), 2)
    assert made[0, 0] == chosen[0, 0, 0, 0]
    assert made[0, 2] == (chosen[0, 0, 0, 2] + chosen[0, 1, 0, 0]) / 2
    assert made[2, 2] == (chosen[0, 0, 2, 2] + chosen[0, 1, 2, 0] + chosen[1, 0, 0, 2] + chosen[1, 1, 0, 0]) / 4


def test_candidates_are_the_nearest_and_their_disagreement_that_of_loops():
    rng = np.random.default_rng(0)
    found, known = rng.random((9, 6), np.float32), rng.random((40, 6), np.float32)
    indices, differences = super_resolution._nearest(found, known, 3)
    away = np.square(found[:, None] - known).mean(axis=2)
    np.testing.assert_array_equal(np.sort(indices), np.sort(np.argsort(away)[:, :3]))
    np.testing.assert_allclose(differences, np.take_along_axis(away, indices, 1), atol=1e-6)
    one, other = (rng.random((2, 3, 4, 5, 2), np.float32) for _ in range(2))
    got = super_resolution._disagreement(one, other)
    wanted = np.square(one[:, :, :, None] - other[:, :, None]).mean(axis=(4, 5))
    np.testing.assert_allclose(got, wanted, atol=1e-6)
