"""The schema of the control channel takes what it knows, and nothing else."""

import base64
import dataclasses
import json
import typing

import pytest

from sparkcv.channel import messages
from sparkcv.channel.auth import OVERHEAD_BYTES
from sparkcv.channel.frames import MAX_FRAME_BYTES
from sparkcv.channel.messages import (
    Beat,
    End,
    ExchangeText,
    Hello,
    LeaveSlot,
    Message,
    ReadText,
    Reply,
    Request,
    SlotReply,
    TakeSlot,
    TokenReply,
    TokenRequest,
)
from sparkcv.channel.schema import decode, encode
from sparkcv.errors import ChannelError

HELLO = Hello(role="worker:1", generation=0, agent="ab", host="h", task="3.7", pid=5)
BEAT = Beat(state="running", pid=7, rss_bytes=1 << 30, status={"loss": 1.5}, lines=["ü", "\x1b[1m"], num_dropped=0)
END = End(returncode=-9, result=None, error="", error_kind="", tail=["x"], peak_rss_bytes=5)
REPLY = Reply("stop", 2.5, "done")
TOKENS = TokenReply("dG9rZW5z", 3)
SLOT_REPLY = SlotReply(text="host:1", num_texts=2)
ALL = (
    *(HELLO, BEAT, END, REPLY),
    *(TokenRequest(2), TOKENS),
    *(TakeSlot(1, "3.7"), ExchangeText(0, "host:1"), ReadText(0, 1), LeaveSlot("OSError: gone"), SLOT_REPLY),
)


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message):
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_a_missing_and_an_unknown_field_are_refused(message):
    fields = json.loads(encode(message))
    for name in fields:
        with pytest.raises(ChannelError):
            decode(json.dumps({key: value for key, value in fields.items() if key != name}).encode())
    with pytest.raises(ChannelError, match="expected the fields"):
        decode(json.dumps(fields | {"more": 1}).encode())


@pytest.mark.parametrize(
    ("message", "name", "value"),
    [
        (HELLO, "role", 1),
        (HELLO, "role", "x" * 300),
        (HELLO, "generation", -1),
        (HELLO, "generation", True),
        (HELLO, "pid", 1.5),
        (HELLO, "pid", 2**63),
        (BEAT, "state", "dancing"),
        (BEAT, "status", [1]),
        (BEAT, "status", {"x": "y" * 9000}),
        (BEAT, "lines", "text"),
        (BEAT, "lines", [1]),
        (BEAT, "lines", ["x" * 20000]),
        (END, "returncode", "0"),
        (END, "returncode", 999),
        (END, "result", {"x": "y" * 50_000}),
        (END, "error", "x" * 3000),
        (REPLY, "order", "eval"),
        (REPLY, "order", ["go"]),
        (REPLY, "grace_s", -1),
        (REPLY, "grace_s", float("inf")),
        (REPLY, "grace_s", float("nan")),
        (TokenRequest(2), "tokens_held", -1),
        (TOKENS, "tokens", "x" * 60_000),
        (TOKENS, "tokens", "ü"),
        (TOKENS, "tokens_number", "1"),
        (TakeSlot(0, "1.1"), "index", -1),
        (TakeSlot(0, "1.1"), "index", "0"),
        (TakeSlot(0, "1.1"), "task", "x" * 300),
        (ExchangeText(0, "x"), "round", -1),
        (ExchangeText(0, "x"), "round", None),
        (ExchangeText(0, "x"), "text", 1),
        (ExchangeText(0, "x"), "text", "x" * 9000),
        (ReadText(0, 1), "index", True),
        (LeaveSlot(""), "error", "x" * 3000),
        (SLOT_REPLY, "refusal", None),
        (SLOT_REPLY, "num_texts", 1.0),
    ],
)
def test_a_value_out_of_its_bounds_is_refused_in_both_directions(message, name, value):
    with pytest.raises(ChannelError, match=f"field {name}"):
        encode(dataclasses.replace(message, **{name: value}))
    with pytest.raises(ChannelError, match=f"field {name}"):
        decode(json.dumps(json.loads(encode(message)) | {name: value}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"hello"',
        b"\xff\xfe",
        b'{"kind": "exec"}',
        b'{"kind": ["hello"]}',
        b'{"kind": {}}',
        b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins\x94\x8c\x04exec\x94\x93\x94.",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"1" * 10_000,
        b'{"kind": "reply", "order": "go", "grace_s": ' + b"9" * 5000 + b', "reason": ""}',
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ChannelError):
        decode(data)


def test_the_largest_messages_fit_a_frame():
    text = "x" * (messages.MAX_RESULT_BYTES - 20)
    lines = ["y" * (messages.MAX_LINES_BYTES - 10)]
    assert len(encode(dataclasses.replace(END, result={"x": text}, tail=lines))) + 100 < MAX_FRAME_BYTES
    tokens = base64.b64encode(bytes(messages.MAX_TOKENS_BYTES)).decode()
    for reply in (Reply("stop", 2.5, "\u2028" * 2048, tokens=tokens), TokenReply(tokens)):
        assert len(encode(reply)) + OVERHEAD_BYTES + 4 <= MAX_FRAME_BYTES


def test_all_messages_are_tried_here_and_each_request_names_the_class_that_answers_it():
    assert {type(message) for message in ALL} == set(typing.get_args(Message))
    for message in ALL:
        assert isinstance(message, Request) == (type(message) not in {Reply, TokenReply, SlotReply})
        if isinstance(message, Request):
            assert type(message).answered_by in {Reply, TokenReply, SlotReply}
