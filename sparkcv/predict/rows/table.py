"""Parquet with a column of paths or of pictures: read by row group through storage, never through Spark's JVM."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkcv import storage
from sparkcv.errors import DataError, SparkcvError, UsageError
from sparkcv.predict.rows import kept
from sparkcv.predict.rows.columns import Column, TableColumns, choose_columns, columns_text, is_text
from sparkcv.predict.rows.kept import KeptColumn
from sparkcv.predict.rows.parts import InputPart, InputRow, as_text

KIND = "table"

_ROWS_A_BATCH = 64


@dataclasses.dataclass(frozen=True)
class TableFile:
    """One file of a table: ``name`` is relative to the input, relative paths in it are taken from ``base``."""

    url: str
    name: str
    num_bytes: int
    base: str


@dataclasses.dataclass(frozen=True)
class _Footer:
    file: TableFile
    schema: pa.Schema
    groups: tuple[int, ...]
    group_bytes: tuple[int, ...]


def freeze(
    files: Iterable[TableFile], input_column: str | None, id_column: str | None
) -> tuple[list[InputPart], dict[str, pa.DataType]]:
    """Return one part a row group, and the other columns with their types, from the files' footers.

    Columns that Spark has no type for are left out, and so is what lies beside the picture in a column of structs.

    Raises:
        UsageError: as :func:`~sparkcv.predict.rows.columns.choose_columns`.
        DataError: a file is not Parquet, or one of its columns is of another type than in the first file that has it.
    """
    parts: list[InputPart] = []
    others: dict[str, tuple[pa.DataType, str]] = {}
    first: tuple[_Footer, TableColumns] | None = None
    for file in files:
        footer = _footer(file)
        if first is None:
            first = footer, choose_columns(footer.schema, input_column, id_column, file.url)
        _check_same(footer, *first)
        _add_others(others, footer, first[1])
        parts.extend(_parts(footer, first[1]))
    return parts, {name: kind for name, (kind, _) in others.items()}


def read_ids(part: InputPart) -> Iterator[str]:
    """Yield the ids of a part; a row without one gets ``<file>#<row group>:<row>``."""
    for at, batch in _read(part, [part.id_column], [part.id_field]):
        for row, name in enumerate(_values(batch, part.id_column, part.id_field), at):
            yield _id(part, name, row)


def read_rows(part: InputPart, columns: Sequence[KeptColumn] = ()) -> Iterator[InputRow]:
    """Yield the rows of a part with their kept columns; a row without id, path or bytes is a row with a reason."""
    names = [part.id_column, part.data_column, part.data_column, *(column.source for column in columns)]
    fields = [part.id_field, part.data_field, part.spare_field or part.data_field, *("" for _ in columns)]
    partition = kept.partition_values(part.name.rpartition("#")[0])
    for at, batch in _read(part, names, fields):
        ids, data, spare = (_values(batch, name, field) for name, field in zip(names[:3], fields[:3], strict=True))
        others = kept.values(batch, columns, partition, part.url)
        for row, (name, picture, path, values) in enumerate(zip(ids, data, spare, others, strict=True), at):
            found = _row(part, _id(part, name, row), name, path if picture is None and part.spare_field else picture)
            filename = path if isinstance(path, str) else name if isinstance(name, str) else None
            yield dataclasses.replace(found, filename=None if filename is None else as_text(filename), kept=values)


def _row(part: InputPart, name: str, given: Any, data: Any) -> InputRow:
    if data is None:
        return InputRow(name, reason=f"null: column {_column(part.data_column, part.data_field)!r} is null")
    if given is None and not part.id_field:
        return InputRow(name, reason=f"null: column {part.id_column!r} is null")
    if isinstance(data, bytes):
        return InputRow(name, data=data)
    if not data.strip() or "\0" in data:
        return InputRow(name, reason=f"no path: {data!r}")
    if "://" in data or data.startswith(("/", "file:/")):
        try:
            return InputRow(name, url=storage.resolve(data))
        except UsageError as err:
            return InputRow(name, reason=f"no path: {err}")
    if not part.base:
        return InputRow(name, reason=f"no path: {data!r} is relative, and a query has no folder that it could be from")
    return InputRow(name, url=f"{part.base.rstrip('/')}/{data}")


def _id(part: InputPart, name: Any, row: int) -> str:
    return f"{part.name}:{row}" if name is None else as_text(str(name))


def _values(batch: pa.RecordBatch, name: str, field: str) -> list[Any]:
    """Return a column's values; text may hold bytes that are no UTF-8, as nothing checks them in writing Parquet."""
    column = batch.column(name)
    if field:
        column = pa.compute.struct_field(column, field)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not is_text(column.type):
        return list(column.to_pylist())
    raw = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


def _read(part: InputPart, names: Sequence[str], fields: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the columns of a part, batch by batch, with the number of each batch's first row."""
    with _opened(part.url) as file:
        size = storage.size(part.url)
        if size != part.num_bytes:
            raise DataError(f"{part.url!r} changed since it was listed: {size} bytes, {part.num_bytes} then")
        there = set(file.schema_arrow.names)
        wanted = {_column(name, field) for name, field in zip(names, fields, strict=True) if name in there}
        at, stop = 0, part.stop or 0
        for batch in file.iter_batches(_ROWS_A_BATCH, [part.row_group], columns=sorted(wanted)):
            if at >= stop:
                break
            if at + batch.num_rows > part.start:
                first = max(0, part.start - at)
                yield at + first, batch.slice(first, stop - at - first)
            at += batch.num_rows


def _column(name: str, field: str) -> str:
    return f"{name}.{field}" if field else name


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Any]:
    """Open a Parquet file through storage; what pyarrow raises while it is open becomes a DataError."""
    with storage.open_read(url) as source:
        try:
            yield pq.ParquetFile(source)
        except (pa.ArrowException, OSError) as err:  # damaged pages come as OSError, and so do our own
            if isinstance(err, SparkcvError):
                raise
            raise DataError(f"{url!r} is not readable as Parquet: {str(err).splitlines()[0]}") from err


def _footer(file: TableFile) -> _Footer:
    with _opened(file.url) as opened:
        rows = tuple(opened.metadata.row_group(group).num_rows for group in range(opened.metadata.num_row_groups))
        sizes = tuple(opened.metadata.row_group(group).total_byte_size for group in range(len(rows)))
        return _Footer(file, opened.schema_arrow, rows, sizes)


def _parts(footer: _Footer, columns: TableColumns) -> Iterator[InputPart]:
    file = footer.file
    for group, count in enumerate(footer.groups):
        if count:
            yield InputPart(
                *(KIND, file.url, f"{file.name}#{group}", 0, count, file.num_bytes, group),
                data_column=columns.data.name,
                data_field=columns.data.field,
                spare_field=columns.spare.field if columns.spare else "",
                id_column=columns.id.name,
                id_field=columns.id.field,
                base=file.base,
                row_bytes=footer.group_bytes[group] // count,
            )


def _check_same(footer: _Footer, first: _Footer, columns: TableColumns) -> None:
    for column in (columns.data, columns.id):
        schema, url = footer.schema, footer.file.url
        if column.name not in schema.names or not _has_field(schema, column):
            raise DataError(
                f"{url!r} has no column {str(column)!r}, which {first.file.url!r} has; it has {columns_text(schema)}"
            )
        kind, wanted = column.kind(schema), column.kind(first.schema)
        if kind != wanted:
            raise DataError(f"{url!r}: column {str(column)!r} is {kind}, in {first.file.url!r} it is {wanted}")


def _has_field(schema: pa.Schema, column: Column) -> bool:
    kind = schema.field(column.name).type
    return not column.field or (pa.types.is_struct(kind) and kind.get_field_index(column.field) >= 0)


def _add_others(others: dict[str, tuple[pa.DataType, str]], footer: _Footer, columns: TableColumns) -> None:
    """Add the columns of one file that are neither picture nor id, and those that its folders are named after."""
    found = {
        field.name: kind
        for field in footer.schema
        if field.name not in (columns.data.name, columns.id.name) and (kind := kept.spark_type(field.type)) is not None
    }
    for name in kept.partition_values(footer.file.name):
        found.setdefault(name, pa.string())
    for name, kind in found.items():
        before, url = others.setdefault(name, (kind, footer.file.url))
        if before != kind:
            raise DataError(f"{footer.file.url!r}: column {name!r} is {kind}, in {url!r} it is {before}")
