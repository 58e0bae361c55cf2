"""The demo of captions, small: the whole chain runs, what it found is in its table and pages, and too little fails."""

import json

import pytest

from jobs import captions_demo as job
from sparkcv import scenes

SMALL = {
    "num_train": 12,
    "num_test": 4,
    "image_size": 32,
    "model_name": "cifarnet",
    "embedding_size": 8,
    "num_lstm_units": 8,
    "batch_size": 4,
    "max_number_of_steps": 3,
    "learning_rate": 0.001,
}


def run(work, **changes):
    return job.main([f"--{name}={value}" for name, value in {"work_dir": work, **SMALL, **changes}.items()])


@pytest.mark.spark
@pytest.mark.tensorflow
def test_the_chain_runs_and_tells_what_it_found(spark, tmp_path, capsys):
    work = tmp_path / "work"
    assert run(work, min_bleu=0, min_seen=0, min_unseen=0) == 0
    printed = capsys.readouterr().out
    assert "seen         BLEU-4 0." in printed
    assert "combinations of colour and shape that were never trained" in printed
    for split in ("seen", "unseen"):
        found = json.loads((work / "eval" / split / "evaluation.json").read_text())
        assert found["scores"]["num_pictures"] == 4
        assert f"{split}" in (work / "eval" / split / "report.html").read_text()
    told = (work / "scenes/unseen/captions.csv").read_text().splitlines()[1]
    words = told.split(",")[1].split()
    assert any({color, shape} <= set(words) or {color, shape + "s"} <= set(words) for color, shape in kept_out())
    assert run(work, max_number_of_steps=2, min_unseen=0.99, min_bleu=0, min_seen=0) == 1
    assert "the share of right attributes on unseen combinations is 0." in capsys.readouterr().err


def kept_out():
    return [(color, f"{shape}e" if shape == "cross" else shape) for color, shape in scenes.held_out(0)] + [
        (color, shape) for color, shape in scenes.held_out(0)
    ]
