"""The pictures as a Spark table, listed once by the executors: the driver sees counts, never names."""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from pyspark import RDD
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkcv import storage
from sparkcv.config import ConvertConfig
from sparkcv.convert import gnt_source, sources
from sparkcv.convert.sources import Picture
from sparkcv.errors import DataError, UsageError
from sparkcv.records import gnt

_SCHEMA = "name binary, label string, line int, size long, fault string, position long, draw long, place binary"
_MAX_TASKS = 1000


@dataclass(frozen=True)
class PictureSource:
    """Where the pictures are: ``root`` is the folder that names are relative to.

    Of a picture tree ``classes`` are its class folders and ``strays`` the files beside them; of a CSV both are
    empty until it has been read. ``gnt_files`` are the files of a folder of GNT, whose samples name their classes and
    have ``max_pixels`` at most.
    """

    root: str
    labels_csv: str | None
    classes: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    gnt_files: tuple[str, ...] = ()
    max_pixels: int = gnt.MAX_PIXELS

    @property
    def where(self) -> str:
        """What the user named."""
        return self.labels_csv or self.root


def find_source(config: ConvertConfig, dataset_dir: str) -> PictureSource:
    """Check what can be checked of the source without reading it all.

    Raises:
        MissingFileError: it is not there.
        UsageError: the dataset would lie inside of the pictures' folder.
        DataError: the folder holds no class folders, or no GNT files.
    """
    if config.gnt_dir is not None:
        root = storage.resolve(config.gnt_dir)
        if f"{dataset_dir}/".startswith(f"{root}/"):
            raise UsageError(f"--dataset_dir {dataset_dir!r} lies in --gnt_dir, where its files would count as GNT")
        files = tuple(gnt_source.list_files(root))
        return PictureSource(root, None, gnt_files=files, max_pixels=config.max_pixels)
    if config.images_dir is None:
        labels_csv = storage.resolve(str(config.labels_csv))
        storage.size(labels_csv)
        return PictureSource(storage.parent(labels_csv), labels_csv)
    root = storage.resolve(config.images_dir)
    if f"{dataset_dir}/".startswith(f"{root}/"):
        raise UsageError(f"--dataset_dir {dataset_dir!r} lies in --images_dir, where it would count as a class")
    classes, strays = sources.list_classes(root)
    return PictureSource(root, None, tuple(classes), tuple(strays))


@contextlib.contextmanager
def listed(spark: SparkSession, source: PictureSource, seed: int, enter: Callable[[], None]) -> Iterator[DataFrame]:
    """Give the pictures as a table of :class:`Picture` rows, frozen in the block; ``enter`` is ``convert``'s."""
    pictures = spark.createDataFrame(_rows(spark, source, seed, enter), _SCHEMA, verifySchema=False).persist()
    try:
        yield pictures
    finally:
        pictures.unpersist()


def check_classes(pictures: DataFrame, source: PictureSource, known: Collection[str] = ()) -> tuple[str, ...]:
    """Count the pictures of each class; returns the names of the classes in the order of their labels.

    ``known`` are the classes of the splits that are there already, of which this one need not have every one.

    Raises:
        DataError: no pictures, an empty class folder, one class only, or a picture that a CSV names twice.
    """
    counts = {row["label"]: row["count"] for row in pictures.groupBy("label").count().collect()}
    if source.gnt_files and not set(counts) - {None}:
        first = pictures.orderBy("name").first()
        name, why = gnt_source.split_name(bytes(first["name"]).decode("utf-8", "surrogateescape"))[0], first["fault"]
        raise DataError(f"{source.root!r} holds no sample of GNT in {len(source.gnt_files)} files: {name!r}: {why}")
    if not counts:
        raise DataError(f"{source.where!r} names no pictures")
    if source.labels_csv:
        _refuse_duplicates(pictures, source.labels_csv)
    labels = source.classes or tuple(sorted(label for label in counts if label is not None))
    if set(labels) <= set(known):
        return labels
    empty = [label for label in labels if label not in counts]
    if empty:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise DataError(f"{source.root!r} has no files in the class folder {empty[0]!r}{more}, wanted pictures")
    if len(labels) == 1:
        raise DataError(f"{source.where!r} has the one class {labels[0]!r}, wanted at least two to tell apart")
    return labels


def _rows(spark: SparkSession, source: PictureSource, seed: int, enter: Callable[[], None]) -> RDD[Picture]:
    if source.labels_csv:
        return spark.sparkContext.parallelize([source.labels_csv], 1).flatMap(functools.partial(_list_csv, seed, enter))
    if source.gnt_files:
        files = spark.sparkContext.parallelize(source.gnt_files, min(len(source.gnt_files), _MAX_TASKS))
        return files.flatMap(functools.partial(_list_gnt, source.root, source.max_pixels, seed, enter))
    items = [(name, True) for name in source.classes] + [(name, False) for name in source.strays]
    tasks = spark.sparkContext.parallelize(items, min(len(items), _MAX_TASKS))
    return tasks.flatMap(functools.partial(_list_item, source.root, seed, enter))


def _list_csv(seed: int, enter: Callable[[], None], labels_csv: str) -> Iterator[Picture]:
    enter()
    return sources.list_csv(labels_csv, seed)


def _list_gnt(root: str, max_pixels: int, seed: int, enter: Callable[[], None], name: str) -> Iterator[Picture]:
    enter()
    return gnt_source.list_samples(root, name, max_pixels, seed)


def _list_item(root: str, seed: int, enter: Callable[[], None], item: tuple[str, bool]) -> Iterator[Picture]:
    enter()
    name, is_class = item
    if is_class:
        yield from sources.list_class(root, name, seed)
    else:
        yield sources.make_picture(name, None, seed, fault=sources.NO_CLASS)


def _refuse_duplicates(pictures: DataFrame, labels_csv: str) -> None:
    named = pictures.groupBy("place").agg(
        F.min("line").alias("first"),
        F.max("line").alias("last"),
        F.min_by("name", "line").alias("first_name"),
        F.max_by("name", "line").alias("last_name"),
    )
    for row in named.filter("first < last").orderBy("last").limit(1).collect():
        first, last = (bytes(row[key]).decode("utf-8", "surrogateescape") for key in ("first_name", "last_name"))
        spelled = "" if first == last else f" as {first!r}"
        raise DataError(
            f"{labels_csv!r} line {row['last']} names {last!r}, which line {row['first']} named already{spelled}"
        )
