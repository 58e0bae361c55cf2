"""What a user names as a checkpoint and is none is told at once, with what to name."""

import re

import pytest

from sparkcv.errors import CheckpointError, MissingFileError, UsageError
from sparkcv.rundir import checkpoint
from tests.fixtures import bundles

SHAPES = {"net/logits/biases": (4,), "global_step": ()}


@pytest.mark.parametrize("end", ["index", "data-00000-of-00001", "meta", "json", "data-00003-of-00004"])
def test_one_file_of_a_checkpoint_is_told_with_its_prefix(tmp_path, end):
    prefix = bundles.write(tmp_path, SHAPES, "model.ckpt-12")
    said = f"{prefix}.{end} is one file of the checkpoint model.ckpt-12; name that: --checkpoint_path {prefix}"
    with pytest.raises(UsageError, match=re.escape(said) + "$"):
        checkpoint.locate(f"{prefix}.{end}")


def test_the_file_that_names_the_newest_is_told_with_its_folder(tmp_path):
    bundles.write(tmp_path, SHAPES)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    with pytest.raises(
        UsageError, match=rf"names the newest checkpoint of its folder; .*--checkpoint_path {tmp_path}$"
    ):
        checkpoint.locate(str(tmp_path / "checkpoint"))


@pytest.mark.parametrize(
    ("name", "what"),
    [("frozen.pb", "is a graph"), ("graph.pbtxt", "is a graph"), ("net.tflite", "is a model of TensorFlow Lite")],
)
def test_a_graph_is_told_with_what_takes_it(tmp_path, name, what):
    (tmp_path / name).write_bytes(b"\n\x0c\n\x05input\x12\x0bPlaceholder")
    with pytest.raises(UsageError, match=rf"{name} {what}.* and no checkpoint; wanted the checkpoint that it was made"):
        checkpoint.locate(str(tmp_path / name))


@pytest.mark.parametrize("name", ["model.json", "saved_model.pb", "frozen_inference_graph.pb"])
def test_the_folder_of_a_model_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=rf"is the folder of a model, by its {name}, and no checkpoint"):
        checkpoint.locate(str(tmp_path))


def test_a_checkpoint_of_another_name_is_named_where_its_folder_was_given(tmp_path):
    prefix = bundles.write(tmp_path, SHAPES, "inception_v3.ckpt")
    with pytest.raises(CheckpointError, match=f"there are, to be named whole: {re.escape(prefix)}$"):
        checkpoint.locate(str(tmp_path))
    assert checkpoint.locate(prefix).step == -1


def test_a_file_that_is_not_there_is_not_one_of_a_checkpoint(tmp_path):
    with pytest.raises(MissingFileError, match="no checkpoint"):
        checkpoint.locate(str(tmp_path / "model.ckpt-3.index"))
