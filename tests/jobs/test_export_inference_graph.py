import json
import os

import pytest

from jobs import export_inference_graph
from tests.predict.checkpoints import NAMES, write_labels, write_run

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning")  # the layers that TF-Slim uses


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


def words(**flags):
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_checkpoint_becomes_a_model_on_an_executor(spark, run, tmp_path, capsys):
    model, dataset = str(tmp_path / "model"), write_labels(tmp_path / "dataset")
    flags = {"checkpoint_path": run, "model_dir": model, "dataset_dir": dataset, "model_name": "cifarnet"}
    assert export_inference_graph.main(words(**flags)) == 0
    said = capsys.readouterr().out
    with open(f"{model}/model.json") as file:
        manifest = json.load(file)
    assert manifest["digest"] in said
    assert "SavedModel and frozen graph agree" in said
    assert manifest["num_classes"] == len(NAMES)
    assert export_inference_graph.main(words(**flags)) == 1
    assert "--model_dir: " in capsys.readouterr().err


@pytest.mark.spark
@pytest.mark.tensorflow
def test_an_exporter_that_fails_says_one_sentence_and_leaves_nothing(spark, run, tmp_path, capsys):
    five = write_labels(tmp_path / "five", (*NAMES, "more"))
    flags = {
        "checkpoint_path": run,
        "model_dir": str(tmp_path / "model"),
        "dataset_dir": five,
        "model_name": "cifarnet",
    }
    assert export_inference_graph.main(words(**flags)) == 1
    assert "was trained on 4 classes" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["five"]


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ({"chekpoint_path": "/x"}, 2, "did you mean --checkpoint_path"),
        ({}, 2, "--checkpoint_path is missing"),
        ({"checkpoint_path": "/x"}, 2, "--model_dir is missing"),
        ({"checkpoint_path": "/x", "model_dir": "/m", "is_training": "true"}, 2, "--is_training true"),
        ({"checkpoint_path": "/x", "model_dir": "/m", "quantize": "true"}, 2, "tf.contrib"),
        ({"checkpoint_path": "/x", "model_dir": "/m", "model_name": "vgg_17"}, 2, "did you mean 'vgg_1"),
        ({"checkpoint_path": "/no/x", "model_dir": "/m"}, 1, "no checkpoint '/no/x'"),
    ],
)
def test_bad_flags_are_one_sentence_and_the_right_exit_code(flags, code, said, capsys):
    assert export_inference_graph.main(words(**flags)) == code
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_help_names_every_flag(capsys):
    assert export_inference_graph.main(["--help"]) == 0
    said = capsys.readouterr().out
    for flag in ("--checkpoint_path", "--model_dir", "--moving_average_decay", "--labels_offset"):
        assert flag in said
