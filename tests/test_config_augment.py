"""``--augment`` and the table of a recipe: one form, and all else refused in one sentence before a run starts."""

import pathlib

import pytest

from sparkcv.config import TrainConfig, from_dict, parse, to_dict
from sparkcv.config.augment import KINDS, NO_AUGMENTATIONS, Augmentations
from sparkcv.driver.jobs import run_job
from sparkcv.errors import UsageError

ROOT = pathlib.Path(__file__).resolve().parent.parent


def recipe(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return f"--recipe={path}"


def test_a_table_and_the_flag_say_the_same(tmp_path):
    table = '[augment]\nrotation = [-15, 15]\nflip_left_right = 0.5\nslim = false\nfill = "nearest"\n'
    ours = parse(TrainConfig, [recipe(tmp_path, table)], "train")
    flag = parse(TrainConfig, ["--augment", "fill=nearest, rotation=-15:15.0,flip_left_right=.5,slim=False"], "train")
    assert ours.augment == flag.augment == "flip_left_right=0.5,rotation=-15:15,slim=false,fill=nearest"
    assert from_dict(TrainConfig, to_dict(ours)) == ours
    found = Augmentations.parse(ours.augment)
    assert found == Augmentations({"flip_left_right": (0, 0.5), "rotation": (-15, 15)}, slim=False, fill="nearest")


def test_a_number_of_many_digits_is_trained_with_as_it_was_given():
    given = "rotation=-15.1234567:15,brightness=-1e-05:0.1"
    config = TrainConfig(augment=given)
    assert config.augment == given
    assert Augmentations.parse(config.augment).ranges == {"rotation": (-15.1234567, 15), "brightness": (-1e-5, 0.1)}


def test_the_flag_beats_the_table_and_nothing_is_nothing(tmp_path):
    given = [recipe(tmp_path, "[augment]\nzoom = [1, 2]\n"), "--augment", ""]
    assert parse(TrainConfig, given, "train").augment is None
    assert TrainConfig().augment is None
    assert Augmentations.parse(None) == NO_AUGMENTATIONS
    assert not NO_AUGMENTATIONS
    assert Augmentations.parse("slim=false")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rotation=15:-15", "the range of rotation is turned round: got 15:-15, wanted -15:15"),
        ("rotaton=1:2", "got 'rotaton', did you mean rotation.; wanted some of "),
        ("rotation=15", r"rotation is '15', wanted rotation=LOW:HIGH, two numbers of -180 to 180"),
        ("rotation=-181:0", "rotation is '-181:0', wanted -180 to 180"),
        ("rotation=nan:1", "rotation is 'nan:1', wanted -180 to 180"),
        ("zoom=0:1", "zoom is '0:1', wanted 0.1 to 10"),
        ("crop=0:1", "crop is '0:1', wanted at most 1 and more than 0"),
        ("flip_left_right=1.5", "flip_left_right is '1.5', wanted 0 to 1"),
        ("flip_left_right=0:1", "flip_left_right is '0:1', wanted flip_left_right=CHANCE"),
        ("flip_left_right", "got 'flip_left_right', wanted flip_left_right=CHANCE"),
        ("hue=a:b", "hue is 'a:b', wanted hue=LOW:HIGH"),
        ("hue=0:0,hue=0:0", "got hue twice, wanted it once"),
        ("slim=maybe", "slim is 'maybe', wanted true or false"),
        ("fill=white", "fill is 'white', wanted one of reflect, nearest, black"),
    ],
)
def test_what_cannot_be_is_refused(text, words):
    with pytest.raises(UsageError, match=f"^--augment: .*{words}"):
        TrainConfig(augment=text)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("rotation = [15, -15]", "the range of rotation is turned round"),
        ("rotation = 15", "rotation is '15', wanted rotation=LOW:HIGH"),
        ("rotation = [1, 2, 3]", r"rotation is \[1, 2, 3\], wanted rotation=LOW:HIGH"),
        ('fill = "black,zoom=1:2"', "fill is 'black,zoom=1:2'"),
        ("[augment.rotation]\nlow = 1", "rotation is {'low': 1}"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_place(tmp_path, table, words):
    with pytest.raises(UsageError, match=rf"^--recipe .*recipe.toml: \[augment\].*{words}"):
        parse(TrainConfig, [recipe(tmp_path, f"[augment]\n{table}\n")], "train")


def test_only_what_may_be_a_table_is_one(tmp_path):
    with pytest.raises(UsageError, match=r"model_name is {'x': 1}, wanted str"):
        parse(TrainConfig, [recipe(tmp_path, "[model_name]\nx = 1\n")], "train")


def test_the_job_ends_with_2_before_anything_starts(tmp_path, capsys):
    given = [recipe(tmp_path, "[augment]\nzoom = [2, 1]\n"), "--dataset_dir", "/nowhere"]
    assert run_job("train", given) == 2
    assert "the range of zoom is turned round: got 2:1, wanted 1:2" in capsys.readouterr().err


def test_a_window_of_slims_that_is_left_out_is_refused():
    with pytest.raises(UsageError, match=r"--min_crop_area 0\.5 with --augment slim=false"):
        TrainConfig(augment="slim=false", min_crop_area=0.5)
    assert TrainConfig(augment="zoom=1:2", min_crop_area=0.5).min_crop_area == 0.5


def test_every_kind_is_told_in_the_docs():
    page = (ROOT / "docs" / "data-and-pictures.md").read_text(encoding="utf-8")
    for name in KINDS:
        assert f"`{name}`" in page, name
