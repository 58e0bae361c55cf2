"""The chain of ``make handwriting`` in small: GNT files to scores, and every sample counted in each job."""

import io
import json

import numpy as np
import pytest

from bench import drawn_characters, handwriting
from sparkcv.driver.demo_folder import make_folder
from sparkcv.errors import DataError
from sparkcv.predict.manifest import read_manifest
from sparkcv.records import gnt
from tests.jobs import keyboard

QUICK = ("--batch_size=16", "--max_number_of_steps=120", "--learning_rate=0.001")


@pytest.fixture(scope="module")
def chain(spark, tmp_path_factory):
    """The result, and the folder of it."""
    settings = handwriting.Settings(
        str(tmp_path_factory.mktemp("hand") / "work"),
        num_classes=10,
        num_writers=24,
        num_held_out=4,
        min_accuracy=0.6,
        image_size=32,
        overrides=QUICK,
    )
    make_folder(settings.work_dir, settings)
    return handwriting.run(spark, settings), settings.work


@pytest.mark.spark
def test_held_out_writers_are_read_and_every_job_says_the_same_of_every_sample(chain):
    result, work = chain
    assert result.num_classes == 10
    assert result.scored == pytest.approx(result.evaluated)
    assert result.evaluated >= 0.6
    assert result.in_top_k >= result.evaluated
    (written,) = (work / "eval-test").glob("eval-*.json")
    found = json.loads(written.read_text())
    assert (found["num_examples"], found["dataset"]["num_records"], found["num_rejected"]) == (40, 40, 0)
    assert found["recall_3"] == result.in_top_k
    (written,) = (work / "eval-validation").glob("eval-*.json")
    assert json.loads(written.read_text())["num_examples"] == 20
    assert (work / "eval-test" / "report.html").exists()
    assert "in the top 3, by the Parquet read back" in (work / "handwriting.txt").read_text()


@pytest.mark.spark
def test_the_net_and_its_model_take_one_channel_without_being_told(chain):
    _, work = chain
    manifest = read_manifest(str(work / "model"))
    assert (manifest.use_grayscale, manifest.channels, manifest.image_size) == (True, 1, 32)
    assert manifest.preprocessing == "charnet"
    assert json.loads((work / "run" / "run.json").read_text())["config"]["use_grayscale"] is True


@pytest.mark.spark
def test_a_sample_that_the_parquet_lacks_is_noticed(chain, tmp_path):
    _, work = chain
    (tmp_path / "gnt").mkdir()
    (tmp_path / "scores").symlink_to(work / "scores")
    (tmp_path / "gnt" / "test").mkdir()
    for path in (work / "gnt" / "test").iterdir():
        (tmp_path / "gnt" / "test" / path.name).write_bytes(
            path.read_bytes() + gnt.encode("A", np.zeros((3, 3), np.uint8))
        )
    with pytest.raises(DataError, match="has 40 predictions of 44 samples, wanted each exactly once"):
        handwriting.read_back(tmp_path)


def test_writers_files_are_the_same_each_time_and_hold_every_character_once(tmp_path):
    fonts = drawn_characters.find_fonts()
    characters = drawn_characters.look_apart(fonts, 12, seed=4)
    assert len(characters) == len(set(characters)) == 12
    for folder in ("one", "two"):
        rng = np.random.default_rng(1)
        hands = [drawn_characters.Hand.draw(rng, fonts.trained, is_held_out=held) for held in (False, True)]
        assert drawn_characters.write_set(tmp_path / folder, hands, characters, 5) == 24
    for path in (tmp_path / "one").iterdir():
        data = path.read_bytes()
        assert data == (tmp_path / "two" / path.name).read_bytes()
        samples = list(gnt.read(io.BytesIO(data)))
        assert sorted(sample.character for sample in samples) == sorted(characters)
        for sample in samples:
            assert (sample.pixels == 255).any()
            assert (sample.pixels < 200).any()


@pytest.mark.spark
def test_the_keyboard_ends_it_in_a_sentence(tmp_path):
    words = ["-m", "bench.handwriting", "--work_dir", str(tmp_path / "work"), "--classes", "10", "--writers", "100000"]
    found = keyboard.stopped(words, "drawing 10 characters", cwd=handwriting.ROOT)
    assert found == (1, "handwriting: stopped by the keyboard")
