"""Send the user's function to the executors: by Spark's own serialisation, inside of Spark's own task data.

That is the one way by which a function that was typed into a notebook can travel at all. ``load`` unpickles what came
with the task from the driver, as Spark itself does with every function; nothing that came by a connection of ours.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from sparkcv.errors import UsageError

__all__ = ["Call", "check_call", "dump", "load", "name_of"]


@dataclasses.dataclass(frozen=True)
class Call:
    """The function that a node process calls, its arguments, and the secret shared with those who feed it."""

    map_fun: Callable[[Any, Any], Any]
    tf_args: Any
    secret: bytes = dataclasses.field(repr=False)


def name_of(map_fun: object) -> str:
    """Return the name that its author gave it."""
    return str(getattr(map_fun, "__qualname__", None) or repr(map_fun))


def check_call(map_fun: object) -> None:
    """Raise UsageError unless ``map_fun(tf_args, ctx)`` can be called."""
    if not callable(map_fun):
        raise UsageError(f"map_fun must be a function of (tf_args, ctx), got a {type(map_fun).__name__}")
    try:
        signature = inspect.signature(map_fun)
    except (TypeError, ValueError):  # written in C, or of a kind that tells nothing of itself
        return
    try:
        signature.bind(None, None)
    except TypeError as err:
        raise UsageError(
            f"map_fun is called with two arguments, (tf_args, ctx), but {name_of(map_fun)}{signature} does not take "
            f"them: {err}"
        ) from err


def dump(call: Call) -> bytes:
    """Return ``call`` as bytes for Spark's task data; raise UsageError for what cannot be pickled."""
    from pyspark import cloudpickle

    def pickled(value: Any) -> bytes | Exception:
        try:
            data: bytes = cloudpickle.dumps(value)
        except Exception as err:  # noqa: BLE001 - whatever a __reduce__ of the user's raises
            return err
        return data

    data = pickled((call.map_fun, call.tf_args, call.secret))
    if isinstance(data, bytes):
        return data
    is_of_args = isinstance(pickled(call.map_fun), bytes)
    what = "tf_args" if is_of_args else "map_fun " + name_of(call.map_fun)
    raise UsageError(f"{what} cannot be sent to the executors: {type(data).__name__}: {data}") from data


def load(data: bytes) -> Call:
    """Return the call that ``dump`` serialized; raise UsageError if its modules cannot be imported here."""
    from pyspark import cloudpickle

    try:
        return Call(*cloudpickle.loads(data))
    except Exception as err:  # whatever importing the user's modules raises
        raise UsageError(
            f"the map_fun or its arguments cannot be loaded on the executors: {type(err).__name__}: {err}; modules of "
            "your own go along by --py-files"
        ) from err
