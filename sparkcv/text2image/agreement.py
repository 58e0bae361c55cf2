"""How well made pictures fit their captions, and how far they are from real ones, by what a classifier sees in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparkcv.caption.vocabulary import tokenize
from sparkcv.errors import DataError

__all__ = ["CaptionFit", "agreement", "classes_of", "frechet_distance"]


@dataclasses.dataclass(frozen=True)
class CaptionFit:
    """Shares of pictures, in [0, 1].

    ``top`` is of those whose likeliest class is told by the caption, ``better`` of those that fit their own caption
    better than another one's, of ``num_compared``.
    """

    top: float
    better: float
    num_pictures: int
    num_compared: int


def classes_of(caption: str, labels: Sequence[str]) -> tuple[int, ...]:
    """Return the classes that a caption tells: those of whose name it has every word.

    Of a caption of several things these may be more than are there: "a red star, a blue ring" has "red ring" too.
    """
    words = set(tokenize(caption))
    return tuple(number for number, label in enumerate(labels) if set(tokenize(label.replace("_", " "))) <= words)


def agreement(
    probabilities: NDArray[np.float32], captions: Sequence[str], labels: Sequence[str], seed: int = 0
) -> CaptionFit:
    """Compare probabilities ``[pictures, classes]`` with the pictures' captions, and with those captions shuffled.

    A picture is compared with another's caption only where that tells other classes.

    Raises DataError for a caption that tells no class of the classifier's.
    """
    told = [classes_of(caption, labels) for caption in captions]
    for caption, classes in zip(captions, told, strict=True):
        if not classes:
            raise DataError(
                f"the caption {caption[:80]!r} has the name of none of the classifier's {len(labels)} classes, such as"
                f" {labels[0]!r}"
            )
    likeliest = probabilities.argmax(axis=1)
    top = [best in classes for best, classes in zip(likeliest, told, strict=True)]
    order = np.random.default_rng(seed).permutation(len(told))
    pairs = [(number, int(other)) for number, other in enumerate(order) if told[number] != told[other]]
    better = [_chance(probabilities[one], told[one]) > _chance(probabilities[one], told[other]) for one, other in pairs]
    return CaptionFit(float(np.mean(top)), float(np.mean(better)) if better else float("nan"), len(told), len(better))


def frechet_distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the distance of two normal distributions, of features ``[pictures, features]``: 0 where they are equal.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500, which takes the features of Inception v3: by another net the
    number is another one, and it depends on how many pictures there are. Raises DataError for fewer than two.
    """
    if min(len(first), len(second)) < 2:
        raise DataError(f"got {len(first)} and {len(second)} pictures to compare, wanted two at least of each")
    one, other = (np.asarray(each, np.float64) for each in (first, second))
    means = one.mean(0) - other.mean(0)
    # With fewer pictures than features the roots are in the space of the pictures: the trace is that of the product of
    # the centred features themselves, whose singular values are the roots.
    centred = [(each - each.mean(0)) / np.sqrt(len(each) - 1) for each in (one, other)]
    roots = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False)
    traces = sum(float(np.square(each).sum()) for each in centred)
    return max(0.0, float(means @ means) + traces - 2 * float(roots.sum()))


def _chance(probabilities: NDArray[np.float32], classes: tuple[int, ...]) -> float:
    return float(probabilities[list(classes)].sum())
