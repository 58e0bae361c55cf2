"""What a user names as a checkpoint and is none is told at once, with what to name."""

import pathlib
import re

import pytest

from sparkcv.errors import CheckpointError, MissingFileError, UsageError
from sparkcv.rundir import checkpoint, checkpoint_model
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


@pytest.mark.parametrize("name", ["frozen.pb", "net.tflite"])
def test_a_model_s_weights_are_found_as_such(tmp_path, name):
    (tmp_path / name).write_bytes(b"\n\x0c\n\x05input\x12\x0bPlaceholder")
    kind = {"frozen.pb": checkpoint_model.GRAPH, "net.tflite": checkpoint_model.TFLITE}[name]
    found = checkpoint.locate(str(tmp_path / name))
    assert (found.kind, found.prefix_url, found.step) == (kind, str(tmp_path / name), -1)
    (local,) = checkpoint_model.fetch(found, str(tmp_path))
    assert pathlib.Path(local).read_bytes() == (tmp_path / name).read_bytes()


def test_a_graph_in_text_form_is_told(tmp_path):
    (tmp_path / "graph.pbtxt").write_bytes(b"node {}")
    with pytest.raises(UsageError, match=r"graph.pbtxt is a graph in text form; wanted a frozen graph in binary form"):
        checkpoint.locate(str(tmp_path / "graph.pbtxt"))


def test_the_parts_of_a_tflite_net_are_named_one_behind_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.tflite", "b.tflite"):
        (tmp_path / name).write_text(name)
    url = checkpoint_model.resolve("a.tflite, b.tflite")
    assert url == f"{tmp_path}/a.tflite,{tmp_path}/b.tflite"
    local = checkpoint_model.fetch(checkpoint.locate(url), str(tmp_path))
    assert [pathlib.Path(path).read_text() for path in local] == ["a.tflite", "b.tflite"]
    with pytest.raises(MissingFileError, match=r"no TensorFlow Lite model '.*c\.tflite'"):
        checkpoint.locate(f"{url},{tmp_path}/c.tflite")


def test_the_folder_of_a_model_is_found(tmp_path):
    (tmp_path / "frozen_inference_graph.pb").write_bytes(b"x")
    found = checkpoint.locate(str(tmp_path))
    assert (found.kind, found.prefix_url) == (checkpoint_model.GRAPH, f"{tmp_path}/frozen_inference_graph.pb")
    bundles.write(tmp_path / "saved" / "variables", SHAPES, "variables")
    with pytest.raises(CheckpointError, match=r"the SavedModel '.*saved' is half deleted: saved_model.pb is missing"):
        checkpoint.locate(str(tmp_path / "saved"))
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    found = checkpoint.locate(str(tmp_path / "saved"))
    assert (found.kind, len(found.names)) == (checkpoint_model.SAVED_MODEL, 3)
    assert checkpoint.locate(str(tmp_path / "saved" / "saved_model.pb")) == found
    (tmp_path / "saved" / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match=r"lacks its file variables\.data-00000-of-00001"):
        checkpoint.locate(str(tmp_path / "saved"))


def test_a_checkpoint_of_another_name_is_named_where_its_folder_was_given(tmp_path):
    prefix = bundles.write(tmp_path, SHAPES, "inception_v3.ckpt")
    with pytest.raises(CheckpointError, match=f"there are, to be named whole: {re.escape(prefix)}$"):
        checkpoint.locate(str(tmp_path))
    assert checkpoint.locate(prefix).step == -1


def test_a_file_that_is_not_there_is_not_one_of_a_checkpoint(tmp_path):
    with pytest.raises(MissingFileError, match="no checkpoint"):
        checkpoint.locate(str(tmp_path / "model.ckpt-3.index"))
