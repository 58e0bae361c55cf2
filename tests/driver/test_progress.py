"""The progress line of training: what of the workers' and the evaluator's statuses stands in it."""

import pytest

from sparkcv.driver.progress import TrainProgress, describe, newest_evaluation
from sparkcv.roles import Role

EVALUATOR = Role("evaluator", 0)


def test_the_newest_accuracy_stands_behind_the_loss():
    workers = {Role("worker", 0): {"step": 30, "loss": 0.5, "images_per_s": 12.3}}
    assert describe(workers) == "loss 0.500 · 12 images/s"
    evaluated = {"step": 25, "accuracy": 0.91234}
    assert describe(workers, evaluated) == "loss 0.500 · accuracy 0.912 at step 25 · 12 images/s"


def test_the_evaluators_step_is_not_the_runs(capsys):
    progress = TrainProgress(100)
    progress.update(Role("worker", 0), {"step": 30})
    progress.update(EVALUATOR, {"evaluated_step": 90, "accuracy": 0.5})
    assert (progress.step, progress.evaluated) == (30, {"step": 90, "accuracy": 0.5})
    progress.update(EVALUATOR, {"evaluated_step": None, "accuracy": None})  # one that was restarted knows of none yet
    assert progress.evaluated == {"step": 90, "accuracy": 0.5}


@pytest.mark.parametrize("status", [{}, {"evaluated_step": 5}, {"evaluated_step": None, "accuracy": None}])
def test_before_its_first_evaluation_there_is_nothing_to_show(status):
    assert newest_evaluation(status) is None


@pytest.mark.parametrize(
    ("statuses", "line"),
    [
        ([{"bound": "step", "waits": 0.03}], "step-bound"),
        ([{"bound": "reader", "waits": 0.5}], "reader-bound, steps wait 50%"),
        (
            [{"bound": "decoder", "waits": 0.2}, {"bound": "decoder", "waits": 0.31}, {"bound": "step", "waits": 0.0}],
            "decoder-bound, steps wait 31% and step-bound",
        ),
        ([{"bound": None, "waits": None}], ""),
    ],
)
def test_the_line_names_what_the_run_is_bound_by(statuses, line):
    assert describe({Role("worker", index): status for index, status in enumerate(statuses)}) == line
