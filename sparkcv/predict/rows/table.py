"""Parquet with a column of paths or of pictures: read by row group through storage, never through Spark's JVM."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkcv import storage
from sparkcv.errors import DataError, SparkcvError, UsageError
from sparkcv.predict.rows.finding import InputFiles
from sparkcv.predict.rows.parts import InputPart, InputRow

KIND = "table"

PATH_COLUMNS = ("path",)
BYTES_COLUMNS = ("bytes", "image", "content")
_ID_COLUMNS = ("id",)
_ROWS_A_BATCH = 64


@dataclasses.dataclass(frozen=True)
class TableColumns:
    """What is read of a Parquet file; ``is_bytes`` is whether ``data`` holds pictures or paths."""

    data: str
    is_bytes: bool
    id: str


def choose_columns(schema: pa.Schema, input_column: str | None, id_column: str | None, where: str) -> TableColumns:
    """Choose the columns to read, by name if none is given: bytes before path, the path as id before ``id``.

    Raises UsageError that names the columns there are, for a column that is missing or of the wrong type.
    """
    if input_column is not None:
        data = _present(schema, input_column, "--input_column", where)
    else:
        data = _first(schema, BYTES_COLUMNS, _is_bytes) or _first(schema, PATH_COLUMNS, _is_text) or ""
        if not data:
            wanted = " or ".join((*PATH_COLUMNS, *BYTES_COLUMNS))
            raise UsageError(
                f"{where!r} has no column {wanted}, it has {_columns_text(schema)}; name one by --input_column"
            )
    kind = schema.field(data).type
    if not _is_bytes(kind) and not _is_text(kind):
        raise UsageError(f"{where!r}: column {data!r} is {kind}, wanted paths (string) or pictures (binary)")
    if id_column is not None:
        name = _present(schema, id_column, "--id_column", where)
    elif _is_text(kind):
        name = data
    else:
        name = _first(schema, PATH_COLUMNS, _is_text) or _first(schema, _ID_COLUMNS, _is_id) or ""
        if not name:
            raise UsageError(
                f"{where!r} has no column path or id, it has {_columns_text(schema)}; name one by --id_column"
            )
    if not _is_id(schema.field(name).type):
        raise UsageError(f"{where!r}: column {name!r} is {schema.field(name).type}, wanted ids (string or integer)")
    return TableColumns(data, _is_bytes(kind), name)


def freeze(files: InputFiles, input_column: str | None, id_column: str | None) -> Iterator[InputPart]:
    """Yield one part a row group, from the files' footers.

    Raises:
        UsageError: as :func:`choose_columns`.
        DataError: a file is not Parquet, or its columns are of other types than the first file's.
    """
    first: tuple[str, TableColumns, tuple[pa.DataType, pa.DataType]] | None = None
    for entry in files.entries():
        with _opened(entry.url) as file:
            schema, footer = file.schema_arrow, file.metadata
            if first is None:
                columns = choose_columns(schema, input_column, id_column, entry.url)
                first = entry.url, columns, _types(schema, columns)
            _check_same(schema, entry.url, *first)
            for group in range(footer.num_row_groups):
                count = footer.row_group(group).num_rows
                if count:
                    name = f"{files.name(entry)}#{group}"
                    yield InputPart(
                        *(KIND, entry.url, name, 0, count, entry.size, group, columns.data, columns.id, files.root)
                    )


def read_ids(part: InputPart) -> Iterator[str]:
    """Yield the ids of a part; a row without one gets ``<file>#<row group>:<row>``."""
    for row, (name,) in enumerate(_read(part, [part.id_column]), part.start):
        yield _id(part, name, row)


def read_rows(part: InputPart) -> Iterator[InputRow]:
    """Yield the rows of a part; a row without id, path or bytes is a row with a reason."""
    for row, (name, data) in enumerate(_read(part, [part.id_column, part.data_column]), part.start):
        yield _row(part, _id(part, name, row), name, data)


def _row(part: InputPart, name: str, given: Any, data: Any) -> InputRow:
    if data is None:
        return InputRow(name, reason=f"null: column {part.data_column!r} is null")
    if given is None:
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
    return InputRow(name, url=f"{part.base.rstrip('/')}/{data}")


def _id(part: InputPart, name: Any, row: int) -> str:
    if name is None:
        return f"{part.name}:{row}"
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _values(column: pa.Array) -> list[Any]:
    """Return a column's values; text may hold bytes that are no UTF-8, as nothing checks them in writing Parquet."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type):
        return column.to_pylist()
    raw = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


def _read(part: InputPart, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    with _opened(part.url) as file:
        size = storage.size(part.url)
        if size != part.num_bytes:
            raise DataError(f"{part.url!r} changed since it was listed: {size} bytes, {part.num_bytes} then")
        at, stop = 0, part.stop or 0
        for batch in file.iter_batches(_ROWS_A_BATCH, [part.row_group], columns=sorted(set(columns))):
            if at >= stop:
                break
            if at + batch.num_rows > part.start:
                first = max(0, part.start - at)
                kept = batch.slice(first, stop - at - first)
                yield from zip(*(_values(kept.column(name)) for name in columns), strict=True)
            at += batch.num_rows


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


def _check_same(
    schema: pa.Schema, url: str, first_url: str, columns: TableColumns, wanted: tuple[pa.DataType, pa.DataType]
) -> None:
    for name, kind in zip((columns.data, columns.id), wanted, strict=True):
        if name not in schema.names:
            raise DataError(f"{url!r} has no column {name!r}, which {first_url!r} has; it has {_columns_text(schema)}")
        if schema.field(name).type != kind:
            raise DataError(f"{url!r}: column {name!r} is {schema.field(name).type}, in {first_url!r} it is {kind}")


def _types(schema: pa.Schema, columns: TableColumns) -> tuple[pa.DataType, pa.DataType]:
    return schema.field(columns.data).type, schema.field(columns.id).type


def _present(schema: pa.Schema, name: str, flag: str, where: str) -> str:
    if name not in schema.names:
        raise UsageError(f"{flag}: {where!r} has no column {name!r}, it has {_columns_text(schema)}")
    return name


def _first(schema: pa.Schema, names: tuple[str, ...], fits: Any) -> str | None:
    return next((name for name in names if name in schema.names and fits(schema.field(name).type)), None)


def _columns_text(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _is_id(kind: pa.DataType) -> bool:
    return _is_text(kind) or pa.types.is_integer(kind)
