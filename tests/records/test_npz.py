"""Files of NumPy that are damaged, and that each reader of them says so in a sentence of its own."""

import io
import zipfile

import numpy as np
import pytest

from sparkcv.caption.caption_vectors import read_vectors
from sparkcv.errors import CheckpointError, DataError, ModelError
from sparkcv.records import npz
from sparkcv.records.statistics import Moments, Statistics
from sparkcv.style import transformer_weights, vgg19_weights


def archived(save=np.savez_compressed, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def lying():
    """Return an archive whose array says that it has more values than any memory."""
    buffer, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**45,)})
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    return buffer.getvalue()


def with_text():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "no array")
    return buffer.getvalue()


def single():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def flipped(data, at):
    return data[:at] + bytes(byte ^ 0x5A for byte in data[at : at + 40]) + data[at + 40 :]


NAMES = (
    *("spec", "conv1_1/weights", "conv1_1/biases", "captions", "vectors", "about", "count", "sums"),
    *("a", "mean"),
)
WHOLE = archived(**{name: np.random.default_rng(0).random(50) for name in NAMES})
DAMAGED = {
    "cut": WHOLE[: len(WHOLE) // 2],
    **{f"flipped at {at}": flipped(WHOLE, at) for at in range(60, len(WHOLE) - 1200, 97)},
    "an array alone": single(),
    "lying": lying(),
    "no array": with_text(),
    "pickled": archived(np.savez, a=np.array([{}], object)),
}


def test_arrays_are_read_by_their_names():
    found = npz.arrays_of(archived(a=np.arange(3), b=np.ones((2, 2), np.float32)), most_bytes=10_000)
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"].dtype == np.float32
    assert list(npz.arrays_of(WHOLE, {"sums", "other"})) == ["sums"]
    with pytest.raises(ValueError, match="wanted 100 at most"):
        npz.arrays_of(WHOLE, most_bytes=100)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_bytes_are_a_value_error_and_each_readers_own_sentence(tmp_path, name):
    path = str(tmp_path / "file.npz")
    (tmp_path / "file.npz").write_bytes(DAMAGED[name])
    with pytest.raises(ValueError, match=r"\w"):
        npz.arrays_of(DAMAGED[name])
    with pytest.raises(DataError, match="holds no vectors of captions"):
        read_vectors(path)
    with pytest.raises(ModelError, match=r"is no (whole \.npz file|VGG-19)"):
        vgg19_weights.load(path)
    with pytest.raises(CheckpointError, match=r"is no transformer\.npz"):
        transformer_weights.load(path)
    with pytest.raises(DataError, match="is no file of statistics"):
        Statistics.read(path)
    with pytest.raises(DataError, match="is no part of statistics"):
        Moments.read(path, (1, 1, 3), has_covariance=False)


@pytest.mark.parametrize(
    "spec", [{"num_blocks": "5"}, {"num_blocks": 10**12}, {"input_scale": "1"}, {"input_scale": 0}]
)
def test_a_transformers_spec_of_no_net_is_refused(spec):
    text = np.array(str({"filters": [1, 2, 3], **spec}).replace("'", '"'))
    with pytest.raises(CheckpointError, match="is of no net that there is"):
        transformer_weights.parse(archived(spec=text), "x")
