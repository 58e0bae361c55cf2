"""What a classifier says of made pictures: agreement with captions, and the distance to real ones."""

import numpy as np
import pytest

from sparkcv.errors import DataError
from sparkcv.text2image.agreement import agreement, classes_of, frechet_distance

LABELS = ("red ring", "red_star", "blue ring")


def test_classes_are_told_by_the_words_of_their_names():
    assert classes_of("a large red ring", LABELS) == (0,)
    assert classes_of("A star that is RED.", LABELS) == (1,)
    assert classes_of("a ring that is red", LABELS) == (0,)
    assert classes_of("a reddish ring", LABELS) == ()


def test_pictures_are_compared_with_their_caption_and_with_anothers():
    captions = ["a red ring", "a red star", "a blue ring", "a small red ring"]
    right = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], np.float32)
    for seed in range(5):
        found = agreement(right, captions, LABELS, seed)
        assert (found.top, found.num_pictures) == (1.0, 4)
        assert found.better == 1.0 or not found.num_compared
    swapped = agreement(right[[1, 0, 2, 3]], captions, LABELS, 0)
    assert swapped.top == 0.5
    with pytest.raises(DataError, match="'a cross' has the name of none of the classifier's 3 classes, such as 'red r"):
        agreement(right, [*captions[:3], "a cross"], LABELS)


def test_the_distance_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(40, 3)) * [1, 2, 3], rng.normal(size=(30, 3)) + np.array([1, 0, 0])
    product = np.cov(one.T) @ np.cov(other.T)
    roots = np.sqrt(np.linalg.eigvals(product).real).sum()
    means = np.square(one.mean(0) - other.mean(0)).sum()
    wanted = means + np.trace(np.cov(one.T)) + np.trace(np.cov(other.T)) - 2 * roots
    assert frechet_distance(one, other) == pytest.approx(wanted)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    few = rng.normal(size=(4, 50))  # fewer pictures than features
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(few, few + 1) == pytest.approx(50)
    with pytest.raises(DataError, match="got 1 and 40 pictures to compare"):
        frechet_distance(one[:1], one)
