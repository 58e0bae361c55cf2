"""What captioning a day is to do, checked without Spark: its net, its input, and the day that may be there already."""

import dataclasses
import datetime
from typing import Any

from sparkcv import storage
from sparkcv.caption.caption_task import CaptionNet
from sparkcv.config import ScoreCaptionsConfig
from sparkcv.driver import caption_net_flags, score_day, score_input
from sparkcv.driver.score_day import PriorDay
from sparkcv.driver.stage_session import stage_session
from sparkcv.errors import SchemaError, UsageError
from sparkcv.predict import claims, publish, rows, table_schema
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.staging import clean_up
from sparkcv.predict.tables import ScoreTable, open_table
from sparkcv.spark import yarn
from sparkcv.spark.session import SessionSpec

__all__ = ["ScoreCaptionsPlan", "prepare"]

_LOADED_BYTES = 1.5e9  # TensorFlow, an encoder, and a batch of pictures in it
_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class ScoreCaptionsPlan:
    """A run that can start: its flags with full URLs and a date, its net, its input, and its table.

    ``about`` is what its captions depend on, ``prior`` the day that is there already and that this run completes.
    """

    config: ScoreCaptionsConfig
    net: CaptionNet
    files: InputFiles
    table: ScoreTable
    about: dict[str, Any]
    prior: PriorDay | None = None

    @property
    def date(self) -> str:
        """The day to publish, ``YYYY-MM-DD``."""
        return self.config.date or ""

    def session(self) -> SessionSpec:
        """Return what the captions need of Spark."""
        return stage_session("sparkcv scorecaptions", self.config, _LOADED_BYTES)


def prepare(config: ScoreCaptionsConfig) -> ScoreCaptionsPlan:
    """Check all that can be checked without Spark, TensorFlow or a whole listing.

    Raises what :func:`.caption_net_flags.net_of` does, and:
        UsageError: an output within the input, or a flag that this kind of input has no use for.
        MissingFileError, DataError: no input, or none in it.
        SchemaError: the output folder holds scores, or data of another program.
        AtWorkError: another living run works on this day.
        FileExistsAlreadyError: the day is there, of another net, input or setting, and ``overwrite`` is not set.
    """
    config = dataclasses.replace(
        config,
        date=config.date or datetime.datetime.now(datetime.UTC).date().isoformat(),
        output_dir=storage.resolve(config.output_dir),
    )
    target, date = config.output_dir, str(config.date)
    publish.hadoop_url(target)
    net = caption_net_flags.net_of(config)
    files = rows.find_input(config.input)
    score_input.refuse_unused(config, files)
    config = dataclasses.replace(config, input=files.input)
    if files.holds(target):
        raise UsageError(f"--output_dir: {target!r} lies in --input {files.input!r}, so output would become input")
    _check_owner(target)
    if not yarn.is_cluster_mode():  # there a driver that ends before Spark has started counts as failed
        claims.refuse_if_claimed(target, date)
    table, about = open_table("parquet", target), _about(config, net)
    clean_up(target, keep_date=date, forget=table.forget)  # a day that was moved aside is back before we look for it
    prior = None if config.overwrite else score_day.read_prior(table, date, about)
    storage.check_writable(target)
    return ScoreCaptionsPlan(config, net, files, table, about, prior)


def _check_owner(output_dir: str) -> None:
    if table_schema.read(output_dir) is not None:
        raise SchemaError(f"--output_dir: {output_dir!r} holds a table of scores, wanted another folder for captions")
    table_schema.check_owner(output_dir, "parquet")


def _about(config: ScoreCaptionsConfig, net: CaptionNet) -> dict[str, Any]:
    """Return what makes captions of one day fit together: the net, the input and the settings."""
    same = ("input", "max_pixels", "formats", "background", "exif_orientation", "input_column", "id_column")
    return {
        "schema": _SCHEMA,
        "model_digest": caption_net_flags.digest_of(net),
        **{name: getattr(config, name) for name in same},
        **dataclasses.asdict(caption_net_flags.search_of(config)),
        "columns": {},
    }
