"""The counting and the ratios, by hand-made cases, by TensorFlow's own answers, and in parts."""

import json
import math

import numpy as np
import pytest

from sparkcv.errors import DataError, LabelError
from sparkcv.evaluate.metrics import NO_PREDICTION, Metrics, Tally, in_top_k, merge, predict, probabilities

NAMES = ("cat", "dog", "owl")


def tally_of(scores, labels, **kwargs):
    tally = Tally(len(scores[0]), **kwargs)
    tally.update(np.array(scores, np.float32), np.array(labels))
    return tally


def random_batch(seed, num_examples=200, num_classes=7):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(num_examples, num_classes)).astype(np.float32).round(1)  # rounded: ties happen
    scores[::23, 2] = np.nan
    scores[::31, 1] = np.inf
    return scores, random.integers(0, num_classes, num_examples)


def test_a_perfect_answer_is_one_everywhere():
    metrics = Metrics.of(tally_of([[9, 0, 0], [0, 9, 0], [0, 0, 9]], [0, 1, 2]), NAMES)
    assert metrics.accuracy == metrics.recall_at_k == metrics.mean_recall == 1.0
    assert [(each.precision, each.recall) for each in metrics.classes] == [(1.0, 1.0)] * 3
    assert metrics.most_confused(5) == []


def test_the_ratios_are_those_counted_by_hand():
    scores = [[3, 1, 0], [3, 1, 0], [0, 3, 1], [3, 0, 1], [0, 1, 3], [0, 3, 1]]
    metrics = Metrics.of(tally_of(scores, [0, 0, 0, 1, 2, 2], k=2), NAMES)
    assert metrics.num_examples == 6
    assert metrics.accuracy == pytest.approx(3 / 6)
    assert metrics.recall_at_k == pytest.approx(4 / 6)
    cat, dog, owl = metrics.classes
    assert (cat.support, cat.num_predicted, cat.num_correct) == (3, 3, 2)
    assert (cat.precision, cat.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (dog.precision, dog.recall) == (0.0, 0.0)
    assert (owl.precision, owl.recall) == (1.0, 0.5)
    assert metrics.mean_recall == pytest.approx((2 / 3 + 0 + 0.5) / 3)
    assert [(a.name, b.name, n) for a, b, n in metrics.most_confused(2)] == [("cat", "dog", 1), ("dog", "cat", 1)]


def test_the_loss_is_the_mean_cross_entropy():
    metrics = Metrics.of(tally_of([[0, 0, 0], [math.log(2), 0, 0]], [1, 0]), NAMES)
    assert metrics.loss == pytest.approx((math.log(3) + math.log(2)) / 2)


def test_a_certain_and_wrong_net_has_the_loss_that_tensorflow_gives():
    assert Metrics.of(tally_of([[200, 0, 0]], [1]), NAMES).loss == pytest.approx(200)
    assert Metrics.of(tally_of([[1e30, 0, 0], [0, 0, 0]], [1, 2]), NAMES).loss == pytest.approx(5e29)


def test_a_class_that_is_absent_has_no_recall_and_one_never_named_no_precision():
    metrics = Metrics.of(tally_of([[9, 0, 0]], [1]), NAMES)
    assert [(each.precision, each.recall) for each in metrics.classes] == [(0.0, None), (None, 0.0), (None, None)]
    assert metrics.mean_recall == 0.0


def test_of_equal_maxima_the_first_is_predicted():
    assert predict(np.array([[1.0, 5.0, 5.0], [2.0, 2.0, 2.0]])).tolist() == [1, 0]


def test_classes_that_tie_at_the_border_of_the_top_k_are_all_in_it():
    scores = np.array([[5.0, 3.0, 3.0, 3.0, 1.0]] * 5)
    assert in_top_k(scores, np.arange(5), 2).tolist() == [True, True, True, True, False]


def test_with_fewer_classes_than_k_every_finite_row_is_a_hit():
    assert Metrics.of(tally_of([[9, 0, 0], [9, 0, 0]], [1, 2]), NAMES).recall_at_k == 1.0


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_counts_as_wrong_and_has_no_prediction(broken):
    tally = tally_of([[broken, 1, 2], [0, 1, 9]], [2, 2])
    metrics = Metrics.of(tally, NAMES)
    assert tally.pairs == {(2, NO_PREDICTION): 1, (2, 2): 1}
    assert (metrics.num_not_finite, metrics.accuracy, metrics.recall_at_k) == (1, 0.5, 0.5)
    assert metrics.classes[2].recall == 0.5
    assert metrics.loss is not None
    assert math.isfinite(metrics.loss)
    assert metrics.most_confused(9) == []


def test_a_net_that_answers_nothing_has_no_loss():
    metrics = Metrics.of(tally_of([[np.nan] * 3], [0]), NAMES)
    assert (metrics.accuracy, metrics.loss) == (0.0, None)
    assert json.loads(json.dumps(metrics.to_dict(), allow_nan=False))["loss"] is None


def test_probabilities_add_up_to_one_for_large_scores_too():
    rows = probabilities(np.array([[1000.0, 1000.0], [-1000.0, 0.0], [np.nan, 0.0]]))
    assert rows[:2].tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert np.isnan(rows[2]).all()


@pytest.mark.parametrize("seed", range(3))
def test_parts_merged_are_the_whole_in_any_split(seed):
    scores, labels = random_batch(seed)
    whole = Tally(7)
    whole.update(scores, labels)
    parts = [Tally(7) for _ in range(3)]
    for i in range(0, len(labels), 17):
        parts[i % 3].update(scores[i : i + 17], labels[i : i + 17])
    merged = merge(Tally.from_dict(json.loads(json.dumps(part.to_dict()))) for part in parts)
    assert (merged.pairs, merged.num_top_k) == (whole.pairs, whole.num_top_k)
    assert merged.loss_sum == pytest.approx(whole.loss_sum)


def test_an_empty_batch_and_an_empty_part_change_nothing():
    tally = tally_of([[9, 0, 0]], [0])
    assert tally.update(np.zeros([0, 3]), np.zeros([0], np.int64)).tolist() == []
    assert merge([tally, Tally(3)]).to_dict() == tally.to_dict()


@pytest.mark.parametrize(("label", "told"), [(3, "got label 3, wanted 0 to 2"), (-1, "got label -1")])
def test_a_label_out_of_range_is_refused_and_nothing_is_counted(label, told):
    tally = Tally(3)
    with pytest.raises(LabelError, match=told):
        tally.update(np.zeros([2, 3]), np.array([0, label]))
    assert tally.num_examples == 0


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (2,)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(DataError, match=r"wanted \[batch, 3\] and \[batch\]"):
        Tally(3).update(np.zeros(shape), np.array([0, 1]))


def test_parts_of_different_datasets_do_not_merge():
    with pytest.raises(DataError, match="of 4 classes at k = 5 and of 3"):
        merge([Tally(3), Tally(4)])
    with pytest.raises(DataError, match="no tally"):
        merge([])


def test_nothing_evaluated_is_an_error_and_not_a_zero():
    with pytest.raises(DataError, match="no example to evaluate"):
        Metrics.of(Tally(3), NAMES)


def test_names_must_be_one_a_class():
    with pytest.raises(DataError, match="2 class names for a tally of 3"):
        Metrics.of(tally_of([[9, 0, 0]], [0]), ("a", "b"))


@pytest.mark.parametrize(
    "change",
    [
        {"num_classes": 0},
        {"num_classes": "many"},
        {"confusion": [[0, 3, 1]]},
        {"confusion": [[-1, 0, 1]]},
        {"confusion": [[0, 0, -5]]},
        {"confusion": [[0, 0]]},
        {"confusion": None},
        {"num_top_k": 99},
        {"num_top_k": -1},
        {"loss_sum": None},
    ],
)
def test_a_tally_that_cannot_be_true_is_refused(change):
    form = {**tally_of([[9, 0, 0]], [0]).to_dict(), **change}
    with pytest.raises(DataError):
        Tally.from_dict(form)
    del form["k"]
    with pytest.raises(DataError):
        Tally.from_dict(form)


@pytest.mark.tensorflow
@pytest.mark.parametrize("k", [1, 2, 5, 7, 9])
def test_top_k_is_tensorflows_in_top_k_with_ties_and_broken_rows(tf, k):
    scores, labels = random_batch(11)
    assert in_top_k(scores, labels, k).tolist() == tf.math.in_top_k(labels, scores, k).numpy().tolist()


@pytest.mark.tensorflow
def test_the_predicted_class_is_tensorflows_argmax(tf):
    scores = np.random.default_rng(5).integers(0, 3, (200, 6)).astype(np.float32)
    assert predict(scores).tolist() == tf.argmax(scores, 1).numpy().tolist()
