"""Delegation tokens as Hadoop writes them to a file: read in both of its forms, written in the older one."""

from __future__ import annotations

import dataclasses
import functools
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from sparkcv.errors import AccessError
from sparkcv.storage.hadoop import HadoopConf
from sparkcv.storage.hdfs.address import with_port
from sparkcv.storage.kerberos.binary import Cursor
from sparkcv.storage.translate import FileSystemError

__all__ = ["HDFS_KIND", "LAST_S", "Token", "VARIABLE", "aliased", "check", "damaged", "dump", "held", "load", "parse"]

VARIABLE = "HADOOP_TOKEN_FILE_LOCATION"
HDFS_KIND = "HDFS_DELEGATION_TOKEN"
LAST_S = 60.0
"""hdfs-native does not use a token in its last minute."""

_MAGIC = b"HDTS"


@dataclasses.dataclass(frozen=True)
class Token:
    """A token: its ``kind``, the ``service`` that it is for, with the identifier and password that are shown to it.

    The identifier of an HDFS token holds more; for others ``owner`` and ``renewer`` are "" and the times are 0.
    """

    kind: str
    service: str
    identifier: bytes = b""
    password: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def owner(self) -> str:
        """The user that it authenticates, such as ``alice@EXAMPLE.COM``."""
        return str(self._decoded[0])

    @property
    def renewer(self) -> str:
        """Who may renew it, such as ``rm``."""
        return str(self._decoded[1])

    @property
    def issued_s(self) -> float:
        """When it was issued, in seconds since 1970."""
        return float(self._decoded[2])

    @property
    def max_date_s(self) -> float:
        """When it can no longer be renewed."""
        return float(self._decoded[3])

    @functools.cached_property
    def _decoded(self) -> tuple[str, str, float, float]:
        if self.kind != HDFS_KIND:
            return "", "", 0.0, 0.0
        cursor = Cursor(self.identifier)
        cursor.take(1)  # its version
        owner, renewer, _ = (_read_field(cursor).decode() for _ in range(3))
        return owner, renewer, _read_number(cursor) / 1000, _read_number(cursor) / 1000


def check() -> None:
    """Raise FileSystemError for a token file that cannot be read as one: hdfs-native panics on those."""
    path = os.environ.get(VARIABLE)
    if path and os.path.exists(path):
        try:
            held()
        except (OSError, ValueError) as err:
            raise FileSystemError(AccessError, damaged(path, err)) from err


def damaged(path: str, err: Exception) -> str:
    """Return the sentence for a token file that could not be read."""
    reason = err.strerror if isinstance(err, OSError) and err.strerror else err
    return f"the token file {path!r} of {VARIABLE} cannot be read: {reason}"


def held() -> list[Token]:
    """Read this process's token file, [] if it was given none; raise ValueError and OSError as ``load``."""
    path = os.environ.get(VARIABLE)
    return load(path) if path else []


def load(path: str) -> list[Token]:
    """Read a token file; raise ValueError if it is not one, OSError if it cannot be read."""
    with open(path, "rb") as file:
        return parse(file.read())


def parse(data: bytes) -> list[Token]:
    """Read the bytes of a token file; raise ValueError if they are not one."""
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin with HDTS")
    try:
        form = data[4]
        tokens = _of_writable(data[5:]) if form == 0 else _of_protobuf(data[5:]) if form == 1 else None
        if tokens is not None:
            for token in tokens:
                _ = token.max_date_s  # an identifier that cannot be read is damage too
            return tokens
    except (IndexError, UnicodeDecodeError) as err:
        raise ValueError("it is cut short or damaged") from err
    raise ValueError(f"its format is {form}, wanted 0 or 1")


def dump(tokens: Iterable[Token]) -> bytes:
    """Return the bytes of a token file; the only secrets in it are the passwords of these tokens."""
    tokens = list(tokens)
    parts = [_MAGIC, b"\0", _number(len(tokens))]
    for token in tokens:
        fields = (token.service.encode(), token.identifier, token.password, token.kind.encode(), token.service.encode())
        parts += [_number(len(field)) + field for field in fields]
    return b"".join([*parts, _number(0)])


def aliased(tokens: Iterable[Token], conf: HadoopConf, others: Iterable[str] = ()) -> list[Token]:
    """Return the tokens for HDFS, each also under the other names of its NameNode.

    Java writes the IP address of a NameNode without a standby into a token; hdfs-native looks for what the
    configuration calls it, or the URL: ``others`` are those of file systems that the configuration does not name.
    """
    found = {token.service: token for token in tokens if token.kind == HDFS_KIND}
    for names in _names(conf, others):
        known = next((found[one] for one in names if one in found), None)
        if known is not None:
            found |= {one: dataclasses.replace(known, service=one) for one in names if one not in found}
    return list(found.values())


def _names(conf: HadoopConf, others: Iterable[str]) -> Iterator[list[str]]:
    """Yield the service names of each NameNode without a standby."""
    for name in conf.name_services:
        namenodes = conf.namenodes(name)
        if len(namenodes) == 1:
            (place,) = namenodes.values()
            yield [f"ha-hdfs:{name}", *_spellings(place)]
    for url in (conf.values.get("fs.defaultFS", ""), *others):
        scheme, _, rest = url.strip().partition("://")
        authority = rest.partition("/")[0]
        if scheme.lower() == "hdfs" and authority and not conf.namenodes(authority):
            yield _spellings(with_port(authority))


def _spellings(place: str) -> list[str]:
    """Return ``host:port`` as it is, in lower case as Java writes a host's name, and with its address if it has one."""
    host, _, port = place.rpartition(":")
    try:
        return [place, place.lower(), f"{socket.gethostbyname(host)}:{port}"]
    except (OSError, UnicodeError):
        return [place, place.lower()]


def _read_number(cursor: Cursor) -> int:
    """Read an integer as Hadoop's ``WritableUtils`` write it."""
    first = struct.unpack("b", cursor.take(1))[0]
    if first >= -112:
        return int(first)
    is_negative = first < -120
    value = int.from_bytes(cursor.take(-120 - first if is_negative else -112 - first), "big")
    return ~value if is_negative else value


def _read_field(cursor: Cursor) -> bytes:
    return cursor.take(_read_number(cursor))


def _number(value: int) -> bytes:
    if value <= 127:
        return struct.pack("b", value)
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return struct.pack("b", -112 - len(data)) + data


def _of_writable(data: bytes) -> list[Token]:
    tokens, cursor = [], Cursor(data)
    for _ in range(_read_number(cursor)):
        _read_field(cursor)  # its alias
        identifier, password = _read_field(cursor), _read_field(cursor)
        kind, service = _read_field(cursor).decode(), _read_field(cursor).decode()
        tokens.append(Token(kind, service, identifier, password))
    return tokens


def _of_protobuf(data: bytes) -> list[Token]:
    tokens = []
    for number, entry in _fields(_delimited(data)):
        if number != 1:  # CredentialsProto.tokens
            continue
        for inner, token in _fields(entry):
            if inner == 2:  # CredentialsKVProto.token
                parts = dict(_fields(token))
                kind, service = (parts.get(at, b"").decode() for at in (3, 4))
                tokens.append(Token(kind, service, parts.get(1, b""), parts.get(2, b"")))
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
