"""The picture that an export has scored: kept, read again, and compared."""

import json

import numpy as np
import pytest

from sparkcv.errors import ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict import scored_picture
from sparkcv.predict.scored_picture import ScoredPicture
from tests.predict.models import write_folder

SCORES = np.array([0.75, 0.25, 1e-9], np.float32)


@pytest.fixture
def folder(tmp_path):
    scored_picture.write(str(tmp_path), b"a picture", SCORES)
    write_folder(tmp_path, b"a graph")
    return tmp_path


def read(folder):
    return scored_picture.read(str(folder), manifests.read_manifest(str(folder)))


def test_it_is_read_as_it_was_written(folder):
    kept = read(folder)
    assert kept.picture == b"a picture"
    assert kept.scores.tolist() == SCORES.tolist()
    kept.check(SCORES * np.float32(1.001))
    kept.check(SCORES + np.float32([0, 0, 1e-6]))


def test_a_model_of_an_earlier_export_has_none(tmp_path):
    write_folder(tmp_path, b"a graph")
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        ([0.6, 0.4, 0], r"scored_picture\.png, class 1 has the score 0\.400000, wanted 0\.250000"),
        ([0.75, 0.25, 0.001], r"class 2 has the score 0\.001000, wanted 0\.000000"),
        ([0.75, float("nan"), 0], "class 1 has the score nan, wanted 0.25"),
        ([0.5, 0.5], "it gives 2 scores of the picture that its export has scored, wanted 3"),
    ],
)
def test_other_scores_are_told_with_what_was_got_and_wanted(got, sentence):
    with pytest.raises(ModelError, match=sentence):
        ScoredPicture(b"", SCORES).check(np.array(got, np.float32))


@pytest.mark.parametrize(
    "value", [[], {}, {"scores": [1, 2]}, {"scores": "x"}, {"scores": [1, 2, float("nan")]}, {"scores": [[1]]}]
)
def test_a_file_of_something_else_is_told(tmp_path, value):
    (tmp_path / scored_picture.PICTURE).write_bytes(b"a picture")
    (tmp_path / scored_picture.SCORES).write_text(json.dumps(value))
    write_folder(tmp_path, b"a graph")
    with pytest.raises(ModelError, match=r"scored_picture\.json' has (no )?scores of"):
        read(tmp_path)
