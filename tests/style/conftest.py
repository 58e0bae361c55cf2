"""Weights of a transformer net in the forms in which they come, with random values."""

import json

import numpy as np
import pytest

from sparkcv.style.transformer_spec import TransformerSpec
from sparkcv.style.transformer_weights import TransformerWeights


def random_weights(spec: TransformerSpec, seed: int = 0) -> TransformerWeights:
    """Return random weights of a net, the factors near 1."""
    made = np.random.default_rng(seed)
    arrays = {
        name: made.normal(1.0 if name.endswith("gamma") else 0.0, 0.3, shape).astype(np.float32)
        for name, shape in spec.variables().items()
    }
    return TransformerWeights(spec, arrays, "made")


@pytest.fixture(scope="session")
def published():
    """Random weights of the published net, with its padding."""
    return random_weights(TransformerSpec("transposed", "same"))


@pytest.fixture
def dump_folder(published, tmp_path):
    """A folder as the published dump for the browser is: ``manifest.json`` and a file of raw floats a variable."""
    folder = tmp_path / "dump"
    folder.mkdir()
    manifest = {}
    for name, theirs in published.spec.published_names().items():
        (folder / theirs).write_bytes(published.arrays[name].tobytes())
        manifest[theirs] = {"filename": theirs, "shape": list(published.arrays[name].shape)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
