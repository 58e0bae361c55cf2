"""The fixed schema of the control channel: each message is a frozen dataclass, and nothing else is understood.

A message travels as a JSON object whose ``"kind"`` names the class. Unknown kinds, unknown or missing fields,
values of another type or longer than allowed are refused: a parser that guesses is a parser to be fooled.
"""

import dataclasses
import json
from typing import Any, Literal

from sparkcv.errors import ChannelError

__all__ = [
    "Beat",
    "End",
    "Hello",
    "MAX_LINES_BYTES",
    "MAX_RESULT_BYTES",
    "MAX_SENTENCE_CHARS",
    "MAX_STATUS_BYTES",
    "MAX_TOKENS_BYTES",
    "Message",
    "Reply",
    "decode",
    "encode",
    "json_size",
]

MAX_RESULT_BYTES = 48 * 1024  # of a role's result as JSON; bigger ones belong into storage
MAX_SENTENCE_CHARS = 1500
MAX_STATUS_BYTES = 8 * 1024
MAX_LINES_BYTES = 12 * 1024  # of all log lines in one message as JSON: result + lines stay below one frame
MAX_TOKENS_BYTES = 36 * 1024  # of a file of delegation tokens: in base64 it stays below one frame
_MAX_NAME = 256
_MAX_TEXT = 2048
_BITS = 63


@dataclasses.dataclass(frozen=True)
class Hello:
    """Agent to driver, first on every connection: this agent holds this role.

    Attributes:
        role: such as ``"worker:1"``.
        generation: counts the launches of a run from 0; an agent of an older one is refused.
        agent: random name of this agent process; a second agent for a taken role is refused.
        host: address by which the other roles reach this one.
        task: what the cluster manager calls the agent's seat.
        pid: of the agent.
        tokens_held: number of the delegation tokens that it has; 0 before the first.
    """

    role: str
    generation: int
    agent: str
    host: str
    task: str
    pid: int
    tokens_held: int = 0


@dataclasses.dataclass(frozen=True)
class Beat:
    """Agent to driver, about once a second.

    Attributes:
        state: ``"starting"`` until the node process has its program loaded, then ``"running"``; ``"ended"`` while the
            agent waits for what the driver says to its End.
        pid: of the node process; 0 while there is none.
        rss_bytes: resident memory of the node process now.
        status: what the program reported last, or None if nothing new.
        lines: new log lines of the role.
        num_dropped: lines that were left out because there were too many.
        attempt: counts the node processes of this agent from 0; what is said of an older one is no news.
        process: what the kernel says of the node process, such as ``"sleeping"`` or ``"stopped"``; "" if there is none.
        told_to_end: who was sent a SIGTERM from outside of the run: ``"agent"``, ``"process"`` or "".
        tokens_held: as in :class:`Hello`.
        number: counts the agent's beats from 1: one whose answer was lost is said again, and is no news if it had come;
            0 in a beat that is never said again.
    """

    state: str
    pid: int
    rss_bytes: int
    status: dict[str, Any] | None
    lines: list[str]
    num_dropped: int
    attempt: int = 0
    process: str = ""
    told_to_end: str = ""
    tokens_held: int = 0
    number: int = 0


@dataclasses.dataclass(frozen=True)
class End:
    """Agent to driver, once a node process: it is gone, or could not be started. The agent waits for an order then.

    Attributes:
        returncode: exit code, or minus the signal; None if there was no process.
        result: what the program returned; None unless it returned.
        error: one sentence, or "" for a program that returned.
        error_kind: class name of the program's exception, or "".
        tail: the last log lines.
        peak_rss_bytes: highest resident memory of the node process.
        attempt: of the process that ended, as in :class:`Beat`.
        was_running: whether its program had been loaded.
    """

    returncode: int | None
    result: dict[str, Any] | None
    error: str
    error_kind: str
    tail: list[str]
    peak_rss_bytes: int
    attempt: int = 0
    was_running: bool = False


@dataclasses.dataclass(frozen=True)
class Reply:
    """Driver to agent, the answer to every message.

    Attributes:
        order: ``"go"`` on; ``"stop"`` the node process in good order, kill it after ``grace_s``, and leave;
            ``"restart"``: kill it, if it runs, and start the one that is numbered ``attempt``; ``"stacks"``: let the
            one numbered ``attempt`` write the stacks of its threads to its log, once; ``"refuse"``: this agent has no
            place in the run and must end at once.
        grace_s: seconds between the request to stop and SIGKILL.
        reason: why, for the log.
        attempt: see ``order``.
        tokens: a file of delegation tokens in base64, if the agent has an older one; "" otherwise.
        tokens_number: of those.
    """

    order: Literal["go", "stop", "restart", "stacks", "refuse"] = "go"
    grace_s: float = 0.0
    reason: str = ""
    attempt: int = 0
    tokens: str = dataclasses.field(default="", repr=False)
    tokens_number: int = 0


Message = Hello | Beat | End | Reply
_KINDS: dict[str, type] = {"hello": Hello, "beat": Beat, "end": End, "reply": Reply}
_NAMES = {cls: name for name, cls in _KINDS.items()}
_ORDERS = ("go", "stop", "restart", "stacks", "refuse")
_STATES = ("starting", "running", "ended")
_TOLD = ("", "agent", "process")


def encode(message: Message) -> bytes:
    """The JSON bytes of ``message``; raises ChannelError for one that the other side would refuse."""
    fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    for name, value in fields.items():
        _check(type(message), name, value)
    return json.dumps({"kind": _NAMES[type(message)], **fields}, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """The message that ``data`` holds; raises ChannelError saying what is wrong with it."""
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


def json_size(value: object) -> int:
    """How many bytes ``value`` takes as JSON in a message."""
    return len(json.dumps(value, separators=(",", ":")))


def _check(cls: type, name: str, value: object) -> None:
    if not _is_valid(name, value):
        raise ChannelError(f"field {name} of a {_NAMES[cls]} has a value out of its type or bounds")


def _is_valid(name: str, value: object) -> bool:
    match name:
        case "role" | "agent" | "host" | "task" | "error_kind" | "process":
            return isinstance(value, str) and len(value) <= _MAX_NAME
        case "error" | "reason":
            return isinstance(value, str) and len(value) <= _MAX_TEXT
        case "tokens":
            return isinstance(value, str) and value.isascii() and len(value) <= 4 * (MAX_TOKENS_BYTES // 3 + 1)
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
            | "peak_rss_bytes"
        ):
            return _is_int(value) and 0 <= value < 2**_BITS  # type: ignore[operator]
        case "returncode":
            return value is None or (_is_int(value) and -256 < value < 256)  # type: ignore[operator]
        case "grace_s":
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3600
        case "status":
            return value is None or (isinstance(value, dict) and json_size(value) <= MAX_STATUS_BYTES)
        case "result":
            return value is None or (isinstance(value, dict) and json_size(value) <= MAX_RESULT_BYTES)
        case "lines" | "tail":
            return (
                isinstance(value, list)
                and all(isinstance(line, str) for line in value)
                and json_size(value) <= MAX_LINES_BYTES
            )
        case _:
            return False


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
