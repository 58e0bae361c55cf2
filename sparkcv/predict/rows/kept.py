"""Columns of the input that the scores keep: under which name, and as which of the types that Spark has."""

import dataclasses
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from sparkcv.errors import DataError, UsageError

__all__ = ["KeptColumn", "choose", "name_columns", "partition_values", "spark_type", "values"]

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_PREFIX = "input_"


@dataclasses.dataclass(frozen=True)
class KeptColumn:
    """One column: ``source`` is its name in the input, ``name`` its name beside the scores, ``kind`` Spark's type."""

    source: str
    name: str
    kind: pa.DataType


def name_columns(fields: Mapping[str, pa.DataType], taken: Iterable[str]) -> tuple[KeptColumn, ...]:
    """Give each column its own name; one that a column of the scores has gets ``input_`` before it.

    Names that differ by capitals only are one name to Spark and Hive.
    """
    used = {name.lower() for name in taken}
    columns = []
    for source, kind in fields.items():
        name = source
        while name.lower() in used:
            name = _PREFIX + name
        used.add(name.lower())
        columns.append(KeptColumn(source, name, kind))
    return tuple(columns)


def choose(columns: Mapping[str, pa.DataType], given: str | None) -> dict[str, pa.DataType]:
    """Return the columns to keep: all but binary ones, or those of ``given``, names with commas (``none``: none).

    Raises UsageError for a name that is no other column of the table.
    """
    if given is None:
        return {name: kind for name, kind in columns.items() if not pt.is_binary(kind)}
    names = [] if given == "none" else [name.strip() for name in given.split(",")]
    lost = next((name for name in names if name not in columns), None)
    if lost is not None:
        has = ", ".join(map(repr, columns)) or "none beside picture and id"
        raise UsageError(
            f"--keep_columns: the input has no column {lost!r} to keep, it has {has} of types that Spark has"
        )
    return {name: columns[name] for name in names}


def partition_values(name: str) -> dict[str, str | None]:
    """Return the values that a file's folders say as Hive writes them: ``country=de/day=1/x.parquet``."""
    found: dict[str, str | None] = {}
    for part in name.split("/")[:-1]:
        column, sign, value = part.partition("=")
        if sign and column:
            found[urllib.parse.unquote(column)] = None if value == _NULL_PARTITION else urllib.parse.unquote(value)
    return found


def spark_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the nearest type that Spark has, which loses nothing but nanoseconds; None if there is none."""
    if pt.is_dictionary(kind):
        return spark_type(kind.value_type)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        inner = spark_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    if pt.is_struct(kind):
        fields = [(field.name, spark_type(field.type)) for field in kind]
        return pa.struct(fields) if fields and all(inner is not None for _, inner in fields) else None
    if pt.is_map(kind):
        key, item = spark_type(kind.key_type), spark_type(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if pt.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pt.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 and kind.scale >= 0 else None
    return next((new for fits, new in _TYPES if fits(kind)), None)


_TYPES = (
    (lambda kind: pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind), pa.string()),
    (lambda kind: pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind), pa.binary()),
    (pt.is_boolean, pa.bool_()),
    (pt.is_int8, pa.int8()),
    (lambda kind: pt.is_int16(kind) or pt.is_uint8(kind), pa.int16()),
    (lambda kind: pt.is_int32(kind) or pt.is_uint16(kind), pa.int32()),
    (lambda kind: pt.is_int64(kind) or pt.is_uint32(kind), pa.int64()),
    (pt.is_uint64, pa.decimal128(20, 0)),
    (lambda kind: pt.is_float16(kind) or pt.is_float32(kind), pa.float32()),
    (pt.is_float64, pa.float64()),
    (pt.is_date, pa.date32()),
)


def values(
    batch: pa.RecordBatch, columns: Iterable[KeptColumn], partition: Mapping[str, str | None], where: str
) -> Iterator[dict[str, Any]]:
    """Yield for each row of a batch its kept columns; one that this file lacks is null. Raise DataError by column."""
    lists = {}
    for column in columns:
        if column.source in batch.schema.names:
            try:
                lists[column.name] = batch.column(column.source).cast(column.kind, safe=False).to_pylist()
            except (pa.ArrowException, ValueError, OverflowError) as err:  # the last: a time past the year 9999
                raise DataError(f"{where!r}: column {column.source!r} is not readable: {err}") from err
        else:
            lists[column.name] = [partition.get(column.source)] * batch.num_rows
    for row in range(batch.num_rows):
        yield {name: items[row] for name, items in lists.items()}
