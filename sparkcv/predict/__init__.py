"""Exported models at work: making them, loading them by digest, and scoring pictures with them.

For one's own programs: :class:`Predictor` in plain Python, :func:`transform` for a Spark frame.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparkcv.predict.accuracy import measure
    from sparkcv.predict.engines import NetSpec
    from sparkcv.predict.frames import transform
    from sparkcv.predict.predictor import Prediction, Predictor, Reject

__all__ = ["NetSpec", "Prediction", "Predictor", "Reject", "measure", "transform"]

_PLACES = {
    "NetSpec": "engines",
    "Prediction": "predictor",
    "Predictor": "predictor",
    "Reject": "predictor",
    "measure": "accuracy",
    "transform": "frames",
}


def __getattr__(name: str) -> Any:
    # When asked for: they import pyarrow, whose threads the daemon of Python workers must not have when it forks.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
