"""A conversion of pictures with captions, from its checks to its report.

The captions are read and divided by the driver, those of a file before Spark starts: texts only. Spark's tasks write a
shard each, reading the pictures, as the conversion of classes does; what is published, and how, is the same too.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from pyspark.sql import functions as F

from sparkcv import logs, storage
from sparkcv.caption import caption_files, planned, vocabulary
from sparkcv.caption.caption_files import NamedCaptions
from sparkcv.caption.caption_vectors import read_vectors
from sparkcv.caption.planned import PlannedCaptions
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.config import ConvertCaptionsConfig
from sparkcv.config.pictures import parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.convert import publication, splits
from sparkcv.convert.plan import ConversionPlan, Split
from sparkcv.convert.report import ConvertReport
from sparkcv.convert.shard_writer import ShardRow, ShardSummary, write_shard
from sparkcv.convert.table_rows import check_column
from sparkcv.driver import tables
from sparkcv.driver.stage_session import stage_size
from sparkcv.errors import DataError, LabelError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.session import SessionSpec
from sparkcv.tokens.server import enter
from sparkcv.tokens.stage import let_in

__all__ = ["CaptionsPlan", "CaptionsReport", "prepare", "run", "run_with"]

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class CaptionsPlan:
    """A conversion that can start: its flags, where it writes, where the pictures are, and their captions.

    ``captions_file`` is what the source is called; ``planned`` is None for a table, which is read once Spark runs.
    """

    config: ConvertCaptionsConfig
    dataset_dir: str
    captions_file: str
    images_dir: str
    planned: PlannedCaptions | None = None

    def session(self) -> SessionSpec:
        """Return what the conversion needs of Spark."""
        return SessionSpec(
            "sparkcv convertcaptions",
            *stage_size(self.config.cluster_size),
            ports=PortRange.parse(self.config.port_range),
        )


@dataclasses.dataclass(frozen=True)
class CaptionsReport:
    """What was written; as text, a table of the splits, and a line of the words outside of the vocabulary."""

    written: ConvertReport
    num_words: int
    captions_per_picture: float
    words_outside: str

    def __str__(self) -> str:
        where = logs.clean(self.written.dataset_dir)
        first = f"{self.written.name}: {self.num_words} words, {self.captions_per_picture:.1f} captions a picture in"
        last = [logs.clean(self.words_outside)] if self.words_outside else []
        return "\n".join([f"{first} {where}", *str(self.written).split("\n")[1:], *last])


def prepare(config: ConvertCaptionsConfig) -> CaptionsPlan:
    """Read the captions, divide the pictures, and find the vocabulary; writes nothing.

    Raises:
        FileExistsAlreadyError: a split of this name is there, and ``overwrite`` is not set.
        MissingFileError: the file of captions, the pictures' folder or the vocabulary is not there.
        DataError: the file of captions, the vocabulary or the vectors are not what they should be, or there are too few
            pictures.
        LabelError: the splits that are there have another vocabulary.
    """
    dataset_dir = storage.resolve(config.dataset_dir)
    names = _splits(config)
    publication.check_free(dataset_dir, config.dataset_name, names, config.overwrite)
    if config.captions_file is None:
        images_dir = storage.resolve(str(config.images_dir))
        storage.list_dir(images_dir)
        return CaptionsPlan(config, dataset_dir, tables.named(config.dataset_table, config.dataset_query), images_dir)
    captions_file = storage.resolve(config.captions_file)
    named = caption_files.read_captions(captions_file)
    images_dir = storage.resolve(config.images_dir) if config.images_dir else storage.parent(captions_file)
    storage.list_dir(images_dir)
    return CaptionsPlan(config, dataset_dir, captions_file, images_dir, _planned(config, dataset_dir, named))


def _splits(config: ConvertCaptionsConfig) -> tuple[str, ...]:
    return (config.dataset_split_name,) if config.validation_fraction is None else ("train", "validation")


def _planned(config: ConvertCaptionsConfig, dataset_dir: str, named: list[NamedCaptions]) -> PlannedCaptions:
    names = _splits(config)
    divided = planned.divide(
        named,
        names,
        seed=config.seed,
        max_words=config.max_words,
        validation_fraction=config.validation_fraction,
    )
    planned.check_told_apart(divided[names[0]])
    words = _vocabulary(config, dataset_dir, names, planned.captions_of(divided[names[0]]))
    planned.check_known(divided[names[0]], words)
    url = config.vectors and storage.resolve(config.vectors)
    return PlannedCaptions(divided, words, url, _check_vectors(url, divided) if url else 0)


def _of_table(spark: Any, plan: CaptionsPlan) -> PlannedCaptions:
    """Plan the captions of a table: its rows are texts, which the driver holds."""
    config = plan.config
    frame = tables.open_table(spark, config.dataset_table, config.dataset_query)
    for flag in ("path_column", "caption_column"):
        check_column(frame, getattr(config, flag), f"--{flag}: {plan.captions_file}")
    with translated(plan.captions_file):
        found = frame.select(F.col(config.path_column), F.col(config.caption_column)).collect()
    # In whatever order Spark gave them: the records' order follows from the paths.
    rows = sorted(((row[0], row[1]) for row in found), key=repr)
    return _planned(config, plan.dataset_dir, caption_files.captions_of_rows(rows, plan.captions_file))


def run(spark: Any, plan: CaptionsPlan) -> CaptionsReport:
    """Write and publish the shards of ``plan``.

    Raises:
        DataError: no picture of a split can be used.
        BudgetError: too many pictures and captions are unusable.
        PreemptedError: HDFS lets the driver in no longer. In each case the dataset's folder is as it was.
    """
    with (
        job_group(spark, f"convert {plan.captions_file}"),
        let_in(spark, plan.config.port_range, "nothing was published, the same command converts anew") as place,
    ):
        return run_with(spark, plan, functools.partial(enter, place))


def run_with(spark: Any, plan: CaptionsPlan, enter: Callable[[], None]) -> CaptionsReport:
    """Do what :func:`run` does; ``enter`` is called in each task before anything is read or written."""
    config, captions = plan.config, plan.planned or _of_table(spark, plan)
    names = tuple(captions.splits)
    staging = publication.staging_dir(plan.dataset_dir, config.dataset_name, names)
    rows = {
        name: planned.rows_of(
            pictures, captions.vocabulary, seed=config.seed, record_per_caption=config.record_per_caption
        )
        for name, pictures in captions.splits.items()
    }
    shards = tuple(Split.of(name, config.num_shards, len(found)) for name, found in rows.items())
    rules = PictureRules(
        config.max_pixels,
        parse_formats(config.formats),
        use_orientation=config.exif_orientation,
        short_side=config.resize_short_side,
    )
    conversion = ConversionPlan(config.dataset_name, staging, plan.images_dir, captions.vocabulary.words, shards, rules)
    source = {
        "captions_per_picture": f"{1.0 if config.record_per_caption else captions.captions_per_picture:.6g}",
        "longest_caption": str(captions.longest),
        "most_captions": str(1 if config.record_per_caption else captions.most_captions),
        "different_captions": str(captions.num_different),
        **({"caption_vector": str(captions.vector_size)} if captions.vectors else {}),
    }
    with translated("the conversion's Spark job"), splits.staged(plan.dataset_dir, staging):
        form = _Form(config.record_per_caption, captions.vectors)
        summaries = _write(spark, conversion, rows, form, enter)
        written = splits.Written(plan.dataset_dir, plan.captions_file, config.seed, conversion, summaries, source)
        report = splits.report_of(written)
        splits.check_budget(report, config.bad_image_budget)
        splits.check_written(written, report, captions.vocabulary.words)
        url = storage.join(plan.dataset_dir, vocabulary.FILE_NAME)
        storage.write_text(url, captions.vocabulary.to_text())
        splits.publish_written(written, report)
    return CaptionsReport(report, len(captions.vocabulary), captions.captions_per_picture, captions.words_outside())


@dataclasses.dataclass(frozen=True)
class _Form:
    """How records are written: in im2txt's form, and with the vectors of a file."""

    word_by_word: bool
    vectors: str | None


def _write(
    spark: Any, plan: ConversionPlan, rows: dict[str, list[ShardRow]], form: _Form, enter: Callable[[], None]
) -> dict[str, list[ShardSummary]]:
    """Write every shard, one Spark task each; return each split's summaries in order of its shards."""
    bare = dataclasses.replace(plan, labels=())  # each task would get all of the words
    pieces = [
        found[index * len(found) // split.num_shards : (index + 1) * len(found) // split.num_shards]
        for split, found in zip(plan.splits, rows.values(), strict=True)
        for index in range(split.num_shards)
    ]

    def write(numbered: tuple[int, list[ShardRow]]) -> ShardSummary:
        enter()
        vectors = read_vectors(form.vectors) if form.vectors else None  # here: the driver would send each task its own
        make = functools.partial(planned.make_frame, word_by_word=form.word_by_word, vectors=vectors)
        return write_shard(numbered[1], bare.target(numbered[0]), make)

    done = spark.sparkContext.parallelize(list(enumerate(pieces)), len(pieces)).map(write).collect()
    written: dict[str, list[ShardSummary]] = {split.name: [] for split in plan.splits}
    for (name, _), summary in zip(plan.shards(), done, strict=True):
        written[name].append(summary)
    return written


def _check_vectors(url: str, divided: dict[str, list[planned.PlannedPicture]]) -> int:
    """Return the length of the vectors; raises DataError where a caption has none."""
    found = read_vectors(url)
    if found.rows is not None:
        raise DataError(f"{url!r} has rows without names, wanted vectors by captions or by pictures")
    for pictures in divided.values():
        for picture in pictures:
            if picture.captions:
                found.of_picture(picture.name, picture.captions, picture.kept)
    return found.size


def _vocabulary(config: ConvertCaptionsConfig, dataset_dir: str, names: tuple[str, ...], captions: Any) -> Vocabulary:
    """Return the vocabulary that was named, that of the splits that stay, or that of the captions."""
    known = publication.known_labels(dataset_dir, names)
    own = storage.join(dataset_dir, vocabulary.FILE_NAME)
    if config.vocabulary:
        found, where = vocabulary.read_vocabulary(storage.resolve(config.vocabulary)), config.vocabulary
    elif known:
        found, where = vocabulary.read_vocabulary(own), own
        _log.info("the vocabulary is that of the splits that are there: %d words", len(found))
    else:
        return Vocabulary.of_captions(captions, config.min_word_count)
    if known and known != found.words:
        raise LabelError(
            f"{where!r} has {len(found)} words, the splits in {dataset_dir!r} have {len(known)}"
            f"{' others' if len(found) == len(known) else ''}; wanted the same vocabulary, or another --dataset_dir"
        )
    return found
