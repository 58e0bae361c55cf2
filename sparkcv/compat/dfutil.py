"""DataFrames as TFRecords and back: TensorFlowOnSpark's ``dfutil``, on our own records and without its jar.

Names and signatures are those of TensorFlowOnSpark 2.2.5. No task loads TensorFlow, and ``output_dir`` and
``input_dir`` are on any storage. docs/tensorflowonspark.md lists where the outcome differs, and why.
"""

import contextlib
import fnmatch
import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import logs, storage
from sparkcv.compat.columns import Column, SeenFeature, columns_of, encoder, look_at, merge, schema_of, value_in
from sparkcv.errors import DataError, FileExistsAlreadyError, MissingFileError, RecordError, StorageError, UsageError
from sparkcv.records.compression import BREAKS_OFF
from sparkcv.records.features import Value, encode_features, parse_features
from sparkcv.records.mapped import mapped
from sparkcv.records.tfrecord import frame, read_records
from sparkcv.spark.errors import translated
from sparkcv.spark.session import default_fs
from sparkcv.storage.clients import name_aside

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = [
    "fromTFExample",
    "infer_schema",
    "isLoadedDF",
    "loadTFRecords",
    "loadedDF",
    "saveAsTFRecords",
    "toTFExample",
]

# Where each DataFrame that loadTFRecords gave came from; an entry goes with its DataFrame.
loadedDF: "weakref.WeakKeyDictionary[DataFrame, str]" = weakref.WeakKeyDictionary()

_log = logs.get(__name__)


def isLoadedDF(df: "DataFrame") -> bool:
    """Return whether ``df`` is one that ``loadTFRecords`` returned, and not one made from it."""
    return df in loadedDF


def saveAsTFRecords(df: "DataFrame", output_dir: str) -> None:
    """Save a DataFrame as ``part-r-00000``, ... in a new folder, a file a partition, and an empty ``_SUCCESS``.

    The folder appears once all of it is written. Raise UsageError for a column that no TFRecord can hold,
    FileExistsAlreadyError if the folder is there, RecordError for a value that does not fit, StorageError.
    """
    write = toTFExample(df.dtypes)
    target = _url(df.sparkSession.sparkContext, output_dir)
    if storage.exists(target):
        raise FileExistsAlreadyError(f"{target!r} is there already; wanted a folder that is not, to save TFRecords in")
    staged = name_aside(target)
    try:
        storage.make_dirs(staged)
        with translated("saving TFRecords"):
            df.rdd.mapPartitionsWithIndex(functools.partial(_write_part, write, staged)).count()
        storage.write_bytes(storage.join(staged, "_SUCCESS"), b"")
        storage.rename(staged, target)
    except BaseException:
        with contextlib.suppress(StorageError):  # the first error is the one to tell
            storage.delete(staged, recursive=True)
        raise


def loadTFRecords(
    sc: "SparkContext", input_dir: str, binary_features: Sequence[str] = (), *, array_features: Sequence[str] = ()
) -> "DataFrame":
    """Load TFRecords of tf.train.Example into a DataFrame, a column a feature, in order of name.

    ``input_dir`` is a folder, a file, or a folder and a pattern such as ``hdfs://host/data/part-*``; names that begin
    with ``_`` or a dot are passed over. Features in ``binary_features`` are binary columns, other bytes are strings;
    those in ``array_features`` are arrays even if no record has more values than one. All records are read once to
    find the columns, and are checked by that.

    Raise MissingFileError, and DataError (RecordError) for files without records, damaged ones, and records that do
    not agree with each other.
    """
    from pyspark.sql import SparkSession

    binary, arrays = frozenset(binary_features), frozenset(array_features)
    files = _files(_url(sc, input_dir))
    paths = sc.parallelize(files, len(files))
    seen: dict[str, SeenFeature] = {}
    with translated("loading TFRecords"):
        for one in paths.mapPartitions(functools.partial(_look, binary)).collect():  # a few lines a file
            merge(seen, one)
    if not seen:
        raise DataError(f"{input_dir!r} holds no Example with a feature in its {len(files)} files; wanted at least one")
    if unknown := sorted((binary | arrays) - seen.keys()):
        _log.warning("%s has no features %s, which its reader names", input_dir, ", ".join(unknown))
    columns = columns_of(seen, binary, arrays)
    rows = paths.mapPartitions(functools.partial(_rows, columns))
    df = SparkSession.builder.getOrCreate().createDataFrame(rows, schema_of(columns), verifySchema=False)
    loadedDF[df] = input_dir
    return df


def toTFExample(dtypes: Sequence[tuple[str, str]]) -> Callable[[Iterable[Any]], Iterator[tuple[bytearray, None]]]:
    """Return a function for ``mapPartitions``: rows of such ``DataFrame.dtypes`` to pairs of an Example and None.

    Raise UsageError for a type that no TFRecord can hold, and for two columns of one name.
    """
    names = [name for name, _ in dtypes]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two columns have the name {name!r}, of which a TFRecord would keep one; wanted one")
    return functools.partial(_encode_rows, {name: encoder(dtype, name) for name, dtype in dtypes})


def fromTFExample(iter: Iterable[Any], binary_features: Sequence[str] = ()) -> Iterator[Any]:
    """Turn pairs whose first is an Example into Rows, each by itself: one value is a scalar, more are a list."""
    from pyspark.sql import Row

    for ordinal, record in enumerate(iter):
        seen: dict[str, SeenFeature] = {}
        features = _parse(bytes(record[0]), f"record {ordinal}")
        look_at(seen, features, binary_features, f"record {ordinal}")
        yield Row(**{column.name: value_in(features, column) for column in columns_of(seen, binary_features)})


def infer_schema(example: Any, binary_features: Sequence[str] = ()) -> "StructType":
    """Return Spark's schema of one Example, a ``tf.train.Example`` or its bytes."""
    is_bytes = isinstance(example, bytes | bytearray | memoryview)
    features = _parse(bytes(example) if is_bytes else example.SerializeToString(), "the example")
    seen: dict[str, SeenFeature] = {}
    look_at(seen, features, binary_features, "the example")
    return schema_of(columns_of(seen, binary_features))


def _encode_rows(
    encoders: Mapping[str, Callable[[Any], Value]], rows: Iterable[Any]
) -> Iterator[tuple[bytearray, None]]:
    for row in rows:
        features = {name: encode(row[name]) for name, encode in encoders.items()}
        yield bytearray(encode_features(features)), None


def _write_part(write: Callable[[Iterable[Any]], Iterable[Any]], folder: str, index: int, rows: Any) -> Iterator[int]:
    """Write one partition into one file, as a Spark task; a second try of the task replaces it whole."""
    with storage.open_write(storage.join(folder, f"part-r-{index:05d}")) as sink:
        for example, _ in write(rows):
            sink.write(frame(bytes(example)))
    yield index


def _records(paths: Iterable[str]) -> Iterator[tuple[str, dict[str, Value]]]:
    """Yield where each record of these files is, and its features, which are views of a file mapped just then."""
    for path in paths:
        with mapped(path) as (data, is_whole):
            for ordinal, record in enumerate(read_records(data, path)):
                where = f"{path} record {ordinal}"
                yield where, _parse(record.payload, where)
            if not is_whole:
                raise RecordError(f"{path}: damaged at offset {data.nbytes} of its content: {BREAKS_OFF}")


def _parse(data: bytes | memoryview, where: str) -> dict[str, Value]:
    try:
        return parse_features(data)
    except ValueError as err:
        raise RecordError(f"{where}: these {len(data)} bytes are no tf.train.Example: {err}") from err


def _look(binary: frozenset[str], paths: Iterable[str]) -> Iterator[dict[str, SeenFeature]]:
    seen: dict[str, SeenFeature] = {}
    for where, features in _records(paths):
        look_at(seen, features, binary, where)
    yield seen


def _rows(columns: Sequence[Column], paths: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    for _, features in _records(paths):
        yield tuple(value_in(features, column) for column in columns)


def _files(url: str) -> list[str]:
    folder, name = storage.parent(url), storage.basename(url)
    if any(sign in name for sign in "*?[") and not storage.exists(url):
        found = [entry for entry in storage.list_dir(folder) if fnmatch.fnmatchcase(entry.name, name)]
    elif storage.is_dir(url):
        found = [entry for entry in storage.list_dir(url) if not entry.name.startswith(("_", "."))]
    elif storage.exists(url):
        return [url]
    else:
        raise MissingFileError(f"no such file or folder of TFRecords: {url!r}")
    for entry in found:
        if entry.is_dir:
            raise DataError(f"{url!r} holds the folder {entry.name!r}; wanted TFRecord files only")
    if not found:
        raise MissingFileError(f"no TFRecord files in {url!r}")
    return [entry.url for entry in found]


def _url(sc: "SparkContext", path: str) -> str:
    """Return the full URL of a path as Hadoop means it: without a scheme it is on the default file system."""
    default = default_fs(sc)
    if "://" in path or default.startswith("file:") or path.startswith(("file:", "hdfs:")):
        return storage.resolve(path)
    return storage.resolve(f"{default}{path}" if path.startswith("/") else f"{default}/user/{sc.sparkUser()}/{path}")
