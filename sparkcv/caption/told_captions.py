"""What a net told of pictures beside what people did, and the numbers that compare the two."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from collections.abc import Iterable, Sequence
from typing import Any

from sparkcv.errors import UsageError

__all__ = ["CaptionScores", "ToldPicture", "check_installed", "measure", "merged", "num_repeated"]

_ORDERS = (1, 2, 3, 4)
_LIBRARIES = ("sacrebleu", "pycocoevalcap")


@dataclasses.dataclass(frozen=True)
class ToldPicture:
    """A picture: the net's captions, best first, with probabilities, and ``references``, those of its record.

    ``log_probability`` is the net's of all references together, whose words, ends among them, are ``num_words``;
    ``thumbnail`` is a small JPEG, or empty.
    """

    name: str
    image_id: int
    captions: tuple[tuple[str, float], ...]
    references: tuple[str, ...]
    log_probability: float
    num_words: int
    thumbnail: bytes = b""

    @property
    def best(self) -> str:
        """The most probable caption; empty where there is none."""
        return self.captions[0][0] if self.captions else ""


@dataclasses.dataclass(frozen=True)
class CaptionScores:
    """How good captions are.

    Attributes:
        num_pictures: that were captioned.
        num_references: captions that people gave them.
        perplexity: of the references' words by the net.
        bleu: BLEU-1 to BLEU-4 of all best captions, in [0, 1]: https://aclanthology.org/P02-1040.
        chrf: the F-score of their characters, in [0, 1]: https://aclanthology.org/W15-3049.
        cider: CIDEr-D, in [0, 10]: https://arxiv.org/abs/1411.5726. Words count by how few of the pictures' references
            have them, so that of one picture alone it is 0.
        distinct: share of different ones among the best captions.
        repeated_words: share of their words that repeat the word, or the two words, right before.
        mean_words: words of a best caption.
    """

    num_pictures: int
    num_references: int
    perplexity: float
    bleu: tuple[float, float, float, float]
    chrf: float
    cider: float
    distinct: float
    repeated_words: float
    mean_words: float

    def rows(self) -> list[tuple[str, str]]:
        """Return it for a report: names and texts."""
        return [
            *((f"BLEU-{order}", f"{value:.4f}") for order, value in zip(_ORDERS, self.bleu, strict=True)),
            ("chrF", f"{self.chrf:.4f}"),
            ("CIDEr-D", f"{self.cider:.4f}, 10 at most"),
            ("perplexity", f"{self.perplexity:.4f} a word"),
            ("distinct", f"{self.distinct:.4f} of the captions"),
            ("repeated", f"{self.repeated_words:.4f} of the words"),
            ("words", f"{self.mean_words:.1f} a caption"),
            ("pictures", f"{self.num_pictures} with {self.num_references} captions"),
        ]


def check_installed() -> None:
    """Raise UsageError where a library that has BLEU or CIDEr is not there."""
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is None:
            raise UsageError(f"{library} is not installed here; wanted: pip install 'sparkcv[captions]'")


def merged(told: Iterable[ToldPicture]) -> list[ToldPicture]:
    """Bring the records of one picture together, as a record for each caption has them."""
    found: dict[tuple[int, str], ToldPicture] = {}
    for picture in told:
        key = (picture.image_id, picture.name)
        former = found.get(key)
        if former is not None:
            picture = dataclasses.replace(
                former,
                references=former.references + picture.references,
                log_probability=former.log_probability + picture.log_probability,
                num_words=former.num_words + picture.num_words,
                thumbnail=former.thumbnail or picture.thumbnail,
            )
        found[key] = picture
    return list(found.values())


def measure(told: Sequence[ToldPicture]) -> CaptionScores:
    """Return the scores of pictures, of one at least; each has one reference or more.

    Raises UsageError where sacrebleu or pycocoevalcap is missing.
    """
    check_installed()
    from sacrebleu.metrics import BLEU, CHRF

    captions = [picture.best for picture in told]
    most = max(len(picture.references) for picture in told)
    # The library wants as many lists as there are references at most; None is none.
    streams: list[list[str | None]] = [
        [picture.references[index] if index < len(picture.references) else None for picture in told]
        for index in range(most)
    ]

    def score(metric: Any) -> float:
        return float(metric.corpus_score(captions, streams).score) / 100

    words = [caption.split() for caption in captions]
    num_words = sum(map(len, words))
    seen = sum(picture.num_words for picture in told)
    loss = -sum(picture.log_probability for picture in told) / max(1, seen)
    bleu = [score(BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", force=True)) for order in _ORDERS]
    return CaptionScores(
        num_pictures=len(told),
        num_references=sum(len(picture.references) for picture in told),
        perplexity=math.exp(min(loss, 700.0)),
        bleu=(bleu[0], bleu[1], bleu[2], bleu[3]),
        chrf=score(CHRF()),
        cider=_cider(told),
        distinct=len(set(captions)) / len(captions),
        repeated_words=sum(map(num_repeated, words)) / max(1, num_words),
        mean_words=num_words / len(captions),
    )


def _cider(told: Sequence[ToldPicture]) -> float:
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    if not any(reference.split() for picture in told for reference in picture.references):
        return 0.0  # the library has no answer to that
    scorer = CiderScorer()
    for picture in told:
        scorer += (picture.best, list(picture.references))
    return float(scorer.compute_score()[0])


def num_repeated(words: Sequence[str]) -> int:
    """Return how many words repeat the one right before, or end a pair that repeats the pair right before."""
    return sum(
        words[at] == words[at - 1] or (at >= 3 and words[at - 1 : at + 1] == words[at - 3 : at - 1])
        for at in range(1, len(words))
    )
