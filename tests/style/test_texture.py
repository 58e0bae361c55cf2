"""Textures grown from samples whose continuation is known, and what is random about it."""

import numpy as np
import pytest

from sparkcv.style import texture
from sparkcv.style.texture import TextureSpec

LIGHT, DARK = np.array([250, 200, 90], np.uint8), np.array([10, 30, 160], np.uint8)


def stripes(height, width, top=0, left=0):
    """Return slanting stripes of three pixels, the point ``top, left`` in the first corner."""
    rows, columns = np.indices((height, width))
    return np.where(((rows + top + columns + left) % 6 < 3)[..., None], LIGHT, DARK)


def checkerboard(height, width, top=0, left=0):
    """Return squares of two pixels, the point ``top, left`` in the first corner."""
    rows, columns = np.indices((height, width))
    return np.where((((rows + top) // 2 + (columns + left) // 2) % 2 == 0)[..., None], LIGHT, DARK)


@pytest.mark.parametrize("drawn", [stripes, checkerboard])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_regular_sample_is_continued_exactly(drawn, seed):
    sample = drawn(18, 17)
    made = texture.grow(sample, TextureSpec(30, 26, 9, start="sample", seed=seed))
    top, left = (30 - 18) // 2, (26 - 17) // 2
    np.testing.assert_array_equal(made[top : top + 18, left : left + 17], sample)
    np.testing.assert_array_equal(made, drawn(30, 26, -top, -left))


@pytest.mark.parametrize("drawn", [stripes, checkerboard])
def test_three_pixels_grow_into_the_same_texture_at_some_phase(drawn):
    made = texture.grow(drawn(18, 18), TextureSpec(21, 24, 9, seed=5))
    phases = [drawn(21, 24, top, left) for top in range(6) for left in range(6)]
    assert any((made == phase).all() for phase in phases)


def test_every_pixel_is_one_of_the_sample_and_the_seed_decides_which():
    sample = np.random.default_rng(0).integers(0, 256, (13, 12, 3), dtype=np.uint8)
    first, same, other = (texture.grow(sample, TextureSpec(9, 14, 5, seed=seed)) for seed in (1, 1, 2))
    assert first.shape == (9, 14, 3)
    assert set(map(tuple, first.reshape(-1, 3))) <= set(map(tuple, sample.reshape(-1, 3)))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_a_sample_of_one_window_has_one_pixel_to_give():
    sample = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    made = texture.grow(sample, TextureSpec(6, 6, 5))
    outside = np.ones((6, 6), bool)
    outside[1:4, 1:4] = False  # the first 3x3 pixels
    assert (made[outside] == sample[2, 2]).all()


def test_the_time_is_said_beforehand(caplog):
    with caplog.at_level("INFO"):
        texture.grow(checkerboard(9, 9), TextureSpec(10, 10, 5))
    assert any(record.getMessage().startswith("will take about ") for record in caplog.records)


def test_windows_take_what_was_said():
    windows = texture._Windows(checkerboard(20, 31), TextureSpec(9, 9, 7))
    assert windows._rows.nbytes + windows._squares.nbytes == texture.table_bytes(20, 31, 7)
