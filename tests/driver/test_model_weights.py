"""A model to start from is looked at before Spark starts, by a process of its own: TensorFlow is not in the driver."""

import subprocess
import sys

import pytest

from sparkcv.config import EvalConfig, ExportConfig, TrainConfig
from sparkcv.driver import evaluate_plan, export, net_variables, train_plan
from sparkcv.errors import CheckpointError, UsageError
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

NET = "mobilenet_v1_025"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data.write_dataset(folder, data.drawn_shards(2, 4, 32))
    return folder


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """A whole net of 5 classes, and its layers but for the head."""
    from tests.train import tflite_files

    folder = tmp_path_factory.mktemp("lite")
    whole, _ = tflite_files.mobilenet(folder / "whole.tflite")
    trunk, _ = tflite_files.mobilenet(folder / "trunk.tflite", num_layers=27)
    return whole, trunk


@pytest.fixture
def prepare(dataset, tmp_path):
    def call(path, **flags):
        given = {"model_name": NET, "train_image_size": 32, "dataset_name": "shapes", "max_number_of_steps": 5}
        folders = {"dataset_dir": str(dataset), "train_dir": str(tmp_path / "run"), "checkpoint_path": path}
        return train_plan.prepare(TrainConfig(**(given | folders | flags)))

    return call


def test_a_head_of_another_number_of_classes_and_a_missing_one_are_told_with_what_makes_a_new_one(prepare, lite):
    whole, trunk = lite
    said = r"biases has 5 values in .*whole\.tflite', one a class.*--checkpoint_exclude_scopes MobilenetV1/Logits"
    with pytest.raises(CheckpointError, match=said):
        prepare(whole)
    said = r"trunk\.tflite lacks 2 of 137 variables: MobilenetV1/Logits/Conv2d_1c_1x1/weights.*--ignore_missing_vars"
    with pytest.raises(CheckpointError, match=said):
        prepare(trunk)


def test_features_alone_are_neither_exported_nor_evaluated(lite, dataset, tmp_path):
    flags = {"checkpoint_path": lite[1], "model_name": NET, "dataset_dir": str(dataset)}
    said = r"trunk\.tflite' lacks 2 of 137 variables: MobilenetV1/Logits/.*wanted a whole net"
    with pytest.raises(CheckpointError, match=said):
        export.prepare(ExportConfig(model_dir=str(tmp_path / "model"), image_size=32, **flags))
    with pytest.raises(CheckpointError, match=said):
        evaluate_plan.prepare(
            EvalConfig(
                eval_dir=str(tmp_path / "eval"),
                eval_image_size=32,
                dataset_name="shapes",
                dataset_split_name="train",
                **flags,
            )
        )


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_a_new_head_on_a_quantized_trunk_may_start_and_is_told(prepare, lite, caplog, monkeypatch):
    with caplog.at_level("INFO", logger="sparkcv"):
        plan = prepare(lite[0], checkpoint_exclude_scopes="MobilenetV1/Logits")
    assert plan.config.checkpoint_path == lite[0]
    flags = {"checkpoint_exclude_scopes": "MobilenetV1/Logits", "trainable_scopes": "MobilenetV1/Logits"}
    asked = []
    start = net_variables.start_module
    monkeypatch.setattr(net_variables, "start_module", lambda *args, **more: asked.append(args) or start(*args, **more))
    assert prepare(lite[1], **flags).step == 0  # the net's own scope, which the trunk has not
    assert len(asked) == 1  # the model and the scopes are one question
    with pytest.raises(UsageError, match=r"'MobilenetV1/Logitz', which matches none of the 83 trainable variables"):
        prepare(lite[1], **(flags | {"trainable_scopes": "MobilenetV1/Logitz"}))
    assert len(asked) == 2
    assert "135 restored, 2 skipped, 2 newly made variables" in caplog.text
    assert "--freeze_batch_norm keeps them" in caplog.text


def test_a_model_that_the_process_cannot_look_at_is_told_with_what_it_said(prepare, lite, monkeypatch):
    monkeypatch.setattr(net_variables, "_PROGRAM", "sparkcv.no_such_program")
    said = r"trunk\.tflite' cannot be read: the process that looked at it ended with 1: .*No module named"
    with pytest.raises(CheckpointError, match=said):
        prepare(lite[1])


def test_a_net_of_another_width_is_told(prepare, lite):
    said = (
        r"is of another net than mobilenet_v1_050: its layer 1 is a Conv2D .*\[3, 3, 3, 8\], wanted .*\[3, 3, 3, 16\]"
    )
    with pytest.raises(CheckpointError, match=said):
        prepare(lite[1], model_name="mobilenet_v1_050")


def test_the_driver_does_not_load_tensorflow_for_it():
    probe = (
        "import sys, sparkcv.driver.model_weights, sparkcv.driver.train_plan, sparkcv.train.warmstart_plan;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'tf_slim', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr
