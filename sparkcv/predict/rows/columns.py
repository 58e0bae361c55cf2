"""Which columns of a table hold the pictures and their ids: as named, else found by name and type."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from sparkcv.errors import UsageError

__all__ = ["BYTES_COLUMNS", "Column", "PATH_COLUMNS", "TableColumns", "choose_columns", "columns_text", "is_text"]

PATH_COLUMNS = ("path",)
BYTES_COLUMNS = ("bytes", "image", "content")
_ID_COLUMNS = ("id",)
_FIELD_OF_PATHS = ("path", "origin")  # Spark's `image` source calls a picture's file its origin

Fits = Callable[[pa.DataType], bool]

_IDS = "ids (string, integer or decimal)"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column, or with ``field`` one field of a column of structs, such as Hugging Face's ``image: {bytes, path}``."""

    name: str
    field: str = ""

    def kind(self, schema: pa.Schema) -> pa.DataType:
        """Return its type."""
        kind = schema.field(self.name).type
        return kind.field(self.field).type if self.field else kind

    def __str__(self) -> str:
        return f"{self.name}.{self.field}" if self.field else self.name


@dataclasses.dataclass(frozen=True)
class TableColumns:
    """What is read of a table; ``spare`` holds paths for the rows whose ``data`` is null, if there is such a field."""

    data: Column
    is_bytes: bool
    id: Column
    spare: Column | None = None


def choose_columns(schema: pa.Schema, input_column: str | None, id_column: str | None, where: str) -> TableColumns:
    """Choose the columns to read, by name if none is given: bytes before path, the path as id before ``id``.

    Capitals do not matter where no column has just this name. Raises UsageError that names the columns there are, for
    a column that is missing or of the wrong type.
    """
    if input_column is not None:
        data = _named(schema, input_column, "--input_column", where)
    else:
        data = _find_data(schema, where)
    is_bytes = _is_bytes(data.kind(schema))
    spare = _field_of(schema, data.name, _FIELD_OF_PATHS, is_text) if is_bytes and data.field else None
    if id_column is not None:
        name = _named(schema, id_column, "--id_column", where, is_id=True)
    else:
        name = data if not is_bytes else _find_id(schema, where, spare)
    return TableColumns(data, is_bytes, name, spare)


def _find_data(schema: pa.Schema, where: str) -> Column:
    for wanted, fits, fields in (
        (BYTES_COLUMNS, _is_bytes, BYTES_COLUMNS),
        (PATH_COLUMNS, is_text, _FIELD_OF_PATHS),
    ):
        if found := _first(schema, wanted, fits):
            return found
        structs = [column for name in schema.names if (column := _field_of(schema, name, fields, fits))]
        if len(structs) == 1:
            return structs[0]
    names = (*PATH_COLUMNS, *BYTES_COLUMNS)
    raise UsageError(
        f"{where!r} has no column {' or '.join(names)}{_unfit(schema, names, 'paths or pictures')}, it has"
        f" {columns_text(schema)}; name one by --input_column"
    )


def _find_id(schema: pa.Schema, where: str, spare: Column | None) -> Column:
    found = _first(schema, PATH_COLUMNS, is_text) or _first(schema, _ID_COLUMNS, _is_id) or spare
    if not found:
        raise UsageError(
            f"{where!r} has no column path or id{_unfit(schema, (*PATH_COLUMNS, *_ID_COLUMNS), _IDS)}, it has"
            f" {columns_text(schema)}; name one by --id_column"
        )
    return found


def _unfit(schema: pa.Schema, names: Iterable[str], wanted: str) -> str:
    """Say which column has the right name and the wrong type."""
    found = next(_same_names(schema, names), None)
    return f" of {wanted}, its {found!r} is {schema.field(found).type}" if found else ""


def _named(schema: pa.Schema, given: str, flag: str, where: str, *, is_id: bool = False) -> Column:
    name, _, field = given.partition(".")
    column: Column | None = None
    if found := next(_same_names(schema, [given]), None):
        column = Column(found)
        if not is_id:
            column = _data_field(schema, found) or column
    elif (outer := next(_same_names(schema, [name]), None)) and pa.types.is_struct(schema.field(outer).type):
        column = _field_of(schema, outer, [field], lambda kind: True)
    if column is None:
        raise UsageError(f"{flag}: {where!r} has no column {given!r}, it has {columns_text(schema)}")
    kind = column.kind(schema)
    if not (_is_id(kind) if is_id else _is_bytes(kind) or is_text(kind)):
        wanted = _IDS if is_id else "paths (string) or pictures (binary)"
        raise UsageError(f"{where!r}: column {str(column)!r} is {kind}, wanted {wanted}")
    return column


def _data_field(schema: pa.Schema, name: str) -> Column | None:
    """Return the field of a column of structs that holds pictures, or their paths; None if none does."""
    bytes_field = _field_of(schema, name, BYTES_COLUMNS, _is_bytes)
    return bytes_field or _field_of(schema, name, _FIELD_OF_PATHS, is_text)


def _field_of(schema: pa.Schema, name: str, fields: Iterable[str], fits: Fits) -> Column | None:
    kind = schema.field(name).type
    if not pa.types.is_struct(kind):
        return None
    inner = pa.schema(list(kind))
    found = next((field for field in _same_names(inner, fields) if fits(inner.field(field).type)), None)
    return None if found is None else Column(name, found)


def _first(schema: pa.Schema, names: Iterable[str], fits: Fits) -> Column | None:
    return next((Column(name) for name in _same_names(schema, names) if fits(schema.field(name).type)), None)


def _same_names(schema: pa.Schema, names: Iterable[str]) -> Iterator[str]:
    """Yield the columns of these names: just so first, else in other capitals."""
    for wanted in names:
        if wanted in schema.names:
            yield wanted
        else:
            yield from (name for name in schema.names if name.lower() == wanted.lower())


def columns_text(schema: pa.Schema) -> str:
    """Return the columns with their types, for messages."""
    return ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is of strings, plain or by dictionary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _is_id(kind: pa.DataType) -> bool:
    return is_text(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
