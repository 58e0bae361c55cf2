"""Making an int8 net of a frozen graph by nncf, of the extra ``int8``: its ranges are those of given pictures."""

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import ModelError
from sparkcv.predict.engines.openvino import read_graph, save_net

__all__ = ["quantize"]

_SILENT = "NNCF_CI"


def quantize(graph: str, features: str | None, batches: Sequence[NDArray[np.float32]], path: str) -> None:
    """Write the net of a frozen graph in int8 as ``path`` (.xml), to probabilities and the operation ``features``.

    ``batches`` are calibrated on, each as the graph takes it. Raises ModelError if the graph cannot be quantized.
    """
    nncf = _nncf()
    nncf.set_log_level(logging.ERROR)
    try:
        made: Any = nncf.quantize(read_graph(graph, graph, features), nncf.Dataset(batches), subset_size=len(batches))
    except (RuntimeError, nncf.UnsupportedModelError, nncf.ValidationError) as err:
        words = " ".join(str(err).split())[:200]
        raise ModelError(f"{graph!r} cannot be quantized to int8: {words}") from err
    save_net(made, path)


def _nncf() -> Any:
    """Import nncf where it takes itself for a test: else it tells its makers' statistics service of each use."""
    before = os.environ.get(_SILENT)
    os.environ[_SILENT] = "1"
    try:
        import nncf
    finally:
        if before is None:
            del os.environ[_SILENT]
        else:
            os.environ[_SILENT] = before
    return nncf
