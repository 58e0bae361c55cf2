"""The messages between the driver and its agents, tasks and task slots: frozen dataclasses, each with one meaning.

How they travel, and the bounds that their values are held to, are in schema.py.
"""

import dataclasses
import json
from typing import Any, ClassVar, Generic, Literal, TypeVar

__all__ = [
    "Answer",
    "Beat",
    "End",
    "ExchangeText",
    "Hello",
    "LeaveSlot",
    "MAX_LINES_BYTES",
    "MAX_RESULT_BYTES",
    "MAX_SENTENCE_CHARS",
    "MAX_STATUS_BYTES",
    "MAX_TOKENS_BYTES",
    "Message",
    "ReadText",
    "Reply",
    "Request",
    "SlotReply",
    "TakeSlot",
    "TokenReply",
    "TokenRequest",
    "json_size",
]

MAX_RESULT_BYTES = 48 * 1024  # of a role's result as JSON; bigger ones belong into storage
MAX_SENTENCE_CHARS = 1500
MAX_STATUS_BYTES = 8 * 1024
MAX_LINES_BYTES = 12 * 1024  # of all log lines in one message as JSON: result + lines stay below one frame
MAX_TOKENS_BYTES = 36 * 1024  # of a file of delegation tokens: in base64 it stays below one frame

Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True)
class Request(Generic[Answer]):
    """A message that the driver answers by one of a certain class."""

    answered_by: ClassVar[type[Any]]


@dataclasses.dataclass(frozen=True)
class Hello(Request["Reply"]):
    """Agent to driver, first on every connection: this agent runs this role.

    Attributes:
        role: such as ``"worker:1"``.
        generation: counts the launches of a run from 0; an agent of an older one is refused.
        agent: random name of this agent process; a second agent for a taken role is refused.
        host: address by which the other roles reach this one.
        task: what the cluster manager calls the agent's task slot.
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
class Beat(Request["Reply"]):
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
        links: of a role that was asked for its stacks: ``"whole"``, or which servers do not answer it, such as
            ``"ps:0"``; "" before that is known.
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
    links: str = ""


@dataclasses.dataclass(frozen=True)
class End(Request["Reply"]):
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
            one numbered ``attempt`` write the stacks of its threads to its log, once until another order comes;
            ``"refuse"``: this agent has no part in the run and must end at once.
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


@dataclasses.dataclass(frozen=True)
class TokenRequest(Request["TokenReply"]):
    """Task to driver: give me the newest delegation tokens, if mine are older.

    Attributes:
        tokens_held: number of those that the task has; 0 before the first.
    """

    tokens_held: int


@dataclasses.dataclass(frozen=True)
class TokenReply:
    """Driver to task.

    Attributes:
        tokens: a file of delegation tokens in base64; "" if there are no newer ones.
        tokens_number: of those.
    """

    tokens: str = dataclasses.field(default="", repr=False)
    tokens_number: int = 0


@dataclasses.dataclass(frozen=True)
class TakeSlot(Request["SlotReply"]):
    """Task to driver, first on its connection: I am the agent in this task slot. A slot is taken once.

    Attributes:
        index: of the slot in its launch.
        task: what the cluster manager calls the task.
    """

    index: int
    task: str


@dataclasses.dataclass(frozen=True)
class ExchangeText(Request["SlotReply"]):
    """Task to driver: this is my text of this round, counted from 0. The reply tells how many have sent theirs."""

    round: int
    text: str


@dataclasses.dataclass(frozen=True)
class ReadText(Request["SlotReply"]):
    """Task to driver, once all have sent theirs: what was the text of the slot ``index`` in this round?"""

    round: int
    index: int


@dataclasses.dataclass(frozen=True)
class LeaveSlot(Request["SlotReply"]):
    """Task to driver: my agent has ended, with this error; "" if it returned."""

    error: str


@dataclasses.dataclass(frozen=True)
class SlotReply:
    """Driver to task, the answer to each of the four messages above.

    Attributes:
        refusal: why the request is refused; "" if it is not.
        text: what was asked for by ReadText.
        num_texts: how many have sent their text of the round.
    """

    refusal: str = ""
    text: str = ""
    num_texts: int = 0


Hello.answered_by = Beat.answered_by = End.answered_by = Reply
TokenRequest.answered_by = TokenReply
TakeSlot.answered_by = ExchangeText.answered_by = ReadText.answered_by = LeaveSlot.answered_by = SlotReply

Message = (
    Hello | Beat | End | Reply | TokenRequest | TokenReply | TakeSlot | ExchangeText | ReadText | LeaveSlot | SlotReply
)


def json_size(value: object) -> int:
    """Return how many bytes ``value`` takes as JSON in a message."""
    return len(json.dumps(value, separators=(",", ":")))
