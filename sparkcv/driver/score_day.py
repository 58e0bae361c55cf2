"""A day that is there already when its scoring starts: complete, to be added to, or another run's."""

import collections
import contextlib
import dataclasses
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from sparkcv import storage
from sparkcv.config import ScoreConfig
from sparkcv.driver import score_input
from sparkcv.driver.score_input import FrozenInput
from sparkcv.errors import DataError, FileExistsAlreadyError, MissingFileError, StorageError
from sparkcv.predict import publish
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.report import SCHEMA, ScoreReport
from sparkcv.predict.tables import REPORT, Published, ScoreTable
from sparkcv.spark.errors import translated
from sparkcv.tokens.server import TokenServerAddress

__all__ = [
    "PriorDay",
    "Todo",
    "about",
    "columns_of",
    "complete",
    "everything",
    "only_missing",
    "read_prior",
    "settings",
    "trailing_labels",
]

_REPLACES = "--overwrite replaces it"


@dataclasses.dataclass(frozen=True)
class PriorDay:
    """A published day that this run may add to: where it is, and what its ``_report.json`` says."""

    table: ScoreTable
    date: str
    day: Published
    report: dict[str, Any]

    @property
    def run_id(self) -> str:
        """The run that published it."""
        return str(self.report["run_id"])

    def check_columns(self, frozen: FrozenInput) -> None:
        """Raise FileExistsAlreadyError if its rows have other columns of the input than new ones would have."""
        theirs, mine = self.report.get("columns"), columns_of(frozen)
        if theirs != mine:
            raise FileExistsAlreadyError(
                f"{self.day.where!r} is there already, with the input's columns {theirs}, now they are {mine};"
                f" {_REPLACES}"
            )

    def ids(self, spark: SparkSession) -> DataFrame:
        """Return the ids of its predictions and rejects."""
        paths = [publish.hadoop_url(url, reading=True) for url in (*self.day.files, self.day.rejects)]
        return spark.read.schema("id string").parquet(*paths)

    def add(self, tally: publish.DayCounts) -> publish.DayCounts:
        """Return a count of the rows that are there and of new ones together."""
        return publish.DayCounts(
            tally.num_predictions + int(self.report["num_predictions"]),
            dict(collections.Counter(tally.rejects) + collections.Counter(self.report["rejects"])),
            dict(collections.Counter(tally.reasons) + collections.Counter(self.report["reasons"])),
            dict(collections.Counter(tally.marks) + collections.Counter(self.report["marks"])),
        )

    def check_is_still_there(self) -> None:
        """Raise FileExistsAlreadyError if another run published the day meanwhile."""
        now = self.table.published(self.date)
        if now is None or _read_report(now).get("run_id") != self.run_id:
            raise FileExistsAlreadyError(
                f"{self.day.where!r} was published by another run meanwhile; this one's is dropped"
            )


@dataclasses.dataclass(frozen=True)
class Todo:
    """What is left to score: the numbers of its pieces, and how many rows of them.

    With ``only_url`` these are the rows whose ids stand there, by piece, and in ``ids``; without, all rows.
    """

    pieces: tuple[int, ...]
    num_rows: int
    only_url: str | None = None
    ids: DataFrame | None = None


def columns_of(frozen: FrozenInput) -> dict[str, str]:
    """Return the columns of the input that the scores keep, with their types."""
    return {column.name: str(column.kind) for column in frozen.kept}


def everything(frozen: FrozenInput) -> Todo:
    """Return that every row is to be scored."""
    return Todo(tuple(range(frozen.num_pieces)), frozen.num_rows)


def only_missing(
    spark: SparkSession, frozen: FrozenInput, done: DataFrame, url: str, place: TokenServerAddress | None
) -> Todo:
    """Return that those rows are to be scored whose ids are not in ``done``; they are written into the folder ``url``.

    The day's own, or what a killed run had scored, is done.
    """
    with translated():
        new = score_input.ids(spark, frozen, place).join(done.select("id"), "id", "left_anti")
        new.write.partitionBy("piece").parquet(publish.hadoop_url(url))
        written = spark.read.schema("id string, piece int").parquet(publish.hadoop_url(url, reading=True))
        counts = {row["piece"]: row["count"] for row in written.groupBy("piece").count().collect()}
    return Todo(tuple(sorted(counts)), sum(counts.values()), url, written)


def complete(prior: PriorDay, config: ScoreConfig, frozen: FrozenInput) -> ScoreReport:
    """Return the report of a run that found every row scored already."""
    notes = [f"complete already: run {prior.run_id} scored all {frozen.num_rows} rows of the input, none is new"]
    if (config.label_column or config.labels_from in ("records", "folders")) and "metrics" not in prior.report:
        notes.append(f"no accuracy: the day was scored without labels, or with none that the model has; {_REPLACES}")
    return ScoreReport(
        num_predictions=int(prior.report["num_predictions"]),
        rejects=dict(prior.report["rejects"]),
        elapsed_s=0.0,
        input=str(config.input),
        model=str(config.model_dir),
        model_digest=str(prior.report["model_digest"]),
        predictions_url=prior.day.where,
        rejects_url=prior.day.rejects,
        reasons=dict(prior.report["reasons"]),
        marks=dict(prior.report["marks"]),
        left_out=frozen.left_out,
        notes=tuple(notes),
        num_earlier=int(prior.report["num_rows"]),
    )


def settings(config: ScoreConfig, manifest: ModelManifest) -> dict[str, Any]:
    """Return what the rows of a day depend on beside the model."""
    return {
        "top_k": config.top_k,
        "precision": config.precision,
        "features": config.features,
        "damaged_pictures": config.damaged,
        "max_pixels": config.max_pixels,
        "formats": config.formats,
        "background": config.background,
        "exif_orientation": config.exif_orientation,
        "image_feature": config.image_feature,
        "input_column": config.input_column,
        "id_column": config.id_column,
        "keep_columns": config.keep_columns,
        "model_name": manifest.model_name,
        "model_step": manifest.step,
    }


def read_prior(table: ScoreTable, date: str, mine: dict[str, Any]) -> PriorDay | None:
    """Return the day that is there, if this run's rows would fit beside its own; None if none is.

    ``mine`` is what this run's rows depend on, ``model_digest`` and ``input`` among it.

    Raises FileExistsAlreadyError, which names what differs, for a day of another model, input or setting, and for one
    that says nothing of itself.
    """
    day = table.published(date)
    if day is None:
        return None
    try:
        report = _read_report(day)
        theirs = {name: report[name] for name in mine} | {"run_id": report["run_id"]}
    except (MissingFileError, DataError, KeyError, TypeError) as err:
        raise FileExistsAlreadyError(
            f"{day.where!r} is there already, and its {REPORT} does not say of which run; {_REPLACES}"
        ) from err
    for name, value in mine.items():
        if theirs[name] != value:
            what = "scored by the model" if name == "model_digest" else f"scored with {name}"
            raise FileExistsAlreadyError(
                f"{day.where!r} is there already, {what} {theirs[name]}, this run's is {value}; {_REPLACES}"
            )
    return PriorDay(table, date, day, report)


def about(config: ScoreConfig, manifest: ModelManifest) -> dict[str, Any]:
    """Return what makes rows of one day fit together: the model, the input and the settings."""
    return {
        "schema": SCHEMA,
        "model_digest": manifest.digest,
        "input": config.input,
        **settings(config, manifest),
    }


def trailing_labels(table: ScoreTable, date: str, count: int) -> list[dict[str, int]]:
    """Return the predictions by label of the last ``count`` days before ``date`` whose reports tell them."""
    found = []
    for day in table.trailing(date, count):
        with contextlib.suppress(DataError, MissingFileError):
            labels = _read_report(day).get("labels")
            if isinstance(labels, dict):
                found.append({str(name): int(number) for name, number in labels.items()})
    return found


def _read_report(day: Published) -> dict[str, Any]:
    try:
        report = storage.read_json(storage.join(day.folder, REPORT))
    except MissingFileError:
        raise
    except StorageError as err:
        raise DataError(str(err)) from err
    if not isinstance(report, dict):
        raise DataError(f"{day.folder!r}: {REPORT} is no JSON object")
    return report
