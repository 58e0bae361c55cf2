"""Pack rows in chunks: enough in one for the network, few enough bytes for the memory of both ends.

A chunk is the msgpack array ``[form, fields, values...]``. Most rows are tuples, or Spark's Rows of one table: in a
chunk of such the form says so once, and each row is a plain array, which packs five times faster than a type of ours.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import msgpack

from sparkcv.errors import DataError
from sparkcv.feeding.values import NoSuchValueError, make_packer, unpack

__all__ = ["CHUNK_BYTES", "Chunk", "MOST_ROW_BYTES", "chunks", "rows_of"]

CHUNK_BYTES = 256 * 1024
MOST_ROW_BYTES = 128 * 1024 * 1024
_MOST_ROWS = 8192  # in a chunk: what a worker takes is told by the chunk
_ANY, _TUPLES, _TABLE = "any", "tuples", "table"


@dataclasses.dataclass(frozen=True)
class Chunk:
    """``count`` rows as bytes."""

    count: int
    data: bytes = dataclasses.field(repr=False)


def chunks(rows: Iterable[Any], chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Yield all rows, in order, in chunks of about ``chunk_bytes``; take no more rows than are yielded.

    Raises DataError for a row that cannot be carried; it names the type, and where it stands.
    """
    pack = make_packer()
    form: tuple[str, list[str]] = (_ANY, [])
    packed: list[bytes] = []
    num_bytes = 0
    for at, row in enumerate(rows):
        own = _form(row)
        try:
            data = pack(row if own[0] == _ANY else list(row))
        except (NoSuchValueError, ValueError, OverflowError, RecursionError, UnicodeError) as err:
            raise _refusal(row, at, err) from err
        if len(data) > MOST_ROW_BYTES:
            raise DataError(f"row {at} of its partition takes {len(data)} bytes, over the {MOST_ROW_BYTES} of a row")
        if packed and (own != form or num_bytes + len(data) > chunk_bytes or len(packed) >= _MOST_ROWS):
            yield _chunk(form, packed)
            packed, num_bytes = [], 0
        form = own
        packed.append(data)
        num_bytes += len(data)
    if packed:
        yield _chunk(form, packed)


def rows_of(data: bytes) -> list[Any]:
    """Return the rows of a chunk's bytes; raise DataError for bytes that are none."""
    try:
        form, fields, *rows = unpack(data)
        if form not in (_ANY, _TUPLES, _TABLE) or not isinstance(fields, list):
            raise ValueError(f"no chunk has the form {str(form)[:20]!r}")
        if form == _TUPLES:
            return [tuple(row) for row in rows]
        if form == _TABLE:
            from pyspark.sql.types import _create_row

            return [_create_row(fields, row) for row in rows]
    except (ValueError, TypeError) as err:
        raise DataError(f"expected a chunk of rows, got {len(data)} bytes that are none: {err}") from err
    return rows


def _form(row: Any) -> tuple[str, list[str]]:
    if type(row) is tuple:
        return _TUPLES, []
    if type(row).__name__ == "Row" and type(row).__module__ == "pyspark.sql.types" and hasattr(row, "__fields__"):
        return _TABLE, list(row.__fields__)
    return _ANY, []


def _chunk(form: tuple[str, list[str]], packed: list[bytes]) -> Chunk:
    packer = msgpack.Packer()
    head = packer.pack_array_header(len(packed) + 2) + packer.pack(form[0]) + packer.pack(form[1])
    return Chunk(len(packed), head + b"".join(packed))


def _refusal(row: Any, at: int, err: Exception) -> DataError:
    """Return the error for a row that cannot be carried, by its first such column."""
    pack = make_packer()
    names = list(getattr(row, "__fields__", ()))
    for column, value in enumerate(row if isinstance(row, tuple | list) else ()):
        try:
            pack(value)
        except (NoSuchValueError, ValueError, OverflowError, RecursionError, UnicodeError) as inner:
            name = f" ({names[column]})" if column < len(names) else ""
            return DataError(f"row {at} of its partition cannot be fed: column {column}{name} {_why(inner)}")
    return DataError(f"row {at} of its partition cannot be fed: it {_why(err)}")


def _why(err: Exception) -> str:
    if isinstance(err, NoSuchValueError):
        return (
            f"holds a {err}; numbers, text, bytes, None, dates, decimals, lists, tuples, dicts, sets, Rows, vectors "
            "and NumPy arrays are carried"
        )
    return f"cannot be packed: {err}"
