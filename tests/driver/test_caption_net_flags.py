"""What the flags of a net of captions may say of an exported model."""

import pytest

from sparkcv.caption.caption_model import CaptionModel
from sparkcv.caption.caption_task import CaptionSearch
from sparkcv.config import CaptionConfig
from sparkcv.driver import caption_net_flags
from sparkcv.errors import ModelError, UsageError


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
