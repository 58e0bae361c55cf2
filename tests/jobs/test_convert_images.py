"""The conversion job: its exit codes and what it prints."""

import pathlib
import re

import pytest

from jobs import convert_images


@pytest.mark.spark
def test_the_job_converts_and_prints_its_table(spark, pictures, tmp_path, capsys):
    arguments = [f"--images_dir={pictures}", f"--dataset_dir={tmp_path}/data", "--dataset_name=drawn", "--num_shards=2"]
    assert convert_images.main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"drawn: 8 classes in {tmp_path}/data"
    assert printed[2].split() == ["train", "96", "2", printed[2].split()[3], "5"]
    assert printed[3].startswith("rejected in train: empty 1, format not read 2, too large 1, truncated 1 (")
    assert (tmp_path / "data/drawn_train-00001-of-00002.tfrecord").exists()
    # The same again is refused in one sentence, before Spark is asked.
    assert convert_images.main(arguments) == 1
    assert "has a split 'train' of 'drawn' already, wanted another split or --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "--dataset_dir"),
        (["--dataset_dir=/tmp/x"], 2, "got none of --images_dir, --labels_csv, --gnt_dir, --dataset_table and"),
        (["--image_dir=/tmp/x"], 2, "unknown flag --image_dir, did you mean --images_dir?"),
        (
            ["--images_dir=/x", "--dataset_dir=/y", "--dataset_split_name=test", "--validation_fraction=0.1"],
            2,
            "--dataset_split_name test with --validation_fraction: got both, but that writes the splits train and val",
        ),
        (["--images_dir=/nowhere", "--dataset_dir=/tmp/sparkcv-none"], 1, "'/nowhere'.* no such file or folder"),
        (["--images_dir=hfds://x", "--dataset_dir=/tmp/sparkcv-none"], 2, "unknown scheme 'hfds'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_starts_nothing(arguments, code, sentence, capsys):
    assert convert_images.main(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("convert_images.py: ")
    assert re.search(sentence, line)
    assert not pathlib.Path("/tmp/sparkcv-none").exists()


def test_help_lists_every_flag_with_its_default(capsys):
    assert convert_images.main(["--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("--images_dir", "--labels_csv", "--dataset_dir", "--validation_fraction", "--num_shards", "--seed"):
        assert flag in text
    assert "(default: 5)" in text
