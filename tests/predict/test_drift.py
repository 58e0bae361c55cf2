"""The drift of labels, held against figures computed by hand."""

import math

import pytest

from sparkcv.predict.drift import compare


def test_the_index_is_the_one_of_the_formula():
    found = compare({"a": 3}, [{"a": 1, "b": 1}, {"b": 1}])
    # Half a picture more each: tonight 3.5 and 0.5 of 4, before 1.5 and 2.5 of 4.
    assert found.parts == pytest.approx({"a": 0.5 * math.log(7 / 3), "b": 0.5 * math.log(5)})
    assert found.psi == pytest.approx(1.2283678864, abs=1e-9)
    assert found.by_chance == pytest.approx(1 / 3 + 1 / 3)
    assert (found.before, found.num_nights) == ({"a": 1, "b": 2}, 2)
    assert not found.is_large, "three pictures tell nothing"


def test_equal_shares_are_no_drift_whatever_the_number_of_pictures():
    found = compare({"a": 1000, "b": 1000}, [{"a": 5, "b": 5}] * 3)
    assert found.psi == 0
    assert not found.is_large


def test_a_label_that_is_new_among_many_pictures_is_large_and_finite():
    found = compare({"new": 1000}, [{"a": 1000}])
    assert 15 < found.psi < 16
    assert found.is_large


@pytest.mark.parametrize(("tonight", "nights"), [({}, [{"a": 1}]), ({"a": 1}, []), ({"a": 1}, [{}, {"a": 0}])])
def test_a_night_without_pictures_is_compared_with_nothing(tonight, nights):
    assert compare(tonight, nights) is None
