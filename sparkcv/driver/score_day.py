"""A day that is there already when its scoring starts: complete, to be added to, or another run's."""

import collections
import dataclasses
import shutil
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
from sparkcv.predict.staging import Staging
from sparkcv.spark.errors import translated
from sparkcv.tokens.server import TokenServerAddress

__all__ = ["PriorDay", "REPORT", "Todo", "columns_of", "complete", "everything", "only_new", "read_prior", "settings"]

REPORT = "_report.json"
_NEW = "new"
_REPLACES = "--overwrite replaces it"


@dataclasses.dataclass(frozen=True)
class PriorDay:
    """A published day that this run may add to: its folder, and what its ``_report.json`` says."""

    url: str
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
                f"{self.url!r} is there already, with the input's columns {theirs}, now they are {mine}; {_REPLACES}"
            )

    def ids(self, spark: SparkSession) -> DataFrame:
        """Return the ids of its predictions and rejects."""
        parts = [
            spark.read.schema("id string").parquet(publish.hadoop_url(url, reading=True))
            for url in (self.url, storage.join(self.url, publish.REJECTS))
        ]
        return parts[0].unionAll(parts[1])

    def add(self, tally: publish.DayCounts) -> publish.DayCounts:
        """Return a count of the rows that are there and of new ones together."""
        return publish.DayCounts(
            tally.num_predictions + int(self.report["num_predictions"]),
            dict(collections.Counter(tally.rejects) + collections.Counter(self.report["rejects"])),
            dict(collections.Counter(tally.reasons) + collections.Counter(self.report["reasons"])),
        )

    def copy_rows(self, folder: str) -> None:
        """Copy its rows beside the new ones, as they are: each says of which run it is."""
        for entry in storage.walk(self.url):
            if entry.name.endswith(".parquet"):
                target = f"{folder}/{entry.url[len(self.url) + 1 :]}"
                with storage.open_read(entry.url) as source, storage.open_write(target) as sink:
                    shutil.copyfileobj(source, sink)

    def check_is_still_there(self) -> None:
        """Raise FileExistsAlreadyError if another run published the day meanwhile."""
        now = _read_report(self.url)
        if now.get("run_id") != self.run_id:
            raise FileExistsAlreadyError(f"{self.url!r} was published by another run meanwhile; this one's is dropped")


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


def only_new(
    spark: SparkSession, frozen: FrozenInput, prior: PriorDay, staging: Staging, place: TokenServerAddress | None
) -> Todo:
    """Return that those rows are to be scored whose ids the day has not."""
    url = staging.join(_NEW)
    with translated():
        new = score_input.ids(spark, frozen, place).join(prior.ids(spark), "id", "left_anti")
        new.write.partitionBy("piece").parquet(publish.hadoop_url(url))
        written = spark.read.schema("id string, piece int").parquet(publish.hadoop_url(url, reading=True))
        counts = {row["piece"]: row["count"] for row in written.groupBy("piece").count().collect()}
    return Todo(tuple(sorted(counts)), sum(counts.values()), url, written)


def complete(prior: PriorDay, config: ScoreConfig, frozen: FrozenInput) -> ScoreReport:
    """Return the report of a run that found every row scored already."""
    return ScoreReport(
        num_predictions=int(prior.report["num_predictions"]),
        rejects=dict(prior.report["rejects"]),
        elapsed_s=0.0,
        input=str(config.input),
        model=str(config.model_dir),
        model_digest=str(prior.report["model_digest"]),
        predictions_url=prior.url,
        rejects_url=storage.join(prior.url, publish.REJECTS),
        reasons=dict(prior.report["reasons"]),
        left_out=frozen.left_out,
        notes=(f"complete already: run {prior.run_id} scored all {frozen.num_rows} rows of the input, none is new",),
        num_earlier=int(prior.report["num_rows"]),
    )


def settings(config: ScoreConfig, manifest: ModelManifest) -> dict[str, Any]:
    """Return what the rows of a day depend on beside the model."""
    return {
        "top_k": config.top_k,
        "precision": config.precision,
        "features": config.features,
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


def read_prior(url: str, config: ScoreConfig, manifest: ModelManifest) -> PriorDay | None:
    """Return the day that is there, if this run's rows would fit beside its own; None if none is.

    Raises FileExistsAlreadyError, which names what differs, for a day of another model, input or setting, and for one
    that says nothing of itself.
    """
    if not storage.exists(url):
        return None
    try:
        report = _read_report(url)
        mine: dict[str, Any] = {
            "schema": SCHEMA,
            "model_digest": manifest.digest,
            "input": config.input,
            **settings(config, manifest),
        }
        theirs = {name: report[name] for name in mine} | {"run_id": report["run_id"]}
    except (MissingFileError, DataError, KeyError, TypeError) as err:
        raise FileExistsAlreadyError(
            f"{url!r} is there already, and its {REPORT} does not say of which run; {_REPLACES}"
        ) from err
    for name, value in mine.items():
        if theirs[name] != value:
            what = "scored by the model" if name == "model_digest" else f"scored with {name}"
            raise FileExistsAlreadyError(
                f"{url!r} is there already, {what} {theirs[name]}, this run's is {value}; {_REPLACES}"
            )
    return PriorDay(url, report)


def _read_report(url: str) -> dict[str, Any]:
    try:
        report = storage.read_json(storage.join(url, REPORT))
    except MissingFileError:
        raise
    except StorageError as err:
        raise DataError(str(err)) from err
    if not isinstance(report, dict):
        raise DataError(f"{url!r}: {REPORT} is no JSON object")
    return report
