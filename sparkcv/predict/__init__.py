"""Exported models at work: making them, loading them by digest, and scoring pictures with them.

For one's own programs: :class:`Predictor` in plain Python, :func:`transform` for a Spark frame.
"""

from sparkcv.predict.frames import transform
from sparkcv.predict.predictor import Prediction, Predictor, Reject

__all__ = ["Prediction", "Predictor", "Reject", "transform"]
