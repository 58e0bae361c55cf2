"""Drawn pictures: equal for equal seeds, different for different classes, and broken exactly where asked."""

import io

import numpy as np
import pytest
from PIL import Image

from sparkcv import synthetic
from sparkcv.errors import ImageError
from sparkcv.records.image_header import probe


def pixels(label: int, seed: int, size: int = 48) -> np.ndarray:
    return np.asarray(synthetic.draw(label, seed, size))


def test_classes_are_eight_sorted_names():
    assert len(synthetic.CLASSES) == 8
    assert list(synthetic.CLASSES) == sorted(set(synthetic.CLASSES))


@pytest.mark.parametrize("label", range(8), ids=synthetic.CLASSES)
def test_a_picture_is_a_function_of_class_seed_and_size(label):
    first = pixels(label, 5)
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    assert (first == pixels(label, 5)).all()
    assert (first != pixels(label, 6)).any()
    assert (first != pixels((label + 1) % 8, 5)).any()
    assert synthetic.draw(label, 5, 80).size == (80, 80)


@pytest.mark.parametrize("label", range(8), ids=synthetic.CLASSES)
def test_every_picture_has_contrast_to_see_its_form_by(label):
    for seed in range(20):
        luma = pixels(label, seed) @ np.array([0.299, 0.587, 0.114])
        assert np.percentile(luma, 97) - np.percentile(luma, 3) > 40


def test_the_mean_colour_alone_does_not_name_the_class():
    # A class has a typical hue: a colour histogram alone names 0.87 of the pictures, and form must say the rest.
    means = np.array([[pixels(label, seed, 16).mean((0, 1)) for seed in range(60)] for label in range(8)])
    centres = means[:, :30].mean(1)
    nearest = ((means[:, 30:, None] - centres) ** 2).sum(-1).argmin(-1)
    assert (nearest == np.arange(8)[:, None]).mean() < 0.75


def test_written_trees_are_equal_for_equal_seeds_and_differ_by_split(tmp_path):
    trees = []
    for name, seed, by in (("1", 3, "train"), ("2", 3, "train"), ("3", 3, "test"), ("4", 4, "train")):
        synthetic.write_pictures(tmp_path / name, 5, seed, size=24, by=by)
        trees.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))])
    assert [len(tree) for tree in trees] == [40] * 4
    assert trees[0] == trees[1]
    assert not set(trees[0]) & set(trees[2])
    assert not set(trees[0]) & set(trees[3])


def test_jpeg_and_png_are_mixed_in_every_class(tmp_path):
    synthetic.write_pictures(tmp_path, 4, 0, size=24)
    for name in synthetic.CLASSES:
        formats = [probe(path.read_bytes()).format for path in sorted((tmp_path / name).iterdir())]
        assert formats == ["jpeg", "jpeg", "jpeg", "png"]


def test_broken_files_are_broken_each_in_its_way_and_no_others(tmp_path):
    broken = synthetic.write_pictures(tmp_path, 2, 0, size=24, broken=7)
    assert len(set(broken)) == 7
    assert len({path.parent for path in broken}) == 7
    reasons = set()
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        if path in broken:
            with pytest.raises(ImageError) as caught:
                probe(path.read_bytes())
            reasons.add(str(caught.value).split(",")[0])
        else:
            probe(path.read_bytes())
    assert reasons == {
        "empty: 0 bytes",
        "truncated: no end-of-image marker",
        "not JPEG or PNG: text",
        "not JPEG or PNG: EPS",
        "too large: 20000x20000 pixels",
    }


def test_the_bomb_is_small_and_its_header_is_what_pillow_reads_too():
    bomb = synthetic.broken_file("bomb.png")
    assert len(bomb) < 200
    assert Image.open(io.BytesIO(synthetic.png_header(300, 200))).size == (300, 200)


def test_an_unknown_kind_of_broken_file_is_refused():
    with pytest.raises(ValueError, match="got the broken kind 'odd'"):
        synthetic.broken_file("odd")
