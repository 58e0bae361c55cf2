"""How the evaluation of made pictures names what it was given."""

import pytest

from sparkcv import storage
from sparkcv.driver import evaluate_text2image
from sparkcv.errors import CheckpointError, DataError, UsageError
from tests.fixtures import bundles


@pytest.mark.parametrize("flag", ["judge_path", "features_path"])
def test_a_checkpoint_that_is_misnamed_is_told_with_the_flag_that_names_it(tmp_path, flag):
    prefix = bundles.write(tmp_path / "run", {"logits/biases": (4,)})
    with pytest.raises(UsageError, match=rf"^--{flag} \S+\.index is one file .* name that: --{flag} {prefix}$"):
        evaluate_text2image._located(f"{prefix}.index", flag)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"^no checkpoint in '\S+empty'"):
        evaluate_text2image._located(f"{tmp_path}/empty", flag)


@pytest.mark.parametrize("flag", ["num_lstm_units", "text"])
def test_a_training_of_captions_or_of_pictures_from_them_is_no_judge(tmp_path, flag):
    bundles.write(tmp_path / "run", {"logits/biases": (4,)})
    told = {"model_name": "cifarnet", "labels": ["a", "</S>", "<S>", "<UNK>"], "config": {flag: 5}}
    storage.write_json(f"{tmp_path}/run/run.json", told)
    with pytest.raises(CheckpointError, match=r"--judge_path: '\S+run' is no training of a classifier"):
        evaluate_text2image._judge(f"{tmp_path}/run")


def test_a_share_that_nothing_was_compared_for_is_no_number():
    report = evaluate_text2image.MadeReport(7, 2, 1.0, 0.5, 0.25, 3.0, "the classifier", "/out")
    assert "fits better         0.250 fit their caption better" in str(report)
    report = evaluate_text2image.MadeReport(7, 2, 1.0, 0.5, float("nan"), 3.0, "the classifier", "/out")
    assert "fits better         not known: by chance no caption was compared" in str(report)
    assert "nan" not in str(report)


def test_a_file_with_too_few_captions_is_named(tmp_path):
    (tmp_path / "captions.csv").write_text("path,caption\na.jpg,a red ring\n")
    with pytest.raises(DataError, match=r"captions.csv' has 1 pictures with captions, wanted 2 at least"):
        evaluate_text2image._drawn(str(tmp_path / "captions.csv"), 7, 0)
