"""Which kind of net a folder holds, by the file that describes it and that is the last of its files."""

from sparkcv.caption.caption_model import is_caption_model
from sparkcv.predict import manifest as manifests
from sparkcv.serve.answers import Answers
from sparkcv.style import transformer_weights
from sparkcv.text2image.trained_gan import is_trained

__all__ = ["answers_of"]


def answers_of(url: str) -> Answers | None:
    """Return what the net of a folder answers with; None where there is none, or not yet."""
    if is_caption_model(url):
        return Answers.CAPTIONS
    if manifests.is_model(url):
        return Answers.SCORES
    if transformer_weights.described_by(url):
        return Answers.PICTURES
    return Answers.DRAWINGS if is_trained(url) else None
