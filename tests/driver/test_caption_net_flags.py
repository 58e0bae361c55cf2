"""What the flags of a net of captions may say of an exported model."""

import pytest

from sparkcv import storage
from sparkcv.caption.caption_model import CaptionModel
from sparkcv.caption.caption_task import CaptionSearch
from sparkcv.config import CaptionConfig
from sparkcv.driver import caption_net_flags
from sparkcv.errors import CheckpointError, LabelError, ModelError, UsageError
from tests.fixtures import bundles

SHAPES = {
    "image_embedding/weights": (5, 3),
    "seq_embedding/map": (4, 3),
    "lstm/basic_lstm_cell/kernel": (5, 8),
    "lstm/basic_lstm_cell/bias": (8,),
    "logits/weights": (2, 4),
    "logits/biases": (4,),
}
"""A net of four words, 3 numbers for each, and an LSTM of 2."""


@pytest.mark.parametrize(
    ("name", "value"),
    [("vocabulary", "w.txt"), ("model_name", "lenet"), ("preprocessing_name", "vgg"), ("image_size", 9)],
)
def test_an_exported_model_tells_its_own_encoder_and_words(tmp_path, name, value):
    (tmp_path / "captions.json").write_text("{}")
    given = {"checkpoint_path": str(tmp_path), "input": "a.jpg"}
    with pytest.raises(ModelError, match="is no description of captions"):  # it is looked at
        caption_net_flags.net_of(CaptionConfig(**given))
    with pytest.raises(
        UsageError, match=rf"--{name} {value}: the exported model '.*', which tells its own, has no use"
    ):
        caption_net_flags.net_of(CaptionConfig(**given, **{name: value}))


@pytest.mark.parametrize(
    ("flags", "exported", "elsewhere"),
    [
        ({}, (5, 9, 0.5), (3, 20, 0.0)),
        ({"beam_size": 1, "length_normalization": 0}, (1, 9, 0.0), (1, 20, 0.0)),
    ],
)
def test_captions_are_searched_by_the_flags_else_as_the_export_was_told(tmp_path, flags, exported, elsewhere):
    model = CaptionModel("model.ckpt-3", "lenet", None, None, 4, 3, CaptionSearch(5, 9, 0.5), {})
    (tmp_path / "captions.json").write_text(model.to_json())
    for checkpoint, wanted in ((tmp_path, exported), (tmp_path / "run", elsewhere)):
        config = CaptionConfig(checkpoint_path=str(checkpoint), input="a.jpg", **flags)
        assert caption_net_flags.search_of(config) == CaptionSearch(*wanted)


def test_a_vocabulary_of_other_words_than_the_training_s_is_refused_though_they_are_as_many(tmp_path):
    bundles.write(tmp_path / "run", SHAPES)
    words = ("a", "</S>", "<S>", "<UNK>")
    storage.write_json(f"{tmp_path}/run/run.json", {"labels": words, "model_name": "cifarnet"})
    (tmp_path / "own.txt").write_text("a 9\n</S> 5\n<S> 5\n<UNK> 0\n")
    (tmp_path / "other.txt").write_text("b 9\n</S> 5\n<S> 5\n<UNK> 0\n")

    def net(**flags):
        return caption_net_flags.net_of(CaptionConfig(checkpoint_path=f"{tmp_path}/run", input="a.jpg", **flags))

    assert net().words == net(vocabulary=f"{tmp_path}/own.txt").words == words
    with pytest.raises(
        LabelError, match=r"other\.txt: word 0 is 'b' there and 'a' to the training in '\S+run'; wanted"
    ):
        net(vocabulary=f"{tmp_path}/other.txt")


def test_a_vocabulary_of_another_size_and_a_checkpoint_without_captions_are_refused_without_tensorflow(tmp_path):
    (tmp_path / "words.txt").write_text("a 9\n</S> 5\n<S> 5\n")
    given = {"vocabulary": f"{tmp_path}/words.txt", "model_name": "cifarnet", "input": "a.jpg"}
    for name, shapes, sentence in (
        ("run", SHAPES, r"the vocabulary has 4 words, the checkpoint '\S+model.ckpt-\d+' has 6; wanted the vocabulary"),
        ("other", {"conv1/weights": (3, 3)}, r"has no variable image_embedding/weights, it has conv1/weights\.\.\.:"),
    ):
        six = {key: tuple(6 if size == 4 else size for size in shape) for key, shape in shapes.items()}
        bundles.write(tmp_path / name, six)
        with pytest.raises(CheckpointError, match=sentence):
            caption_net_flags.net_of(CaptionConfig(checkpoint_path=f"{tmp_path}/{name}", **given))
