"""Drawn scenes: what a caption says is what the picture shows, what is held out never appears, all by seed."""

import csv
import itertools
import pathlib

import numpy as np
import pytest

from sparkcv import scenes
from sparkcv.scenes import CaptionAgreement, Group, Scene

SEEDS = range(300)
RING, SQUARES = Group(1, "large", "red", "ring"), Group(2, "small", "blue", "square")
SCENE = Scene(RING, "left of", SQUARES)


def masks(picture, color):
    """Where a picture has a colour, with some noise and soft edges."""
    distance = np.abs(np.asarray(picture, np.int32) - scenes.COLORS[color]).sum(-1)
    return np.argwhere(distance < 60)


def test_the_two_captions_tell_the_same_scene_from_both_sides():
    assert SCENE.captions() == (
        "a large red ring left of two small blue squares",
        "two small blue squares right of a large red ring",
    )
    assert SCENE.turned().captions() == SCENE.captions()
    assert str(Group(2, "small", "white", "cross")) == "two small white crosses"


def test_every_caption_is_read_back():
    for seed, part in itertools.product(range(60), scenes.PARTS):
        scene = scenes.make_scene(seed, part)
        assert {scenes.read_caption(caption) for caption in scene.captions()} == {scene, scene.turned()}
        assert all(scenes.compare(caption, scene).share == 1 for caption in scene.captions())


def test_a_scene_has_two_to_four_shapes_and_everything_occurs():
    found = [scenes.make_scene(seed) for seed in SEEDS]
    groups = [group for scene in found for group in (scene.first, scene.second)]
    assert {scene.first.number + scene.second.number for scene in found} == {2, 3, 4}
    assert {group.size for group in groups} == set(scenes.SIZES)
    assert {scene.relation for scene in found} == set(scenes.RELATIONS)
    assert {group.color for group in groups} == set(scenes.COLORS) - {"orange"}
    assert {group.shape for group in groups} == set(scenes.SHAPES) - {"heart"}


@pytest.mark.parametrize("split_seed", [0, 1])
def test_held_out_combinations_are_drawn_only_where_they_are_asked_for(split_seed):
    out = scenes.held_out(split_seed)
    assert len(out) == len({color for color, _ in out}) == len({shape for _, shape in out}) == 6
    for seed in SEEDS:
        seen, unseen = (scenes.make_scene(seed, part, split_seed=split_seed) for part in scenes.PARTS[:2])
        assert not {(group.color, group.shape) for group in (seen.first, seen.second)} & out
        assert len({(group.color, group.shape) for group in (unseen.first, unseen.second)} & out) == 1
    assert scenes.held_out(0) != scenes.held_out(1)


def test_held_out_words_are_drawn_only_where_they_are_asked_for():
    for seed in SEEDS:
        words = set(" ".join(scenes.make_scene(seed, scenes.UNSEEN_WORDS).captions()).split())
        assert words & {"orange", "heart", "hearts"}


@pytest.mark.parametrize("relation", scenes.RELATIONS)
def test_the_picture_shows_the_place_that_the_caption_tells(relation):
    scene = Scene(RING, relation, SQUARES)
    for seed in range(5):
        picture = scenes.draw_scene(scene, seed, 64)
        (first_y, first_x), (second_y, second_x) = (masks(picture, color).mean(0) for color in ("red", "blue"))
        told = {
            "left of": first_x < second_x - 15,
            "right of": first_x > second_x + 15,
            "above": first_y < second_y - 15,
            "below": first_y > second_y + 15,
        }
        assert told[relation]


def test_two_shapes_have_twice_the_pixels_and_large_ones_are_larger():
    def pixels(number, size):
        scene = Scene(Group(number, size, "red", "circle"), "above", SQUARES)
        return np.mean([len(masks(scenes.draw_scene(scene, seed, 64), "red")) for seed in range(5)])

    assert pixels(2, "large") == pytest.approx(2 * pixels(1, "large"), rel=0.2)
    assert pixels(1, "large") > 2.5 * pixels(1, "small")


def test_no_shape_leaves_the_picture_and_every_shape_is_another():
    drawn = {}
    for shape in scenes.SHAPES:
        scene = Scene(Group(2, "large", "red", shape), "left of", SQUARES)
        for seed in range(5):
            found = masks(scenes.draw_scene(scene, seed, 64), "red")
            assert found.min() > 0
            assert found.max() < 63
        drawn[shape] = frozenset(map(tuple, found))
    assert len(set(drawn.values())) == len(scenes.SHAPES)


def test_pictures_are_functions_of_scene_seed_and_size():
    first, again, other = (np.asarray(scenes.draw_scene(SCENE, seed, 48)) for seed in (1, 1, 2))
    assert first.shape == (48, 48, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert scenes.make_scene(5) == scenes.make_scene(5) != scenes.make_scene(6)


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("A large red ring  left of two small blue squares .", CaptionAgreement(2, 2, 1)),
        ("two large blue squares right of a small red ring", CaptionAgreement(2, 2, 1)),
        ("two small blue squares left of a large red ring", CaptionAgreement(2, 2, 0)),
        ("a large red ring above two small blue squares", CaptionAgreement(2, 2, 0)),
        ("a large red ring left of two small red squares", CaptionAgreement(1, 2, 1)),
        ("a large green ring left of two small blue stars", CaptionAgreement(1, 1, 1)),
        ("a large red ring left of two small", CaptionAgreement(1, 1, 0)),
        ("a large red ring a large red ring a large red ring", CaptionAgreement(1, 1, 0)),
        ("a man riding a wave", CaptionAgreement(0, 0, 0)),
        ("", CaptionAgreement(0, 0, 0)),
    ],
)
def test_a_sentence_is_judged_by_colour_shape_and_place(caption, wanted):
    assert scenes.compare(caption, SCENE) == wanted


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a large red ring",
        "a large red ring left of",
        "a large red rings left of a small blue square",
        "two small blue square above a large red ring",
        "two small blue crosss above a large red ring",
        "a large pink ring above a small red star",
    ],
)
def test_what_is_no_sentence_of_the_grammar_is_none(caption):
    assert scenes.read_caption(caption) is None


def test_scenes_are_written_as_pictures_and_a_csv(tmp_path):
    written = scenes.write_scenes(tmp_path / "a", 3, 1, size=32, part=scenes.UNSEEN_COMBINATIONS)
    rows = list(csv.DictReader((tmp_path / "a/captions.csv").read_text("utf-8").splitlines()))
    assert [row["path"] for row in rows] == [f"unseen_combinations-{index:05d}.png" for index in (0, 0, 1, 1, 2, 2)]
    assert [row["caption"] for row in rows] == [caption for scene in written for caption in scene.captions()]
    scenes.write_scenes(tmp_path / "b", 3, 1, size=32, part=scenes.UNSEEN_COMBINATIONS)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 4
    assert all(
        (tmp_path / "a" / name).read_bytes() == pathlib.Path(tmp_path / "b" / name).read_bytes() for name in files
    )


def test_a_part_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="got the part 'test', wanted one of seen, unseen_combinations, unseen_words"):
        scenes.make_scene(0, "test")
