"""Pack the values of a row as msgpack with types of our own: what goes in comes out, type for type.

msgpack has no tuple, no array and no integer above 64 bits, and would give a NumPy scalar back as a float. Each of
those is one extension type here. Only a bytearray, which is what Spark makes of a binary column, comes out as bytes:
TensorFlow takes a bytearray for a list of numbers. Nothing is ever made of a class that the sender names: the list
below is all.
"""

import datetime
import decimal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgpack

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NoSuchValueError", "make_packer", "unpack"]

_TUPLE, _BIG_INT, _ARRAY, _SCALAR, _ROW, _SET, _FROZENSET, _COMPLEX = range(1, 9)
_DATETIME, _DATE, _TIME, _DECIMAL, _DENSE, _SPARSE, _TIMEDELTA = range(10, 17)
_ARRAY_KINDS = "biufcSUMm"  # what has a size of its own: no objects, no records


class NoSuchValueError(TypeError):
    """A value of a type that is not carried; the message names the type."""


def make_packer() -> Callable[[Any], bytes]:
    """Return a function from a value to its bytes; it raises NoSuchValueError, and is for one thread only."""
    packer = msgpack.Packer(default=_extension, strict_types=True, autoreset=True)

    def pack(value: Any) -> bytes:
        try:
            data: bytes = packer.pack(value)
        except BaseException:
            packer.reset()  # else the half that was packed begins the next value
            raise
        return data

    return pack


def unpack(data: bytes) -> Any:
    """Return the value that ``data`` holds; raise ValueError for bytes that hold none."""
    try:
        return msgpack.unpackb(data, ext_hook=_value, strict_map_key=False)
    except (msgpack.exceptions.UnpackException, TypeError, KeyError, RecursionError, decimal.InvalidOperation) as err:
        raise ValueError(f"{len(data)} bytes hold no row: {err}") from err


def _pack(value: Any) -> bytes:
    # A packer of its own: the outer one is in the middle of its value.
    data: bytes = msgpack.packb(value, default=_extension, strict_types=True)
    return data


def _extension(value: Any) -> Any:
    kind = type(value)
    if kind is tuple:
        return msgpack.ExtType(_TUPLE, _pack(list(value)))
    if kind is int:
        return msgpack.ExtType(_BIG_INT, str(value).encode())
    numpy = sys.modules.get("numpy")  # who has a value of its has it loaded; others need not wait for it
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _array(value)
    if numpy is not None and isinstance(value, numpy.generic):
        _check_dtype(value.dtype)
        return msgpack.ExtType(_SCALAR, _pack([value.dtype.str, value.tobytes()]))
    if kind in _SIMPLE:
        code, parts = _SIMPLE[kind]
        return msgpack.ExtType(code, _pack(parts(value)))
    return _of_spark(value, f"{kind.__module__}.{kind.__qualname__}")


def _of_spark(value: Any, name: str) -> Any:
    """By name, since importing pyspark's classes to compare with takes a second."""
    if name == "pyspark.sql.types.Row":
        return msgpack.ExtType(_ROW, _pack([list(getattr(value, "__fields__", ())), list(value)]))
    if name == "pyspark.ml.linalg.DenseVector" or name == "pyspark.mllib.linalg.DenseVector":
        return msgpack.ExtType(_DENSE, _pack(value.toArray()))
    if name == "pyspark.ml.linalg.SparseVector" or name == "pyspark.mllib.linalg.SparseVector":
        return msgpack.ExtType(_SPARSE, _pack([int(value.size), value.indices, value.values]))
    raise NoSuchValueError(name.removeprefix("builtins."))


def _array(value: "np.ndarray") -> Any:
    _check_dtype(value.dtype)
    if type(value).__module__ != "numpy":
        raise NoSuchValueError(f"{type(value).__module__}.{type(value).__qualname__}")
    return msgpack.ExtType(_ARRAY, _pack([value.dtype.str, list(value.shape), value.tobytes()]))


def _check_dtype(dtype: "np.dtype") -> None:
    if dtype.kind not in _ARRAY_KINDS:
        raise NoSuchValueError(f"numpy.ndarray of dtype {dtype}")


def _made_array(parts: Any) -> "np.ndarray":
    import numpy as np

    dtype, shape, data = parts
    if np.dtype(dtype).kind not in _ARRAY_KINDS:
        raise ValueError(f"an array of dtype {dtype} is not carried")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()  # a copy can be written to


def _made_scalar(parts: Any) -> Any:
    import numpy as np

    dtype, data = parts
    if not np.dtype(dtype).itemsize and np.dtype(dtype).kind in "SU":  # an empty text, of which no array can be made
        return np.dtype(dtype).type()
    return _made_array([dtype, [1], data])[0]


def _made_row(parts: Any) -> Any:
    from pyspark.sql.types import Row, _create_row

    fields, values = parts
    return _create_row(fields, values) if fields else Row(*values)


def _made_dense(parts: Any) -> Any:
    from pyspark.ml.linalg import DenseVector

    return DenseVector(parts)


def _made_sparse(parts: Any) -> Any:
    from pyspark.ml.linalg import SparseVector

    return SparseVector(*parts)


_SIMPLE: dict[type, tuple[int, Callable[[Any], Any]]] = {
    set: (_SET, list),
    frozenset: (_FROZENSET, list),
    complex: (_COMPLEX, lambda value: [value.real, value.imag]),
    datetime.datetime: (_DATETIME, datetime.datetime.isoformat),
    datetime.date: (_DATE, datetime.date.isoformat),
    datetime.time: (_TIME, datetime.time.isoformat),
    datetime.timedelta: (_TIMEDELTA, lambda value: [value.days, value.seconds, value.microseconds]),
    decimal.Decimal: (_DECIMAL, str),
}
_MAKERS: dict[int, Callable[[Any], Any]] = {
    _TUPLE: tuple,
    _ARRAY: _made_array,
    _SCALAR: _made_scalar,
    _ROW: _made_row,
    _SET: set,
    _FROZENSET: frozenset,
    _COMPLEX: lambda parts: complex(*parts),
    _DATETIME: datetime.datetime.fromisoformat,
    _DATE: datetime.date.fromisoformat,
    _TIME: datetime.time.fromisoformat,
    _TIMEDELTA: lambda parts: datetime.timedelta(*parts),
    _DECIMAL: decimal.Decimal,
    _DENSE: _made_dense,
    _SPARSE: _made_sparse,
}


def _value(code: int, data: bytes) -> Any:
    if code == _BIG_INT:
        return int(data)
    maker = _MAKERS.get(code)
    if maker is None:
        raise ValueError(f"no value has the extension type {code}")
    return maker(unpack(data))
