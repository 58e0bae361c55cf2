"""The fixed schema of the control channel: messages as JSON, and nothing else is understood.

A message travels as a JSON object whose ``"kind"`` names the class. Unknown kinds, unknown or missing fields,
values of another type or longer than allowed are refused: a parser that guesses is a parser to be fooled.
"""

import dataclasses
import json
import typing
from typing import Any

from sparkcv.channel import messages
from sparkcv.channel.messages import Message, Request, json_size
from sparkcv.errors import ChannelError

__all__ = ["decode", "encode"]

_MAX_NAME_CHARS = 256
_MAX_SENTENCE_CHARS = 2048
_MAX_TOKENS_CHARS = 4 * (messages.MAX_TOKENS_BYTES // 3 + 1)  # in base64
_INT_BITS = 63

_KINDS: dict[str, type] = {cls.__name__.lower(): cls for cls in typing.get_args(Message)}
_NAMES = {cls: name for name, cls in _KINDS.items()}
_ORDERS = ("go", "stop", "restart", "stacks", "refuse")
_STATES = ("starting", "running", "ended")
_TOLD = ("", "agent", "process")


def encode(message: Message | Request[Any]) -> bytes:
    """Return the JSON bytes of ``message``; raise ChannelError for one that the other side would refuse."""
    fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    for name, value in fields.items():
        _check(type(message), name, value)
    return json.dumps({"kind": _NAMES[type(message)], **fields}, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Return the message that ``data`` holds; raise ChannelError saying what is wrong with it."""
    try:
        return _message(json.loads(data))
    except ChannelError:
        raise
    except (ValueError, RecursionError) as err:  # UnicodeDecodeError is a ValueError
        raise ChannelError(f"expected a JSON message, got {len(data)} bytes that are none") from err


def _message(fields: object) -> Message:
    if not isinstance(fields, dict):
        raise ChannelError(f"expected a message object, got a JSON {type(fields).__name__}")
    kind = fields.pop("kind", None)
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ChannelError(f"expected a message of kind {', '.join(_KINDS)}, got {str(kind)[:40]!r}")
    wanted = {field.name for field in dataclasses.fields(cls)}
    if fields.keys() != wanted:
        odd = sorted(fields.keys() ^ wanted)
        raise ChannelError(f"expected the fields {sorted(wanted)} in a {kind}, differing in {str(odd)[:200]}")
    for name, value in fields.items():
        _check(cls, name, value)
    message: Message = cls(**fields)
    return message


def _check(cls: type, name: str, value: object) -> None:
    if not _is_valid(name, value):
        raise ChannelError(f"field {name} of a {_NAMES[cls]} has a value out of its type or bounds")


def _is_valid(name: str, value: object) -> bool:
    match name:
        case "role" | "agent" | "host" | "task" | "error_kind" | "process" | "links":
            return isinstance(value, str) and len(value) <= _MAX_NAME_CHARS
        case "error" | "reason" | "refusal":
            return isinstance(value, str) and len(value) <= _MAX_SENTENCE_CHARS
        case "tokens":
            return isinstance(value, str) and value.isascii() and len(value) <= _MAX_TOKENS_CHARS
        case "text":
            return isinstance(value, str) and json_size(value) <= messages.MAX_STATUS_BYTES
        case "order":
            return value in _ORDERS
        case "state":
            return value in _STATES
        case "was_running":
            return isinstance(value, bool)
        case "told_to_end":
            return value in _TOLD
        case (
            "generation"
            | "attempt"
            | "tokens_held"
            | "tokens_number"
            | "pid"
            | "rss_bytes"
            | "num_dropped"
            | "number"
            | "index"
            | "round"
            | "num_texts"
            | "peak_rss_bytes"
        ):
            return _is_int(value) and 0 <= value < 2**_INT_BITS  # type: ignore[operator]
        case "returncode":
            return value is None or (_is_int(value) and -256 < value < 256)  # type: ignore[operator]
        case "grace_s":
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3600
        case "status":
            return value is None or (isinstance(value, dict) and json_size(value) <= messages.MAX_STATUS_BYTES)
        case "result":
            return value is None or (isinstance(value, dict) and json_size(value) <= messages.MAX_RESULT_BYTES)
        case "lines" | "tail":
            return (
                isinstance(value, list)
                and all(isinstance(line, str) for line in value)
                and json_size(value) <= messages.MAX_LINES_BYTES
            )
        case _:
            return False


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
