"""The demo's page: the evaluation's own sections, and before them what was scored and what was left out."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from sparkcv.driver.evaluate import EvalReport
from sparkcv.evaluate import report, sections
from sparkcv.evaluate.thumbnail import thumbnail

_NUM_SAMPLES = 18  # three rows on a wide screen


def write_demo_report(
    url: str,
    evaluated: EvalReport,
    facts: Sequence[tuple[str, str]],
    predictions: Sequence[Mapping[str, Any]],
    rejects: Mapping[str, str],
    pictures: pathlib.Path,
) -> None:
    """Write one self-contained page to ``url``.

    Args:
        url: Where to.
        evaluated: The evaluation whose sections follow.
        facts: What stands in the demo's table, name and text, but for the rejects.
        predictions: Rows of the Parquet: ``id``, ``label``, ``score`` in [0, 1].
        rejects: Reason by id.
        pictures: The folder that the ids are relative to.
    """
    page = sections.page(evaluated.outcome, evaluated.curves)
    scored = report.Section(
        "Scored into Parquet",
        [report.Gallery([_sample(row, pictures) for row in _spread(predictions)])],
        intro="Some of the held-out pictures, with the label and score that stand in the Parquet.",
    )
    left_out = report.Section(
        "Left out",
        [
            report.Table(
                "Files that are no usable picture", ["file", "reason"], [[k, v] for k, v in sorted(rejects.items())]
            )
        ],
        intro="One bad picture costs that one row, and says why.",
    )
    about = report.Section("What the demo did", [report.Table("", ["", ""], [list(fact) for fact in facts])])
    page = dataclasses.replace(
        page, title="sparkcv demo: shapes and textures", sections=[about, scored, left_out, *page.sections]
    )
    report.write_report(url, page)


def _spread(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Take samples evenly over the sorted ids, so that each class is among them."""
    ordered = sorted(rows, key=lambda row: str(row["id"]))
    stride = max(1, len(ordered) // _NUM_SAMPLES)
    return ordered[stride // 2 :: stride][:_NUM_SAMPLES]


def _sample(row: Mapping[str, Any], pictures: pathlib.Path) -> report.Figure:
    data = thumbnail((pictures / str(row["id"])).read_bytes())
    return report.Figure(
        data=data,
        alt=f"held-out picture {row['id']}",
        title=str(row["id"]),
        lines=[("label", str(row["label"])), ("score", f"{row['score']:.3f}")],
    )
