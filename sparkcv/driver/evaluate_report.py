"""What an evaluation found, in the words that its job ends with."""

import dataclasses

from sparkcv import logs
from sparkcv.evaluate import metrics
from sparkcv.evaluate.curves import Curves
from sparkcv.evaluate.outcome import Outcome

__all__ = ["EvalReport"]

_WORST_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class EvalReport:
    """What an evaluation found and where it lies; its text is the job's last words.

    ``outcome`` and ``curves`` are what the page was drawn from, for a job that draws them into a page of its own.
    """

    outcome: Outcome
    curves: Curves
    results_url: str
    report_url: str

    @property
    def accuracy(self) -> float:
        """Share of the examples whose class was predicted, in [0, 1]."""
        return self.outcome.metrics.accuracy

    @property
    def recall_at_k(self) -> float:
        """Share of the examples whose class was among the ``--top_k`` best scores, in [0, 1]."""
        return self.outcome.metrics.recall_at_k

    def __str__(self) -> str:
        found = self.outcome.metrics
        whole = f"{found.num_examples} examples + {self.outcome.num_rejected} rejected"
        of = f" of {self.outcome.all_records} records" if self.outcome.is_partial else ", the whole split"
        rows = [
            ("checkpoint", f"step {self.outcome.step}, {logs.clean(self.outcome.checkpoint)}"),
            ("accuracy", f"{found.accuracy:.4f}"),
            (f"recall@{found.k}", f"{found.recall_at_k:.4f}"),
            ("mean recall", f"{found.mean_recall:.4f} of the classes"),
            ("evaluated", whole + of),
            ("took", logs.duration(self.outcome.seconds)),
            ("results", logs.clean(self.results_url)),
            ("report", logs.clean(self.report_url)),
        ]
        return "\n".join([*_class_lines(found), "", *(f"{name:<12} {text}" for name, text in rows)])


def _class_lines(found: metrics.Metrics) -> list[str]:
    """Return the classes with the lowest recall as a table of text."""
    ordered = sorted(
        (each for each in found.classes if each.recall is not None), key=lambda each: (each.recall, each.index)
    )
    names = [logs.clean(each.name)[:30] for each in ordered[:_WORST_CLASSES]]
    width = max(12, *(len(name) for name in names))
    lines = [f"{'class':<{width}} recall  precision  examples"]
    for name, each in zip(names, ordered, strict=False):
        precision = "-" if each.precision is None else f"{each.precision:.3f}"
        lines.append(f"{name:<{width}} {each.recall:6.3f}  {precision:>9}  {each.support:8d}")
    if len(ordered) > len(names):
        lines.append(f"({len(ordered) - len(names)} more classes are in the report)")
    return lines
