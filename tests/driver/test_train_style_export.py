"""The export of a style net over one that is there, without TensorFlow."""

import os

import pytest

from sparkcv.driver import train_style
from sparkcv.errors import StorageError
from sparkcv.style import transformer_weights
from sparkcv.style.transformer_spec import TransformerSpec
from tests.style.conftest import random_weights


@pytest.mark.parametrize("is_whole", [True, False])
def test_the_net_that_is_there_stays_until_the_new_one_is_whole(tmp_path, monkeypatch, is_whole):
    old, new = (random_weights(TransformerSpec(), seed) for seed in (1, 2))
    for name, weights in (("model", old), ("run", new)):
        (tmp_path / name).mkdir()
        (tmp_path / name / transformer_weights.FILE_NAME).write_bytes(transformer_weights.dump(weights))

    def saved(source, folder):
        os.mkdir(folder)
        os.symlink(tmp_path / ("run" if is_whole else "none") / transformer_weights.FILE_NAME, f"{folder}/saved_model")
        return 0.0

    monkeypatch.setattr(train_style, "_saved_model", saved)
    given = str(tmp_path / "run" / transformer_weights.FILE_NAME), str(tmp_path / "model")
    if is_whole:
        assert f"of digest {new.digest[:16]}" in train_style._export(*given)
    else:
        with pytest.raises(StorageError):
            train_style._export(*given)
    assert transformer_weights.load(given[1]).digest == (new if is_whole else old).digest
    assert sorted(os.listdir(tmp_path)) == ["model", "run"]
