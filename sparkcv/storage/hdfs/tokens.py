"""Delegation tokens as Hadoop writes them to a file: read here only to say what is wrong with them."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass

from sparkcv.errors import AccessError
from sparkcv.storage.translate import TroubleError

_VARIABLE = "HADOOP_TOKEN_FILE_LOCATION"
_MAGIC = b"HDTS"
_LAST_S = 60.0
_HDFS_KIND = "HDFS_DELEGATION_TOKEN"


@dataclass(frozen=True)
class Token:
    """A token: its ``kind``, the ``service`` it is for, and when it can no longer be renewed (seconds, 0: unknown)."""

    kind: str
    service: str
    max_date_s: float


def advice(words: str, url: str) -> str:
    """Return the second half of a sentence: what HDFS said of this process's credentials, and what to do."""
    path = os.environ.get(_VARIABLE)
    if path:
        found = f"{_state(path, _service(url))}; submit the job again to get a new token"
    else:
        found = f"there is no delegation token ({_VARIABLE} is not set); run kinit, or submit the job with a keytab"
    return f"{url} does not accept this process's credentials ({words}): {found}"


def check() -> None:
    """Raise TroubleError for a token file that cannot be read as one: hdfs-native breaks down on those."""
    path = os.environ.get(_VARIABLE)
    if path and os.path.exists(path):
        try:
            load(path)
        except (OSError, ValueError) as err:
            raise TroubleError(AccessError, _damaged(path, err)) from err


def _service(url: str) -> str:
    authority = url.partition("://")[2]
    return authority if ":" in authority else f"ha-hdfs:{authority}"


def _damaged(path: str, err: Exception) -> str:
    reason = err.strerror if isinstance(err, OSError) and err.strerror else err
    return f"the token file {path!r} of {_VARIABLE} cannot be read: {reason}"


def _state(path: str, service: str) -> str:
    try:
        tokens = [token for token in load(path) if token.kind == _HDFS_KIND]
    except (OSError, ValueError) as err:
        return _damaged(path, err)
    mine = [token for token in tokens if token.service == service]
    if not mine:
        others = ", ".join(sorted({token.service for token in tokens})) or "none"
        return f"the token file {path!r} holds no token for {service} (it holds tokens for HDFS: {others})"
    ends_s = max(token.max_date_s for token in mine)
    if 0 < ends_s < time.time() + _LAST_S:  # hdfs-native does not use it in its last minute
        return f"the token for {service} in {path!r} ends at {time.strftime('%F %T', time.localtime(ends_s))}"
    return f"the token for {service} in {path!r} has expired or was cancelled"


def load(path: str) -> list[Token]:
    """Read a token file; raises ValueError if it is none, OSError if it cannot be read."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin with HDTS")
    try:
        if data[4] == 0:
            return _of_writable(_Cursor(data, 5))
        if data[4] == 1:
            return _of_protobuf(data[5:])
    except (IndexError, UnicodeDecodeError, struct.error) as err:
        raise ValueError("it is cut short or damaged") from err
    raise ValueError(f"its format is {data[4]}, wanted 0 or 1")


class _Cursor:
    """Reads Hadoop's ``Writable`` integers and strings."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at = data, at

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise IndexError
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        first = struct.unpack("b", self.take(1))[0]
        if first >= -112:
            return int(first)
        is_negative = first < -120
        value = int.from_bytes(self.take(-120 - first if is_negative else -112 - first), "big")
        return ~value if is_negative else value

    def field(self) -> bytes:
        return self.take(self.number())


def _of_writable(cursor: _Cursor) -> list[Token]:
    tokens = []
    for _ in range(cursor.number()):
        cursor.field()  # its alias
        identifier = cursor.field()
        cursor.field()  # its password
        kind, service = cursor.field().decode(), cursor.field().decode()
        tokens.append(Token(kind, service, _max_date_s(identifier, kind)))
    return tokens


def _max_date_s(identifier: bytes, kind: str) -> float:
    if kind != _HDFS_KIND:
        return 0.0
    cursor = _Cursor(identifier)
    cursor.take(1)  # its version
    for _ in range(3):  # owner, renewer, real user
        cursor.field()
    cursor.number()  # its date of issue
    return cursor.number() / 1000


def _of_protobuf(data: bytes) -> list[Token]:
    tokens = []
    for number, entry in _fields(_delimited(data)):
        if number != 1:  # CredentialsProto.tokens
            continue
        for inner, token in _fields(entry):
            if inner == 2:  # CredentialsKVProto.token
                parts = dict(_fields(token))
                kind = parts.get(3, b"").decode()
                tokens.append(Token(kind, parts.get(4, b"").decode(), _max_date_s(parts.get(1, b""), kind)))
    return tokens


def _delimited(data: bytes) -> bytes:
    size, at = _varint(data, 0)
    if at + size > len(data):
        raise IndexError
    return data[at : at + size]


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Return the length-delimited fields of a protobuf message, by number; these messages have no others."""
    found, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        size, at = _varint(data, at)
        if key & 7 != 2 or at + size > len(data):
            raise IndexError
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
