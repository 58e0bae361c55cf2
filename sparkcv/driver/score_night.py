"""What a night leaves beside its rows: ``_report.json`` for programs, ``_report.html`` for people.

A night that is not published leaves ``_failed-DATE.html`` beside the days, until that day is published.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from sparkcv import logs, storage
from sparkcv.driver import score_day
from sparkcv.errors import MissingFileError, SparkcvError, StorageError
from sparkcv.evaluate.metrics import Metrics, Tally
from sparkcv.evaluate.report import write_report
from sparkcv.predict import drift, manifest, night_page, publish, tasks
from sparkcv.predict.night import NightFacts, pieces_of
from sparkcv.predict.night_page import Night
from sparkcv.predict.report import ScoreReport
from sparkcv.predict.staging import Staging
from sparkcv.predict.tables import REPORT, REPORT_PAGE
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import labels
from sparkcv.spark.errors import translated
from sparkcv.spark.stages import map_pieces
from sparkcv.tokens.server import TokenServerAddress, with_tokens

if TYPE_CHECKING:
    from sparkcv.driver.score import ScorePlan

__all__ = ["MODEL", "delete_failed", "draw", "write", "write_failed"]

MODEL = "model"  # in the staging folder: the run's own copy
_THUMBNAILS = "thumbnails"
_log = logs.get(__name__)


def write(
    plan: ScorePlan, staging: Staging, report: ScoreReport, facts: NightFacts, thumbnails: dict[str, bytes]
) -> ScoreReport:
    """Write both reports into the staged day, and return the run's with the night's figures in it.

    ``thumbnails`` are what :func:`draw` gave.
    """
    whole = facts if plan.prior is None else facts.add(plan.prior.report)
    found = _drift(plan, whole)
    metrics = _metrics(plan, staging, whole)
    figures = whole.to_dict()
    if found is not None:
        figures["drift"] = {"psi": found.psi, "by_chance": found.by_chance, "num_nights": found.num_nights}
    if metrics is not None:
        figures["metrics"] = metrics.to_dict()
    notes = report.notes
    if found is not None and found.is_large:
        notes = (*notes, f"the labels are not those of the {found.num_nights} nights before: PSI {found.psi:.2f}")
    if metrics is not None:
        notes = (*notes, f"accuracy {metrics.accuracy:.4f} of the {metrics.num_examples} whose label is known")
    page_url = storage.join(plan.table.next_folder(staging), REPORT_PAGE)
    report = dataclasses.replace(report, run={**report.run, **figures}, notes=notes, page_url=page_url)
    day = staging.join(publish.PREDICTIONS)
    storage.write_json(storage.join(day, REPORT), report.to_dict())
    shown = dataclasses.replace(report, run={k: v for k, v in report.run.items() if k not in figures})
    night = Night(plan.date, shown, whole, found, metrics, thumbnails)
    write_report(storage.join(day, REPORT_PAGE), night_page.page(night))
    return report


def write_failed(
    plan: ScorePlan, report: ScoreReport, facts: NightFacts, thumbnails: dict[str, bytes], why: str
) -> str:
    """Write the page of a night that is not published, and return its URL; "" if it cannot be written."""
    url = _failed_url(plan)
    night = Night(plan.date, report, facts, _drift(plan, facts), thumbnails=thumbnails, failure=why)
    try:
        write_report(url, night_page.page(night))
    except StorageError as err:  # why the night failed is what must be told
        _log.warning("no page of the night: %s", err)
        return ""
    return url


def delete_failed(plan: ScorePlan) -> None:
    """Delete what :func:`write_failed` wrote of an earlier run of the day."""
    try:
        storage.delete(_failed_url(plan))
    except StorageError as err:  # the day is published
        _log.warning("left behind: %s", err)


def _drift(plan: ScorePlan, facts: NightFacts) -> drift.Drift | None:
    nights = score_day.trailing_labels(plan.table, plan.date, plan.config.trailing_nights)
    return drift.compare(facts.labels, nights)


def _failed_url(plan: ScorePlan) -> str:
    return storage.join(plan.table.output_dir, f"_failed-{plan.date}.html")


def draw(
    spark: SparkSession,
    staging: Staging,
    facts: NightFacts,
    pieces_url: str,
    rules: PictureRules,
    place: TokenServerAddress | None,
) -> dict[str, bytes]:
    """Draw the samples of a night on the executors, and return small JPEGs by id.

    Pictures travel through storage. What cannot be drawn is left out: a page without pictures costs no night.
    """
    pieces = pieces_of([*facts.samples.values(), *facts.rejects.values()])
    numbers = {name: at for at, name in enumerate(name for names in pieces.values() for name in names)}
    if not numbers:
        return {}
    wanted = {piece: {name: numbers[name] for name in names} for piece, names in pieces.items()}
    url, order = staging.join(_THUMBNAILS), sorted(wanted)
    work = with_tokens(place, functools.partial(tasks.write_thumbnails, pieces_url, url, wanted, rules))
    try:
        with translated("drawing samples"):
            map_pieces(spark, len(order), lambda index: work(order[index]), "index long").collect()
        drawn = {entry.name: storage.read_bytes(entry.url) for entry in storage.list_dir(url)}
    except MissingFileError:
        return {}
    except SparkcvError as err:
        _log.warning("the report shows no pictures: %s", err)
        return {}
    return {name: drawn[f"{at}.jpg"] for name, at in numbers.items() if f"{at}.jpg" in drawn}


def _metrics(plan: ScorePlan, staging: Staging, facts: NightFacts) -> Metrics | None:
    if not facts.confusion:
        return None
    model = plan.manifest
    text = manifest.read_file(staging.join(MODEL), model, manifest.LABELS).decode("utf-8")
    names = labels.parse_labels(text, manifest.LABELS)
    tally = Tally(model.num_classes, plan.config.top_k)
    tally.pairs.update(facts.confusion)
    tally.num_top_k = facts.num_in_top_k
    return dataclasses.replace(Metrics.of(tally, names), loss=None)  # of each picture only the best scores are kept
