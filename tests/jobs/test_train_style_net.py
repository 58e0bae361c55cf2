"""The training of a style net through the job's door: a run, its continuation and its export, and what is refused."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from jobs import stylize
from jobs import train_style_net as job
from tests.predict.checkpoints import write_run


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """A checkpoint of the net that the loss looks through; its head is of other classes than the data's."""
    return write_run(tmp_path_factory.mktemp("fixed"), num_classes=7)


@pytest.fixture
def flags(dataset, fixed, tmp_path, encoded):
    """Flags of a run that could start."""
    (tmp_path / "style.png").write_bytes(encoded("PNG", size=(48, 40)))
    return {
        "dataset_dir": dataset,
        "dataset_name": "shapes",
        "train_dir": tmp_path / "run",
        "style_image": tmp_path / "style.png",
        "model_name": "cifarnet",
        "checkpoint_path": fixed,
        "preprocessing_name": "inception",
        "train_image_size": 32,
        "content_layers": "conv2",
        "style_layers": "conv1,conv2",
        "batch_size": 2,
        "max_number_of_steps": 4,
        "num_ps_tasks": 1,
        "cluster_size": 2,
        "export_dir": tmp_path / "model",
    }


def run(flags, **changes):
    return job.main([f"--{name}={value}" for name, value in {**flags, **changes}.items() if value is not None])


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_net_is_trained_resumed_exported_and_applied(spark, flags, tmp_path, capsys):
    assert run(flags) == 0
    said = capsys.readouterr().out
    assert "style net" in said
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["config"]["style_weight"] == 100.0
    assert {"saved_model.pb", "transformer.npz"} <= set(os.listdir(tmp_path / "model"))
    first = (tmp_path / "model" / "transformer.npz").read_bytes()
    assert run(flags, max_number_of_steps=6) == 0  # goes on from step 4, and replaces its export
    assert (tmp_path / "model" / "transformer.npz").read_bytes() != first
    capsys.readouterr()
    assert run(flags, max_number_of_steps=6) == 0  # nothing is left to train
    for style in ("model", "run"):
        out = tmp_path / f"{style}.png"
        words = {"input": tmp_path / "style.png", "style": tmp_path / style, "output": out}
        assert stylize.main([f"--{name}={value}" for name, value in words.items()]) == 0
    with Image.open(tmp_path / "model.png") as one, Image.open(tmp_path / "run.png") as other:
        assert one.size == (48, 40)
        assert np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.spark
@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"style_image": None}, 2, "--style_image is missing"),
        ({"checkpoint_path": None}, 2, "--checkpoint_path is missing: wanted the trained weights of --model_name"),
        ({"style_weight": -1}, 2, "--style_weight: got -1.0, wanted at least 0"),
        ({"style_weight": 0, "content_weight": 0, "tv_weight": 0}, 2, "are all 0; wanted one above it"),
        ({"upsample": "bicubic"}, 2, "argument --upsample: invalid choice"),
        ({"trainable_scopes": "CifarNet"}, 2, "--trainable_scopes CifarNet: a style net's training has no use for it"),
        ({"normalization": "rescale"}, 2, "--normalization rescale: a style net's training has no use for it"),
        ({"num_evaluators": 1, "cluster_size": 3}, 2, "--num_evaluators 1: a style net's training has no use for it"),
        ({"style_image": "/no/style.png"}, 1, "/no/style.png"),
        ({"model_name": "lenet"}, 1, "is of 'cifarnet'"),
        ({"model_name": "cifarnets"}, 2, "did you mean 'cifarnet'"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_written(flags, tmp_path, changes, code, sentence, capsys):
    assert run(flags, **changes) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert sentence in lines[-1]
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "model").exists()


@pytest.mark.spark
def test_a_folder_of_something_else_and_a_style_that_is_no_picture_are_refused(flags, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "dear.txt").write_text("mine")
    assert run(flags) == 1
    assert "is there already and is no style net; wanted a new" in capsys.readouterr().err
    (tmp_path / "style.png").write_bytes(b"no picture")
    assert run(flags, export_dir=None) == 1
    assert "--style_image: " in capsys.readouterr().err


@pytest.mark.spark
def test_an_export_that_could_not_be_written_at_the_end_is_refused_at_the_start(flags, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(flags, export_dir=tmp_path / "file" / "model") == 1
    assert "/file': a file is in the way" in capsys.readouterr().err
    for holder in (tmp_path, tmp_path / "run"):
        assert run(flags, export_dir=holder) == 2
        assert f"--export_dir {holder} holds --train_dir {tmp_path / 'run'}; wanted" in capsys.readouterr().err


@pytest.mark.spark
@pytest.mark.tensorflow
def test_an_end_point_that_is_not_there_ends_the_run_with_its_name(spark, flags, tmp_path, capsys):
    assert run(flags, style_layers="conv11", export_dir=None) in (1, 2)
    assert "no end point 'conv11', did you mean 'conv1'" in capsys.readouterr().err
