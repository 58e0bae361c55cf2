"""Many small pictures as one: where each stands, and what a line without a whole row of them is."""

import numpy as np

from sparkcv.text2image.picture_grid import grid


def test_pictures_stand_row_by_row_on_white():
    pictures = [np.full((64, 64, 3), shade, np.uint8) for shade in (10, 20, 30)]
    whole = np.asarray(grid(pictures, 2))
    assert whole.shape == (2 * 66 - 2, 2 * 66 - 2, 3)
    assert [whole[0, 0, 0], whole[0, 66, 0], whole[66, 0, 0], whole[66, 66, 0], whole[0, 64, 0]] == [
        10,
        20,
        30,
        255,
        255,
    ]


def test_a_line_is_no_longer_than_there_are_pictures():
    pictures = [np.zeros((16, 16, 3), np.uint8)] * 3
    assert grid(pictures, 1000).size == (3 * 66 - 2, 64)
