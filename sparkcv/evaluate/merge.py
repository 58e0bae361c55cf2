"""Merge the evaluators' parts, and check that every record of the split is an example or a reject."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from sparkcv import config as configs
from sparkcv.errors import BudgetError, DataError
from sparkcv.evaluate import metrics
from sparkcv.evaluate.outcome import Outcome
from sparkcv.evaluate.part import MAX_LISTED, EvaluatedPart, worst
from sparkcv.evaluate.task import Task
from sparkcv.records.reasons import allowed, kind_of, most_frequent


def merge(
    task: Task, parts: Sequence[EvaluatedPart], *, run_name: str, seconds: float, versions: Mapping[str, str]
) -> Outcome:
    """Put the parts of all evaluators together.

    Args:
        task: what they were asked.
        parts: what they found.
        run_name: what people call the run.
        seconds: the time that it took.
        versions: the driver's; where it has none, such as of a package that only evaluators have, theirs are taken.

    Raises:
        DataError: parts of different checkpoints, or not every record once.
        BudgetError: more rejects in the whole split than --bad_record_budget allows.
    """
    config, dataset = task.config, task.dataset
    steps = sorted({part.step for part in parts})
    if len(steps) != 1:
        raise DataError(f"the evaluators read checkpoints of steps {steps} at {task.found.prefix_url!r}, wanted one")
    tally = metrics.merge(part.tally for part in parts)
    reasons: Counter[str] = sum((part.reasons for part in parts), Counter())
    num_seen = tally.num_examples + reasons.total()
    total = dataset.num_records
    if dataset.is_estimated:
        total = num_seen if config.max_num_batches is None else max(total, num_seen)
    _account(task, total, tally.num_examples, reasons)
    return Outcome(
        run_name=run_name,
        model_name=config.model_name,
        step=steps[0],
        checkpoint=task.found.prefix_url,
        uses_moving_averages=bool(config.moving_average_decay),
        dataset_name=dataset.name,
        split=dataset.split,
        dataset_dir=dataset.dir,
        num_records=total,
        is_estimated=dataset.is_estimated,
        metrics=metrics.Metrics.of(tally, dataset.labels[config.labels_offset :]),
        mistakes=tuple(worst((mistake for part in parts for mistake in part.mistakes), config.num_worst)),
        rejected=tuple([reject for part in parts for reject in part.rejected][:MAX_LISTED]),
        reasons=dict(reasons),
        num_evaluators=task.num_evaluators,
        seconds=seconds,
        image_size=task.image_size,
        config=configs.to_dict(config),
        versions={**{name: text for part in parts for name, text in part.versions.items()}, **versions},
    )


def _account(task: Task, total: int, num_examples: int, reasons: Counter[str]) -> None:
    """Raise unless each of ``total`` records was counted once and the rejects are within the budget."""
    config, num_rejected = task.config, reasons.total()
    where = f"{task.dataset.name}/{task.dataset.split} in {task.dataset.dir!r}"
    if config.max_num_batches is None and num_examples + num_rejected != total:
        raise DataError(
            f"{num_examples} examples and {num_rejected} rejects were counted in {where}, which has {total} records; "
            "wanted each once"
        )
    if config.max_num_batches is not None and num_examples > config.max_num_batches * config.batch_size:
        raise DataError(
            f"{num_examples} examples were evaluated, more than --max_num_batches {config.max_num_batches} of "
            f"--batch_size {config.batch_size}"
        )
    most = math.ceil(allowed(config.bad_record_budget, total))
    if num_rejected > most:
        kinds: Counter[str] = Counter()
        for reason, count in reasons.items():
            kinds[kind_of(reason)] += count
        raise BudgetError(
            f"{num_rejected} of {total} records of {where} cannot be used, "
            f"--bad_record_budget {config.bad_record_budget:g} allows {most}; reasons: {most_frequent(kinds)}"
        )
