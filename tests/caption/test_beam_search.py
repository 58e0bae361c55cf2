"""Beam search on models that are small enough to enumerate every caption."""

import itertools
import math

import numpy as np
import pytest

from sparkcv.caption.beam_search import BeamRules, search

START, END, WORDS = 0, 1, 4


class TableModel:
    """Probabilities of the next word by all that came before: a state is the picture and the words so far."""

    def __init__(self, seed, width, sharpness=1.0):
        self.seed, self.width, self.sharpness = seed, width, sharpness
        self.calls = []

    def probabilities(self, state):
        rng = np.random.default_rng((self.seed, *state))
        scores = rng.normal(size=WORDS) * self.sharpness
        scores[START] = -50
        values = np.exp(scores)
        return values / values.sum()

    def __call__(self, words, states):
        self.calls.append(len(words))
        states = [(*state, int(word)) for state, word in zip(states, words, strict=True)]
        logs = np.log([self.probabilities(state) for state in states])
        best = np.argsort(-logs, axis=1, kind="stable")[:, : self.width]
        new = np.empty(len(states), object)
        new[:] = states
        return np.take_along_axis(logs, best, 1).astype(np.float32), best.astype(np.int64), new

    def log_probability(self, picture, ids):
        steps = zip(itertools.accumulate([(picture,), *((word,) for word in ids[:-1])]), ids, strict=True)
        return sum(math.log(self.probabilities(state)[word]) for state, word in list(steps)[1:])


def pictures(*numbers):
    states = np.empty(len(numbers), object)
    states[:] = [(number,) for number in numbers]
    return states


def rules(**changes):
    return BeamRules(**{"start_id": START, "end_id": END, "max_words": 6, **changes})


def every_caption(model, picture, max_words):
    """Log probabilities of all complete captions, best first."""
    found = []
    for length in range(max_words - 1):
        for words in itertools.product(range(2, WORDS), repeat=length):
            ids = (START, *words, END)
            found.append((model.log_probability(picture, ids), ids))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_that_holds_everything_finds_the_best_captions_of_all(seed):
    model = TableModel(seed, WORDS)
    wanted = every_caption(model, 7, 6)
    (found,) = search(pictures(7), TableModel(seed, WORDS), rules(width=WORDS**5))
    assert [one.ids for one in found[:10]] == [ids for _, ids in wanted[:10]]
    assert [one.log_probability for one in found] == pytest.approx([log for log, _ in wanted], rel=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_of_one_is_greedy(seed):
    (found,) = search(pictures(3), TableModel(seed, 1), rules(width=1))
    model, ids = TableModel(seed, 1), [START]
    while len(ids) < 6 and (len(ids) == 1 or ids[-1] != END):
        ids.append(int(model.probabilities((3, *ids)).argmax()))
    assert found[0].ids == tuple(ids)
    assert found[0].log_probability == pytest.approx(model.log_probability(3, ids), rel=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_no_beam_is_more_probable_than_the_best_and_what_it_says_of_itself_is_true(seed):
    best = every_caption(TableModel(seed, WORDS), 5, 6)[0][0]
    for width in (1, 2, 3, 5):
        (found,) = search(pictures(5), TableModel(seed, width), rules(width=width))
        assert len(found) <= width
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert len({one.ids for one in found}) == len(found)
        for one in found:
            truth = TableModel(seed, width).log_probability(5, one.ids)
            assert one.log_probability == pytest.approx(truth, rel=1e-5)
            assert one.probability == pytest.approx(math.exp(truth), rel=1e-5)
            assert one.ids[-1] != END or one.log_probability <= best + 1e-5


@pytest.mark.parametrize("seed", range(20))
def test_a_wider_beam_never_has_a_lower_probability(seed):
    # No law of beam search: with eight words in place of four it was lower in 1 of 1400 cases.
    best = -math.inf
    for width in (1, 2, 3, 4, 6, 10, 30):
        (found,) = search(pictures(5), TableModel(seed, width), rules(width=width))
        if found[0].ids[-1] == END:  # a partial caption has words less to lose by
            assert found[0].log_probability >= best - 1e-6
            best = found[0].log_probability


def test_many_pictures_at_once_are_searched_as_each_alone():
    numbers = tuple(range(12))
    model = TableModel(1, 3)
    together = search(pictures(*numbers), model, rules())
    assert together == [search(pictures(number), TableModel(1, 3), rules())[0] for number in numbers]
    assert len(model.calls) <= 5
    assert max(model.calls) <= 36


def test_length_normalization_prefers_longer_captions():
    def mean_length(power):
        found = search(pictures(*range(40)), TableModel(2, 3), rules(length_normalization=power))
        return np.mean([len(captions[0].ids) for captions in found])

    assert mean_length(2.0) > mean_length(0.0) + 0.3
    (found,) = search(pictures(0), TableModel(2, 3), rules(length_normalization=0.5))
    assert all(one.score == pytest.approx(one.log_probability / len(one.ids) ** 0.5) for one in found)


def test_partial_captions_are_given_only_where_none_is_complete():
    class Endless(TableModel):
        def probabilities(self, state):
            return np.array([1e-30, 1e-30, 0.6, 0.4])

    (found,) = search(pictures(0), Endless(0, 3), rules(max_words=4, width=3))
    assert len(found) == 3
    assert all(END not in one.ids for one in found)
    assert found[0].ids == (0, 2, 2, 2)
    assert found[0].log_probability == pytest.approx(3 * math.log(0.6), rel=1e-5)
