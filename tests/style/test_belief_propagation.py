"""Labels of least energy against trying all of them."""

import itertools

import numpy as np
import pytest

from sparkcv.style.belief_propagation import best_labels, energy


def costs(seed, rows, columns, labels, strength=1.0):
    rng = np.random.default_rng(seed)
    evidence = rng.random((rows, columns, labels), np.float32)
    across = rng.random((rows, columns - 1, labels, labels), np.float32) * np.float32(strength)
    down = rng.random((rows - 1, columns, labels, labels), np.float32) * np.float32(strength)
    return evidence, across, down


def by_hand(evidence, across, down):
    """Return the labels of least energy of all there are, each energy added up cost by cost."""
    rows, columns, count = evidence.shape
    best, least = None, np.inf
    for chosen in itertools.product(range(count), repeat=rows * columns):
        labels = np.reshape(chosen, (rows, columns))
        total = sum(evidence[row, column, labels[row, column]] for row in range(rows) for column in range(columns))
        for row, column in itertools.product(range(rows), range(columns)):
            here = labels[row, column]
            total += across[row, column, here, labels[row, column + 1]] if column + 1 < columns else 0
            total += down[row, column, here, labels[row + 1, column]] if row + 1 < rows else 0
        if total < least:
            best, least = labels, total
    return best, least


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 2), (1, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_a_chain_has_the_best_labels_after_one_iteration(shape, seed):
    given = costs(seed, *shape, 3, strength=2)
    wanted, least = by_hand(*given)
    got = best_labels(*given, iterations=1)
    np.testing.assert_array_equal(got, wanted)
    assert energy(got, *given) == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_small_grid_has_the_best_labels(seed):
    given = costs(seed, 2, 4, 3, strength=0.7)
    wanted, _ = by_hand(*given)
    np.testing.assert_array_equal(best_labels(*given, iterations=20), wanted)


def test_labels_are_never_worse_than_without_neighbours():
    for seed in range(10):
        given = costs(seed, 5, 6, 4, strength=5)
        alone = energy(np.argmin(given[0], axis=2), *given)
        assert energy(best_labels(*given, iterations=8), *given) <= alone
    np.testing.assert_array_equal(best_labels(*given, iterations=0), np.argmin(given[0], axis=2))
