"""Curves of runs that went well, badly, and more than once."""

import json

import pytest

from sparkcv import storage
from sparkcv.evaluate import curves


def line(step, loss=1.0, **more):
    return json.dumps({"step": step, "loss": loss, "learning_rate": 0.1, "images_per_s": 9.0, **more})


def steps(points):
    return [point.step for point in points]


def test_a_run_without_restarts_is_its_lines():
    found = curves.parse([line(10, 2.0), "", line(20, 1.5), "  \n"])
    assert steps(found.points) == [10, 20]
    assert [point.loss for point in found.points] == [2.0, 1.5]
    assert (found.superseded, found.restarts, found.num_unreadable) == ((), (), 0)


def test_a_restart_supersedes_the_steps_that_were_done_again():
    found = curves.parse([line(10), line(20), line(30, 9.0), line(40, 9.0), line(25, 0.5), line(35, 0.4)])
    assert steps(found.points) == [10, 20, 25, 35]
    assert [steps(branch) for branch in found.superseded] == [[20, 30, 40]]
    assert found.restarts == (25,)


def test_a_restart_at_a_logged_step_takes_the_newest_line():
    found = curves.parse([line(10, 9.0), line(20, 9.0), line(20, 0.5)])
    assert [(point.step, point.loss) for point in found.points] == [(10, 9.0), (20, 0.5)]


def test_a_restart_from_the_beginning_keeps_only_the_new_run():
    found = curves.parse([line(10), line(20), line(0), line(10)])
    assert steps(found.points) == [0, 10]
    assert steps(found.superseded[0]) == [10, 20]


def test_several_restarts_are_each_remembered():
    found = curves.parse([line(s) for s in (10, 20, 30, 15, 25, 35, 5)])
    assert found.restarts == (15, 5)
    assert steps(found.points) == [5]


@pytest.mark.parametrize(
    "bad",
    [
        '{"step": 9',
        "nonsense",
        "[1, 2]",
        '{"loss": 1}',
        '{"step": "9"}',
        '{"step": true}',
        '{"step": -1}',
        '{"step": 1e400}',
        "[" * 100_000,
    ],
)
def test_a_line_that_does_not_read_is_counted_and_left_out(bad):
    found = curves.parse([line(10), bad, line(20)])
    assert (steps(found.points), found.num_unreadable) == ([10, 20], 1)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "null", '"1.5"', "true", "1" + "0" * 400])
def test_a_value_that_is_no_finite_number_is_a_gap(value):
    found = curves.parse([f'{{"step": 10, "loss": {value}, "learning_rate": 0.1}}'])
    assert (found.points[0].loss, found.points[0].learning_rate, found.num_unreadable) == (None, 0.1, 0)


def test_a_folder_without_metrics_has_empty_curves(tmp_path):
    assert curves.read(str(tmp_path)) == curves.Curves()
    assert curves.read(str(tmp_path / "absent")) == curves.Curves()


def test_curves_are_read_from_storage_whatever_the_bytes():
    url = storage.join("memory://curves-run", curves.FILE_NAME)
    storage.write_bytes(url, line(10).encode() + b"\n\xff\xfe broken\n" + line(20).encode() + b'\n{"step": 30, "lo')
    found = curves.read("memory://curves-run")
    assert (steps(found.points), found.num_unreadable) == ([10, 20], 2)


def test_smoothing_keeps_a_constant_and_the_length():
    assert curves.smooth([3.0] * 50) == pytest.approx([3.0] * 50)
    assert curves.smooth([]) == []
    assert curves.smooth([7.0]) == [7.0]


def test_smoothing_does_not_trail_behind_a_straight_line():
    values = [float(i) for i in range(100)]
    assert curves.smooth(values)[10:90] == pytest.approx(values[10:90])


def test_gaps_stay_gaps_and_count_in_no_mean():
    smoothed = curves.smooth([1.0, 1.0, None, 7.0, 7.0], share=0.5)
    assert smoothed == [1.0, 1.0, None, 7.0, 7.0]


def test_a_few_values_are_left_as_they_are():
    assert curves.smooth([9.0, 1.0, 5.0]) == [9.0, 1.0, 5.0]
