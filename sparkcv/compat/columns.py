"""Columns of a DataFrame as features of a tf.train.Example: which type becomes which list, and back.

A feature is a list of int64, float32 or bytes and says no more than that: neither text or bytes, nor one value or a
list of one. What the first record does not tell, all of them together often do, so columns are found from all.
"""

import dataclasses
import operator
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv.errors import DataError, RecordError, UsageError
from sparkcv.records.features import Value

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

__all__ = ["Column", "SeenFeature", "columns_of", "encoder", "look_at", "merge", "schema_of", "value_in"]

_KINDS: dict[str, type] = {
    **dict.fromkeys(("boolean", "tinyint", "smallint", "int", "bigint", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    **dict.fromkeys(("binary", "string"), bytes),
}
_NAMES = {int: "int64", float: "float", bytes: "bytes"}
_SIZED_TEXT = re.compile(r"(var)?char\(\d+\)|string collate \w+")


@dataclasses.dataclass(frozen=True)
class Column:
    """How a feature is read: ``kind`` None where no record states one."""

    name: str
    kind: type | None
    is_array: bool
    is_text: bool


@dataclasses.dataclass
class SeenFeature:
    """What is known of one feature from the records so far.

    Attributes:
        places: where a value of each kind was first seen.
        stated: where a list of each kind without values was first seen.
        is_array: whether a list of none or of several was seen, which only an array can be.
        no_text: where bytes that are no UTF-8 were first seen; "" if nowhere.
    """

    places: dict[type, str] = dataclasses.field(default_factory=dict)
    stated: dict[type, str] = dataclasses.field(default_factory=dict)
    is_array: bool = False
    no_text: str = ""


def look_at(seen: dict[str, SeenFeature], features: Mapping[str, Value], binary: Collection[str], where: str) -> None:
    """Add one record's features to what is known of all."""
    for name, value in features.items():
        one = seen.setdefault(name, SeenFeature())
        if value.kind is None:
            continue
        one.is_array = one.is_array or len(value.items) != 1
        if not value.items:
            one.stated.setdefault(value.kind, where)
            continue
        one.places.setdefault(value.kind, where)
        if value.kind is bytes and name not in binary and not one.no_text and not all(map(_is_text, value.items)):
            one.no_text = where


def merge(all_seen: dict[str, SeenFeature], seen: Mapping[str, SeenFeature]) -> None:
    """Add what was found in other records."""
    for name, other in seen.items():
        one = all_seen.setdefault(name, SeenFeature())
        for kind, place in other.places.items():
            one.places.setdefault(kind, place)
        for kind, place in other.stated.items():
            one.stated.setdefault(kind, place)
        one.is_array = one.is_array or other.is_array
        one.no_text = one.no_text or other.no_text


def columns_of(seen: Mapping[str, SeenFeature], binary: Collection[str], arrays: Collection[str] = ()) -> list[Column]:
    """Return the columns, in order of name.

    A feature is an array if it is named in ``arrays`` or some record has a list of other than one value; else a scalar.

    Raises:
        DataError: a feature is of one type here and of another there, or has bytes that are no text and is not among
            those that the caller names as ``binary``.
    """
    return [_column(name, seen[name], binary, arrays) for name in sorted(seen)]


def _column(name: str, seen: SeenFeature, binary: Collection[str], arrays: Collection[str]) -> Column:
    places = seen.places or seen.stated  # an empty list states its type too, where no record has a value
    if len(places) > 1:
        kinds = " and ".join(f"{_NAMES[kind]} ({place})" for kind, place in places.items())
        raise DataError(f"the feature {name!r} is {kinds}; wanted one type in all records")
    kind = next(iter(places), None)
    if seen.no_text:
        raise DataError(
            f"the feature {name!r} has bytes that are no UTF-8 text ({seen.no_text}); wanted its name in"
            " binary_features"
        )
    if name in binary and kind not in (None, bytes):
        raise DataError(
            f"the feature {name!r} named in binary_features is {_NAMES[kind]} ({places[kind]}); wanted bytes"
        )
    return Column(name, kind, name in arrays or seen.is_array, name not in binary)


def schema_of(columns: Iterable[Column]) -> "StructType":
    """Return Spark's schema of such rows; every column may be null."""
    from pyspark.sql.types import ArrayType, StructField, StructType

    def type_of(column: Column) -> "DataType":
        return ArrayType(_scalar(column)) if column.is_array else _scalar(column)

    return StructType([StructField(column.name, type_of(column), True) for column in columns])


def _scalar(column: Column) -> "DataType":
    from pyspark.sql.types import BinaryType, DoubleType, LongType, StringType

    if column.kind is int:
        return LongType()
    if column.kind is float:
        return DoubleType()
    return StringType() if column.is_text else BinaryType()


def value_in(features: Mapping[str, Value], column: Column) -> Any:
    """Return a column's value in one record; None where the record does not have it."""
    value = features.get(column.name)
    if value is None or value.kind is None:
        return None
    items: Sequence[Any] = value.items
    if value.kind is bytes:
        items = [str(item, "utf-8") if column.is_text else bytearray(item) for item in items]
    if column.is_array:
        return list(items)
    return items[0] if items else None


def encoder(dtype: str, column: str) -> "_Encoder":
    """Return the encoder of a column whose ``DataFrame.dtypes`` is ``dtype``; raise UsageError if there is none."""
    is_array = dtype.startswith("array<") and dtype.endswith(">")
    base = dtype[len("array<") : -1] if is_array else dtype
    base = "string" if _SIZED_TEXT.fullmatch(base) else base
    if base not in _KINDS:
        raise UsageError(
            f"the column {column!r} is {dtype}, which a TFRecord cannot hold; wanted a number, boolean, string or"
            " binary, or an array of such"
        )
    return _Encoder(column, dtype, base, is_array)


@dataclasses.dataclass(frozen=True)
class _Encoder:
    """Makes the feature of one column's value."""

    column: str
    dtype: str
    base: str
    is_array: bool

    def __call__(self, value: Any) -> Value:
        """Return the feature; that of a null has a name and no values, so that the column stays."""
        if value is None:
            return Value(None, ())
        kind = _KINDS[self.base]
        try:
            if self.is_array and isinstance(value, str | bytes | bytearray):
                raise TypeError  # it has items too, but they are not what was meant
            items = [self._item(kind, item) for item in (value if self.is_array else (value,))]
        except (TypeError, UnicodeEncodeError) as err:
            raise RecordError(
                f"the column {self.column!r} has {_short(value)}; wanted {self.dtype}, without nulls inside of it"
            ) from err
        return Value(kind, items)

    def _item(self, kind: type, value: Any) -> Any:
        if kind is int:
            number = operator.index(value)
            if not -(2**63) <= number < 2**63:
                raise TypeError
            return number
        if kind is float:
            return self._float(value)
        if self.base == "string":
            if not isinstance(value, str):
                raise TypeError
            return value.encode()
        return bytes(memoryview(value))  # bytes(3) would be three zeros

    def _float(self, value: Any) -> float:
        if isinstance(value, str):
            raise TypeError
        number = float(value)
        if number - number == 0 and abs(number) >= _FLOAT32_END:
            raise RecordError(f"the column {self.column!r} has {number!r}, more than the float32 of a TFRecord holds")
        return number


_FLOAT32_END = 2.0**128 - 2.0**103  # from here on float32 rounds to infinity


def _is_text(item: Any) -> bool:
    try:
        str(item, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."
