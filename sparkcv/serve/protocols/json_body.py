"""JSON bodies, read within limits and refused in one sentence."""

import base64
import binascii
import itertools
import json
from typing import Any

from sparkcv.serve.errors import RequestError

__all__ = ["decoded_base64", "is_numbers", "parse_object", "said"]


_MAX_SAID = 100


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; raises RequestError (400) for anything else, NaN and Infinity among it."""
    try:
        value = json.loads(body, parse_constant=_refuse)
    except RecursionError:
        raise RequestError(400, "the body is JSON that is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as err:
        raise RequestError(400, f"the body is not JSON: {str(err)[:120]}") from err
    if not isinstance(value, dict):
        raise RequestError(400, f"the body is a JSON {_kind(value)}, wanted an object")
    return value


def decoded_base64(text: Any, where: str) -> bytes:
    """Return the bytes of base64 text (RFC 4648), also of one broken into lines as MIME has it.

    Raises RequestError naming ``where`` for anything else.
    """
    if not isinstance(text, str):
        raise RequestError(400, f"{where}: b64 is a JSON {_kind(text)}, wanted base64 text")
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as err:
        raise RequestError(400, f"{where}: this is no base64 ({err})") from err


def is_numbers(value: Any) -> bool:
    """Tell whether a value is a number, or arrays of equal depth whose values are all numbers.

    NumPy is asked for no other array: one long text among many gives each of them its length.
    """
    values = [value]
    while values and type(values[0]) is list:
        if any(type(one) is not list for one in values):
            return False
        values = list(itertools.chain.from_iterable(values))
    return set(map(type, values)) <= {int, float}


def said(value: Any) -> str:
    """Return a value of JSON for an error's sentence: short, and without what could break its line."""
    text = repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= _MAX_SAID else f"{text[:_MAX_SAID]}..."


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), "object")
