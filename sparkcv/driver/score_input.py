"""The input of a scoring run, frozen: what is scored is written down before anything is, each id once."""

import dataclasses
import functools
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from sparkcv import logs
from sparkcv.config import ScoreCaptionsConfig, ScoreConfig
from sparkcv.errors import DataError, MissingFileError, SparkcvError, UsageError
from sparkcv.predict import publish, rows, tasks
from sparkcv.predict.rows import InputFiles, InputPart, KeptColumn, LeftOut, Listing, query
from sparkcv.predict.schema import OF_SCORES
from sparkcv.predict.staging import Staging
from sparkcv.spark.errors import translated
from sparkcv.spark.stages import map_pieces
from sparkcv.tokens.server import TokenServerAddress, with_tokens

__all__ = ["FrozenInput", "freeze", "ids", "refuse_unused"]

_LISTS, _PIECES, _QUERY, _UNCOUNTED = "lists", "pieces", "query", "uncounted"
_WITHOUT_COLUMNS = {"pictures": "a folder of pictures", "records": "an input of TFRecord shards"}
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class FrozenInput:
    """What is scored.

    ``pieces_url`` holds the pieces, one a task; ``kept`` are the columns that the scores keep.

    ``truth`` says how it is told what pictures show; "" where it is not.
    """

    pieces_url: str
    num_pieces: int
    num_rows: int
    kept: tuple[KeptColumn, ...]
    left_out: LeftOut
    truth: str = ""


def refuse_unused(config: ScoreConfig | ScoreCaptionsConfig, files: InputFiles) -> None:
    """Raise UsageError for a flag of columns, or of records, that an input of this kind has no use for."""
    if files.kind in _WITHOUT_COLUMNS:
        config.refuse_use(("input_column", "id_column"), _WITHOUT_COLUMNS[files.kind])
    if files.kind != "records" and isinstance(config, ScoreConfig):
        config.refuse_use(("image_feature",), "an input without TFRecord shards")


def freeze(
    spark: SparkSession,
    config: ScoreConfig,
    files: InputFiles,
    staging: Staging,
    place: TokenServerAddress | None,
    labels_offset: int = 0,
) -> FrozenInput:
    """Write down what is scored, and say what was left out of it.

    ``labels_offset`` is what the model's training took off the numbers of labels at rest.

    Raises:
        DataError: no row in the input, or an id twice.
        MissingFileError: no table of the name that was given.
    """
    kind = files.kind
    if kind == query.KIND:
        files = _run_query(spark, files.input, staging)
    listing = rows.list_parts(
        files,
        staging.join(_LISTS),
        input_column=config.input_column,
        id_column=config.id_column,
        image_feature=config.image_feature,
        use_exif=bool(config.exif_orientation),
    )
    left_out = LeftOut() if kind == query.KIND else listing.left_out
    if left_out.count:
        _log.warning("left out of %s, as no input: %s", config.input, left_out)
    kept = rows.name_columns(rows.choose(listing.columns, config.keep_columns), OF_SCORES)
    truth = _truth(config, listing, labels_offset)
    parts = [dataclasses.replace(part, truth=truth) for part in _counted(spark, listing.parts, staging, place)]
    num_rows = rows.count_rows(parts)
    if not num_rows:
        raise DataError(f"--input: no row in {config.input!r}, wanted at least one picture")
    slots = spark.sparkContext.defaultParallelism
    num_pieces = min(config.num_partitions or rows.num_pieces(num_rows, slots, config.batch_size), num_rows)
    url = staging.join(_PIECES)
    pieces = [piece for piece in rows.split(parts, num_pieces) if piece]
    num_pieces = len(pieces)
    tasks.write_pieces(pieces, url)
    _log.info("%d rows of %s in %d tasks", num_rows, kind, num_pieces)
    frozen = FrozenInput(url, num_pieces, num_rows, kept, left_out, truth)
    if parts[0].kind == "table":  # the other kinds make their own ids
        _refuse_duplicates(spark, frozen, str(config.input), place)
    return frozen


def _truth(config: ScoreConfig, listing: Listing, labels_offset: int) -> str:
    """Return how it is told what pictures show; raises UsageError if this kind of input does not tell it so."""
    kind, said = listing.parts[0].kind if listing.parts else "", config.labels_from
    if config.label_column:
        if config.label_column not in listing.columns:
            has = ", ".join(map(repr, listing.columns)) or "none beside picture and id"
            raise UsageError(f"--label_column: the input has no column {config.label_column!r}, it has {has}")
        return f"column:{config.label_column}"
    wanted = {"records": "records", "folders": "pictures"}.get(said or "")
    if wanted and kind != wanted:
        need = "TFRecord shards" if wanted == "records" else "a folder of pictures"
        raise UsageError(f"--labels_from {said}: {config.input!r} is none of those, wanted {need}")
    if said in ("records", "folders"):
        return f"records:{labels_offset}" if said == "records" else said
    return "texts" if kind == "records" and said is None else ""


def ids(spark: SparkSession, frozen: FrozenInput, place: TokenServerAddress | None) -> DataFrame:
    """Return the ids of a frozen input with the number of their piece, as the tasks read them."""
    work = with_tokens(place, functools.partial(tasks.piece_ids, frozen.pieces_url))
    return map_pieces(spark, frozen.num_pieces, work, "id string, piece int")


def _run_query(spark: SparkSession, given: str, staging: Staging) -> InputFiles:
    """Let Spark write what a query gives, in its JVM: the rows are those of one moment, and tasks read Parquet."""
    url = staging.join(_QUERY)
    try:
        with translated(f"the query {given!r}"):
            frame = spark.sql(given) if query.is_sql(given) else spark.table(given)
            frame.write.parquet(publish.hadoop_url(url))
    except SparkcvError as err:
        if "TABLE_OR_VIEW_NOT_FOUND" in str(err.__cause__):
            raise MissingFileError(f"--input: Spark knows no table of {given!r}, and there is no such file") from err
        raise DataError(f"--input: {err}") from err
    return dataclasses.replace(rows.find_input(url), input=given, base="")


def _counted(
    spark: SparkSession, parts: list[InputPart], staging: Staging, place: TokenServerAddress | None
) -> list[InputPart]:
    """Count the shards that no manifest vouches for, on the executors."""
    unknown = [part for part in parts if part.stop is None]
    if not unknown:
        return parts
    _log.info("%d shards have no manifest.json: their records are counted first", len(unknown))
    url = staging.join(_UNCOUNTED)
    tasks.write_pieces([[part] for part in unknown], url)

    def count(index: int) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"index": [index], "rows": [tasks.count_piece(url, index)]})

    with translated():
        found = map_pieces(spark, len(unknown), with_tokens(place, count), "index long, rows long").collect()
        counts = dict(map(tuple, found))
    counted = iter(
        [
            dataclasses.replace(part, stop=counts[index], row_bytes=part.num_bytes // max(1, counts[index]))
            for index, part in enumerate(unknown)
        ]
    )
    return [next(counted) if part.stop is None else part for part in parts]


def _refuse_duplicates(spark: SparkSession, frozen: FrozenInput, where: str, place: TokenServerAddress | None) -> None:
    with translated():
        twice = ids(spark, frozen, place).groupBy("id").count().where("count > 1").limit(1).collect()
    if twice:
        raise DataError(
            f"--input: {where!r} has the id {twice[0]['id']!r} {twice[0]['count']} times, wanted each once; another"
            " column of ids is named by --id_column"
        )
