"""Drawn figures: what is held out, what their captions tell, and that equal seeds give equal pictures."""

import numpy as np
import pytest

from sparkcv import figures, scenes
from sparkcv.figures import COMBINATIONS, DrawnFigure


def test_combinations_that_are_held_out_are_never_drawn_as_seen_ones():
    held = scenes.held_out(0)
    seen = {(each.color, each.shape) for each in map(figures.make_figure, range(600))}
    unseen = {
        (each.color, each.shape)
        for each in (figures.make_figure(seed, scenes.UNSEEN_COMBINATIONS) for seed in range(100))
    }
    assert seen | unseen == set(COMBINATIONS)
    assert unseen == held
    assert not seen & held
    assert {word for pair in seen for word in pair} == {word for pair in COMBINATIONS for word in pair}
    with pytest.raises(ValueError, match="got the part 'other'"):
        figures.make_figure(0, "other")


def test_captions_tell_all_of_a_figure():
    assert DrawnFigure("small", "red", "ring").captions() == ("a small red ring", "a red ring that is small")


def test_pictures_and_captions_are_written_the_same_each_time(tmp_path):
    drawn = figures.write_figures(tmp_path / "a", 5, 1, size=16)
    assert figures.write_figures(tmp_path / "b", 5, 1, size=16) == drawn
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["captions.csv", *(f"figure-{number:05d}.png" for number in range(5))]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    assert len((tmp_path / "a/captions.csv").read_text().splitlines()) == 11
    figures.write_figures(tmp_path / "c", 5, 1, size=16, part=None, by_class=True)
    assert all(tuple(path.name.split()) in COMBINATIONS for path in (tmp_path / "c").iterdir())


def test_a_figure_has_its_colour_in_the_middle():
    pixels = np.asarray(figures.draw_figure(DrawnFigure("large", "red", "circle"), 1, 32)).astype(int)
    assert np.abs(pixels[14:18, 14:18].mean((0, 1)) - scenes.COLORS["red"]).max() < 12
    assert np.abs(pixels[0].mean(0) - pixels[0].mean()).max() < 15  # a plain ground
