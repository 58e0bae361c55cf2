"""What the driver makes of the evaluators' parts, whoever wrote them."""

import pytest

from sparkcv.config import EvalConfig
from sparkcv.errors import BudgetError, DataError
from sparkcv.evaluate import metrics
from sparkcv.evaluate.merge import merge
from sparkcv.evaluate.part import EvaluatedPart, Mistake
from sparkcv.evaluate.task import Task
from sparkcv.inputs.quarantine import RejectedRecord
from sparkcv.records.shards import Dataset
from sparkcv.rundir.checkpoint import Found

NAMES = ("cat", "dog", "owl", "ox")
STEP = 7


def parts_of(*counts, num_rejected=1, steps=(STEP,) * 9):
    """One part a count: so many examples of one class, all right; the first part has the rejects."""
    found = []
    for index, (count, step) in enumerate(zip(counts, steps, strict=False)):
        tally = metrics.Tally(len(NAMES))
        tally.pairs[index, index] = count
        made = EvaluatedPart(step=step, tally=tally, versions={"tensorflow": "2.21", "python": "theirs"})
        made.mistakes.append(Mistake(0, 1, 0.5 + index / 10, 0.1, f"file {index}"))
        if index == 0:
            made.reject(RejectedRecord("/data/x", i, "truncated") for i in range(num_rejected))
        found.append(made)
    return found


def merged(parts, *, is_estimated=False, **flags):
    config = EvalConfig(dataset_dir="/data", **{"bad_record_budget": 0.5, **flags})
    dataset = Dataset("pets", "test", "/data", (), NAMES, 25, is_estimated, "digest")
    task = Task(config, dataset, Found(STEP, "/run/model.ckpt-7"), 32, len(parts), "/parts")
    return merge(task, parts, run_name="run", seconds=1.0, versions={"python": "ours"})


def test_the_parts_add_up():
    outcome = merged(parts_of(12, 12), num_worst=1)
    assert (outcome.metrics.num_examples, outcome.num_rejected, outcome.num_evaluated) == (24, 1, 25)
    assert outcome.metrics.accuracy == 1
    assert [mistake.where for mistake in outcome.mistakes] == ["file 1"]
    assert outcome.versions == {"tensorflow": "2.21", "python": "ours"}
    assert not outcome.is_partial


@pytest.mark.parametrize("counts", [(12, 11), (12, 13), (12,)])
def test_records_that_nobody_accounted_for_or_two_did_fail_the_evaluation(counts):
    with pytest.raises(DataError, match=r"1 rejects were counted in pets/test .* which has 25 records; wanted each"):
        merged(parts_of(*counts))


def test_a_part_of_the_split_needs_not_be_all_of_it_nor_be_more_than_asked():
    limits = {"max_num_batches": 2, "batch_size": 5}
    assert merged(parts_of(5, 5), **limits).is_partial
    with pytest.raises(DataError, match="11 examples were evaluated, more than --max_num_batches 2 of --batch_size 5"):
        merged(parts_of(5, 6), **limits)


def test_the_budget_is_of_the_whole_split():
    with pytest.raises(BudgetError, match=r"2 of 25 records .* 0.001 allows 1; reasons: truncated 2"):
        merged(parts_of(12, 11, num_rejected=2), bad_record_budget=0.001)


def test_parts_of_different_steps_are_refused():
    with pytest.raises(DataError, match=r"checkpoints of steps \[100, 101\] at '/run/model.ckpt-7'"):
        merged(parts_of(12, 12, steps=(101, 100)))


def test_without_a_manifest_what_was_read_is_the_split():
    outcome = merged(parts_of(12, 9), is_estimated=True)
    assert (outcome.num_records, outcome.is_partial) == (22, False)


@pytest.mark.parametrize(
    ("counts", "batches", "num_records", "is_partial"),
    [((5, 5), 2, 25, True), ((15, 15), 6, 31, True), ((15, 14), 6, 30, False), ((12, 11), 9, 25, True)],
)
def test_without_a_manifest_a_part_of_the_split_is_not_called_the_whole(counts, batches, num_records, is_partial):
    outcome = merged(parts_of(*counts), is_estimated=True, max_num_batches=batches, batch_size=5)
    assert (outcome.num_records, outcome.is_partial) == (num_records, is_partial)
    assert outcome.all_records == f"about {num_records}"


def test_nothing_but_rejects_is_no_evaluation():
    with pytest.raises(DataError, match="no example to evaluate"):
        merged(parts_of(0, num_rejected=25), bad_record_budget=1.0)


def test_a_label_offset_names_the_classes_that_are_left():
    parts = [EvaluatedPart(step=STEP, tally=metrics.Tally(3))]
    parts[0].tally.pairs[0, 0] = 25
    assert [each.name for each in merged(parts, labels_offset=1).metrics.classes] == ["dog", "owl", "ox"]
