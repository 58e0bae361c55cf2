"""The demo of pictures from captions, small: the chain runs and is told, too little fails, and so do wrong folders."""

import json

import pytest

from jobs import text2image_demo as job
from sparkcv.config import Text2ImageDemoConfig
from sparkcv.driver import text2image_demo
from sparkcv.errors import DataError
from tests.jobs import keyboard

SMALL = {
    "num_train": 24,
    "num_judged": 200,
    "num_test": 12,
    "train_image_size": 16,
    "filters": 4,
    "batch_size": 4,
    "judge_batch_size": 4,
    "max_number_of_steps": 2,
    "num_judge_steps": 2,
}


def run(work, **changes):
    return job.main([f"--{name}={value}" for name, value in {"work_dir": work, **SMALL, **changes}.items()])


@pytest.mark.spark
@pytest.mark.tensorflow
def test_the_chain_runs_and_tells_what_it_found(spark, tmp_path, capsys):
    work = tmp_path / "work"
    assert run(work, min_real=0, min_seen=0, min_unseen=0) == 0
    printed = capsys.readouterr().out
    assert "where no figure of colour and shape was shown, of 12" in printed
    for part in ("seen", "unseen_combinations"):
        found = json.loads((work / f"evaluation-{part}" / "evaluation.json").read_text())
        assert found["num_pictures"] == 12
    assert (work / "pictures/grid.png").exists()
    assert (work / "way/00011.png").exists()


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ((0.96, 1, 1), "0.960 of real figures agree with their captions, wanted 0.97 or more"),
        ((1, 0.84, 1), "0.840 of made figures of seen combinations agree with their captions, wanted 0.85 or more"),
        ((1, 1, 0.64), "0.640 of made figures of unseen combinations agree with their captions, wanted 0.65 or more"),
    ],
)
def test_too_little_fails(shares, sentence, capsys):
    report = text2image_demo.Text2ImageDemoReport(*shares, (("grid", "grid.png"),))
    with pytest.raises(DataError, match=sentence):
        text2image_demo._check(Text2ImageDemoConfig(), report)
    assert "grid             grid.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"train_image_size": 48}, 2, "--train_image_size: got 48, wanted one of 16, 32, 64, 128"),
        ({"min_seen": 2}, 2, "--min_seen: got 2"),
        ({"work_dir": "{tmp}"}, 2, "holds files that are not a demo's; wanted an empty or a new folder"),
        ({"work_dir": "{tmp}/file"}, 2, "/file is a file; wanted an empty or a new folder"),
        ({"work_dir": "{tmp}/file/under"}, 1, "/file/under cannot be written (Not a directory); wanted a local folder"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence_and_nothing_is_written(tmp_path, changes, code, sentence, capsys):
    (tmp_path / "file").write_text("mine\n")
    given = {name: value.format(tmp=tmp_path) if isinstance(value, str) else value for name, value in changes.items()}
    assert run(**{"work": given.pop("work_dir", tmp_path / "new"), **given}) == code
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("text2image_demo.py: ")
    assert sentence in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.spark
def test_the_keyboard_ends_it_in_a_sentence(tmp_path):
    words = [job.__file__, "--work_dir", str(tmp_path / "work"), "--num_judged", "1000000"]
    assert keyboard.stopped(words, "[1/5] drawing") == (1, "text2image_demo.py: stopped by the keyboard")
