"""Streaming classification metrics in plain numpy, so that the driver can merge and judge without TensorFlow.

A `Tally` only counts, so tallies of disjoint parts of a dataset add up to the tally of the whole, whatever the
number of evaluators. `Metrics` are the ratios of one finished tally.

Ties and broken scores follow TensorFlow, whose numbers a TF-Slim user knows: the predicted class is the first of
equal maxima (``tf.argmax``), a label is among the top k when fewer than k classes score *strictly* higher
(``tf.nn.in_top_k``), and a row with a NaN or infinite score is never right. Such a row has no predicted class; it
stays in the denominator, because a net that cannot answer did not answer correctly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkcv.errors import DataError, LabelError

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

NO_PREDICTION = -1
"""What `predict` gives for a row whose scores are not all finite."""

RECALL_AT = 5
"""slim's second number is ``Recall_5``; for single-label data it is the top-5 accuracy."""


def predict(scores: Floats) -> Ints:
    """Return the class of each row of ``scores`` [batch, classes]; int64 [batch], `NO_PREDICTION` if not finite."""
    finite = np.isfinite(scores).all(axis=1)
    best = np.argmax(np.where(finite.reshape(-1, 1), scores, 0.0), axis=1)
    return np.where(finite, best, NO_PREDICTION)


def in_top_k(scores: Floats, labels: Ints, k: int) -> npt.NDArray[np.bool_]:
    """Return whether fewer than ``k`` classes score strictly higher than each row's label; bool [batch]."""
    own = scores[np.arange(len(labels)), labels]
    with np.errstate(invalid="ignore"):
        higher = (scores > own[:, None]).sum(axis=1)
    return np.isfinite(scores).all(axis=1) & (higher < k)


def probabilities(logits: Floats) -> npt.NDArray[np.float64]:
    """Return the softmax of ``logits`` [batch, classes], float64 in [0, 1]; a row that is not finite gives NaN."""
    wide = logits.astype(np.float64)
    wide[~np.isfinite(wide).all(axis=1)] = np.nan
    shifted = np.exp(wide - wide.max(axis=1, keepdims=True, initial=-np.inf))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _cross_entropy(logits: Floats, labels: Ints) -> npt.NDArray[np.float64]:
    """Return minus the logarithm of each label's probability, also where that rounds to 0."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels], np.float64)


class Tally:
    """Counts of one part of a dataset: the confusion matrix, and how often the label was among the top k.

    Memory grows with the pairs (true, predicted) that occurred, not with the square of the number of classes.
    """

    def __init__(self, num_classes: int, k: int = RECALL_AT) -> None:
        """Make an empty tally of ``num_classes`` classes; DataError below 1 class or k of 1."""
        if num_classes < 1 or k < 1:
            raise DataError(f"got {num_classes} classes and k = {k} to count, wanted at least 1 of each")
        self.num_classes = num_classes
        self.k = k
        self.pairs: Counter[tuple[int, int]] = Counter()
        self.num_top_k = 0
        self.loss_sum = 0.0

    @property
    def num_examples(self) -> int:
        """Examples counted so far, right or wrong."""
        return self.pairs.total()

    def update(self, logits: Floats, labels: Ints) -> Ints:
        """Count one batch and return its predicted classes.

        Args:
            logits: float [batch, classes]; any scores that grow with belief count alike, the loss needs logits.
            labels: int [batch] in [0, classes).

        Raises:
            DataError: shapes that do not fit; LabelError: a label out of range. Nothing is counted then.
        """
        if logits.ndim != 2 or logits.shape[1] != self.num_classes or labels.shape != logits.shape[:1]:
            raise DataError(
                f"got scores of shape {logits.shape} and labels of shape {labels.shape}, "
                f"wanted [batch, {self.num_classes}] and [batch]"
            )
        if not len(labels):
            return np.zeros([0], np.int64)
        if labels.min() < 0 or labels.max() >= self.num_classes:
            wrong = labels[(labels < 0) | (labels >= self.num_classes)][0]
            raise LabelError(f"got label {wrong}, wanted 0 to {self.num_classes - 1}")
        predicted = predict(logits)
        self.pairs.update(zip(labels.tolist(), predicted.tolist(), strict=True))
        self.num_top_k += int(in_top_k(logits, labels, self.k).sum())
        finite = predicted != NO_PREDICTION
        self.loss_sum += float(_cross_entropy(logits[finite], labels[finite]).sum())
        return predicted

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able form; the confusion and the ratios as they are written."""
        return {
            "num_classes": self.num_classes,
            "k": self.k,
            "num_top_k": self.num_top_k,
            "loss_sum": self.loss_sum,
            "confusion": [[true, guess, n] for (true, guess), n in sorted(self.pairs.items())],
        }

    @classmethod
    def from_dict(cls, form: dict[str, Any]) -> Tally:
        """Return the tally that `to_dict` wrote; DataError if it is not one or its counts are impossible."""
        try:
            tally = cls(int(form["num_classes"]), int(form["k"]))
            tally.num_top_k = int(form["num_top_k"])
            tally.loss_sum = float(form["loss_sum"])
            for true, guess, n in form["confusion"]:
                tally.pairs[int(true), int(guess)] += int(n)
        except (KeyError, TypeError, ValueError) as err:
            raise DataError(f"got a tally that does not read as one ({err!r})") from err
        classes = range(tally.num_classes)
        for (true, guess), n in tally.pairs.items():
            if true not in classes or not (guess in classes or guess == NO_PREDICTION) or n < 1:
                raise DataError(
                    f"got {n} examples of class {true} taken for {guess} in a tally of {tally.num_classes} classes"
                )
        if not 0 <= tally.num_top_k <= tally.num_examples:
            raise DataError(f"got {tally.num_top_k} top-{tally.k} hits among {tally.num_examples} examples")
        return tally


def merge(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all parts together; DataError if there is none, or if they count different classes or k."""
    parts = list(tallies)
    if not parts:
        raise DataError("got no tally to merge, wanted at least one")
    whole = Tally(parts[0].num_classes, parts[0].k)
    for part in parts:
        if (part.num_classes, part.k) != (whole.num_classes, whole.k):
            raise DataError(
                f"got tallies of {part.num_classes} classes at k = {part.k} and of {whole.num_classes} "
                f"at k = {whole.k}, wanted parts of one dataset"
            )
        whole.pairs.update(part.pairs)
        whole.num_top_k += part.num_top_k
        whole.loss_sum += part.loss_sum
    return whole


@dataclass(frozen=True)
class ClassMetrics:
    """One class: how many examples it has, how many were predicted as it, and how many of both."""

    index: int
    name: str
    support: int
    num_predicted: int
    num_correct: int

    @property
    def precision(self) -> float | None:
        """Share of those predicted as it that are; None when none was."""
        return self.num_correct / self.num_predicted if self.num_predicted else None

    @property
    def recall(self) -> float | None:
        """Share of its examples that were predicted as it; None when the dataset has none."""
        return self.num_correct / self.support if self.support else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able form; the confusion and the ratios as they are written."""
        return {
            "index": self.index,
            "name": self.name,
            "support": self.support,
            "num_predicted": self.num_predicted,
            "num_correct": self.num_correct,
            "precision": self.precision,
            "recall": self.recall,
        }


@dataclass(frozen=True)
class Metrics:
    """The ratios of one finished tally; ``confusion`` maps (true, predicted) to its count, absent pairs are 0."""

    num_examples: int
    num_not_finite: int
    accuracy: float
    recall_at_k: float
    k: int
    loss: float | None
    classes: tuple[ClassMetrics, ...]
    confusion: dict[tuple[int, int], int]

    @classmethod
    def of(cls, tally: Tally, names: Sequence[str]) -> Metrics:
        """Return the metrics of ``tally``, with one name a class; DataError if it is empty or the names do not fit."""
        total = tally.num_examples
        if not total:
            raise DataError("got no example to evaluate, wanted at least one that can be read")
        if len(names) != tally.num_classes:
            raise DataError(f"got {len(names)} class names for a tally of {tally.num_classes} classes")
        support: Counter[int] = Counter()
        predicted: Counter[int] = Counter()
        for (true, guess), n in tally.pairs.items():
            support[true] += n
            predicted[guess] += n
        classes = tuple(
            ClassMetrics(i, name, support[i], predicted[i], tally.pairs[i, i]) for i, name in enumerate(names)
        )
        not_finite = predicted[NO_PREDICTION]
        return cls(
            num_examples=total,
            num_not_finite=not_finite,
            accuracy=sum(c.num_correct for c in classes) / total,
            recall_at_k=tally.num_top_k / total,
            k=tally.k,
            loss=tally.loss_sum / (total - not_finite) if total > not_finite else None,
            classes=classes,
            confusion=dict(sorted(tally.pairs.items())),
        )

    @property
    def mean_recall(self) -> float:
        """Mean recall over the classes that occur, in [0, 1]: the accuracy that rare classes count fully in."""
        recalls = [c.recall for c in self.classes if c.recall is not None]
        return sum(recalls) / len(recalls)

    def most_confused(self, limit: int) -> list[tuple[ClassMetrics, ClassMetrics, int]]:
        """Return the ``limit`` most frequent mistakes as (true class, predicted class, count), most frequent first."""
        mistakes = [
            (n, true, guess) for (true, guess), n in self.confusion.items() if guess not in (true, NO_PREDICTION)
        ]
        mistakes.sort(key=lambda item: (-item[0], item[1], item[2]))
        return [(self.classes[true], self.classes[guess], n) for n, true, guess in mistakes[:limit]]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able form; the confusion and the ratios as they are written."""
        return {
            "num_examples": self.num_examples,
            "num_not_finite": self.num_not_finite,
            "accuracy": self.accuracy,
            f"recall_{self.k}": self.recall_at_k,
            "mean_recall": self.mean_recall,
            "loss": self.loss,
            "per_class": [c.to_dict() for c in self.classes],
            "confusion": [[true, guess, n] for (true, guess), n in self.confusion.items()],
        }
