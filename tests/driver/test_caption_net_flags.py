"""What the flags of a net of captions may say of an exported model."""

import pytest

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
