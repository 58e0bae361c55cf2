"""Flags that hold several numbers: class weights in the order of the labels, and learning rates by scope."""

import math
import re
from collections.abc import Sequence

from sparkcv.errors import UsageError

__all__ = ["BALANCED", "check_weights", "numbers_in", "parse_scales", "parse_weights"]

BALANCED = "balanced"
_SEPARATOR = re.compile(r"[\s,]+")


def numbers_in(text: str) -> tuple[float, ...] | None:
    """Return the numbers of a list that is separated by commas, spaces or lines; None if it holds anything else."""
    words = [word for word in _SEPARATOR.split(text) if word]
    try:
        return tuple(map(float, words)) or None
    except ValueError:
        return None


def check_weights(weights: Sequence[float], num_classes: int | None = None, where: str = "") -> None:
    """Raise UsageError unless these are weights: finite, none below 0, one above it, one for each of the classes.

    ``where`` is named in the message; ``num_classes`` None is a number of classes that is not known yet.
    """
    name = f"--class_weights{f' {where}' if where else ''}"
    for index, weight in enumerate(weights):
        if not math.isfinite(weight) or weight < 0:
            raise UsageError(f"{name}: got {weight:g} for class {index}, wanted finite numbers of at least 0")
    if not any(weights):
        raise UsageError(f"{name}: got only zeros, wanted a weight above 0 for one class at least")
    if num_classes is not None and len(weights) != num_classes:
        raise UsageError(
            f"{name}: got {len(weights)} weights, wanted {num_classes}, one for each class in the order of the labels"
            " that --labels_offset leaves"
        )


def parse_weights(text: str | None, num_classes: int) -> tuple[float, ...] | None:
    """Return the weights of ``--class_weights`` once it is a list of numbers; None where it is not set."""
    if text is None:
        return None
    weights = numbers_in(text)
    if weights is None:
        raise UsageError(f"--class_weights: got {text!r}, wanted numbers")
    check_weights(weights, num_classes)
    return weights


def parse_scales(text: str | None) -> dict[str, float]:
    """Return the factor of each scope in ``SCOPE=NUMBER,SCOPE=NUMBER``; raise UsageError for anything else."""
    scales: dict[str, float] = {}
    for part in (text or "").split(","):
        if text is None:
            break
        scope, equals, number = part.partition("=")
        scope = scope.strip().rstrip("/")
        value = numbers_in(number)
        if not scope or not equals or value is None or len(value) != 1:
            raise UsageError(
                f"--learning_rate_scales: got {part.strip()!r}, wanted SCOPE=NUMBER, such as InceptionV3=0.1, with"
                " commas between several"
            )
        if not math.isfinite(value[0]) or value[0] < 0:
            raise UsageError(f"--learning_rate_scales {scope}: got {value[0]:g}, wanted a finite number of at least 0")
        if scope in scales:
            raise UsageError(f"--learning_rate_scales: got {scope!r} twice, wanted each scope once")
        scales[scope] = value[0]
    return scales
