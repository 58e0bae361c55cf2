"""Captions by a net from a checkpoint: every generation of names, batches, beams, and checkpoints that do not fit."""

import contextlib

import numpy as np
import pytest

from sparkcv import scenes, synthetic
from sparkcv.caption.beam_search import BeamRules
from sparkcv.caption.caption_weights import fit
from sparkcv.caption.captioner import Captioner
from sparkcv.errors import CheckpointError, ImageError
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules, SeenPicture
from tests.caption import caption_checkpoints
from tests.caption.caption_checkpoints import GENERATIONS, WORDS

pytestmark = pytest.mark.tensorflow

RULES = BeamRules(0, 1, 3, 8)


def opened(prefix, **changes):
    options = {"model_name": "cifarnet", "num_words": len(WORDS), "image_size": 32, "preprocessing_name": "inception"}
    return contextlib.closing(Captioner(prefix, "the checkpoint", **{**options, **changes}))


def pictures(captioner, number=5):
    drawn = (synthetic.encode(scenes.draw_scene(scenes.make_scene(seed), seed, 40), "png") for seed in range(number))
    return [captioner.prepare(picture_file.read(data, PictureRules())) for data in drawn]


@pytest.fixture(scope="module")
def prefixes(tmp_path_factory):
    """The same weights under the names of each generation."""
    folder = tmp_path_factory.mktemp("captioners")
    made = {}
    for generation in GENERATIONS:
        (folder / generation).mkdir()
        made[generation] = caption_checkpoints.write(folder / generation, generation)
    return made


def test_every_generation_of_checkpoints_gives_the_same_captions(prefixes):
    found = {}
    for generation, prefix in prefixes.items():
        with opened(prefix) as captioner:
            found[generation] = captioner.captions(pictures(captioner), RULES)
            table = "\n".join(captioner.restored)
            assert "the encoder" in table
            assert ("Linear/Matrix" in table) == (generation == "linear")
    assert found["today"] == found["first weights"] == found["linear"]
    assert all(0 < len(captions) <= 3 for captions in found["today"])
    assert all(0 < one.probability < 1 for captions in found["today"] for one in captions)


def test_a_batch_is_told_as_each_picture_alone_and_beam_1_is_greedy(prefixes):
    with opened(prefixes["today"]) as captioner:
        images = pictures(captioner)
        together = captioner.captions(images, RULES)
        for image, wanted in zip(images, together, strict=True):
            (alone,) = captioner.captions([image], RULES)
            assert [one.ids for one in alone] == [one.ids for one in wanted]
            assert [one.score for one in alone] == pytest.approx([one.score for one in wanted], abs=1e-4)
        greedy = captioner.captions(images, BeamRules(0, 1, 1, 8))
        assert all(len(captions) == 1 for captions in greedy)
        for narrow, wide in zip(greedy, together, strict=True):
            if narrow[0].ids[-1] == 1:
                assert wide[0].log_probability >= narrow[0].log_probability - 1e-4
        # More beams than words of the vocabulary, and a picture that TensorFlow cannot decode.
        assert len(captioner.captions(images[:1], BeamRules(0, 1, 20, 4))[0]) <= 20
        with pytest.raises(ImageError, match="TensorFlow cannot decode the picture"):
            captioner.prepare(SeenPicture(b"\xff\xd8\xff\xe0nothing", "jpeg", 8, 8, 1))
        assert np.stack(images).shape == (5, 32, 32, 3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_words": 9}, "the vocabulary has 9 words, the checkpoint 'the checkpoint' has 8; wanted the vocabulary"),
        ({"num_words": 7}, "the vocabulary has 7 words, the checkpoint 'the checkpoint' has 8"),
        ({"model_name": "lenet", "image_size": 28, "preprocessing_name": "lenet"}, "its encoder is another net"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(prefixes, changes, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        opened(prefixes["today"], **changes)


def test_a_file_that_is_no_checkpoint_is_told(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="the checkpoint 'the checkpoint' cannot be read"):
        opened(str(tmp_path / "model.ckpt"))


SHAPES = {
    "image_embedding/weights": [10, 6],
    "seq_embedding/map": [12000, 6],
    "lstm/basic_lstm_cell/kernel": [11, 20],
    "lstm/basic_lstm_cell/bias": [20],
    "logits/weights": [5, 12000],
    "logits/biases": [12000],
}


def test_the_published_size_holds_every_vocabulary_that_is_smaller():
    fitted = fit(SHAPES, 11520, "x")
    assert (fitted.num_words, fitted.num_features, fitted.embedding, fitted.units) == (12000, 10, 6, 5)
    with pytest.raises(CheckpointError, match="the vocabulary has 12001 words, the checkpoint 'x' has 12000"):
        fit(SHAPES, 12001, "x")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seq_embedding/map": None}, "has no variable seq_embedding/map, it has image_embedding/weights"),
        ({"lstm/basic_lstm_cell/kernel": None}, "or lstm/basic_lstm_cell/weights or lstm/BasicLSTMCell/Linear/Matrix"),
        ({"logits/biases": [11999]}, r"has logits/biases of shape \[11999\], .* it would be \[12000\]"),
        ({"seq_embedding/map": [12000]}, r"has seq_embedding/map of shape \[12000\]"),
        ({"lstm/basic_lstm_cell/bias": [24]}, "has lstm/basic_lstm_cell/bias of shape"),
    ],
)
def test_variables_that_do_not_go_together_are_named(changes, sentence):
    shapes = {name: shape for name, shape in {**SHAPES, **changes}.items() if shape is not None}
    with pytest.raises(CheckpointError, match=sentence):
        fit(shapes, 12000, "x")
