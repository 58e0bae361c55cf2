"""Read this process's ticket cache: the principal of its ticket, and until when it is valid."""

from __future__ import annotations

import dataclasses
import os

from sparkcv.storage.kerberos.binary import Cursor
from sparkcv.storage.kerberos.conf import cache_place

__all__ = ["Ticket", "find", "load"]

_VERSION = 0x0504  # what every library writes since 1999
_NOT_OURS = "X-CACHECONF:"  # entries that hold settings


@dataclasses.dataclass(frozen=True)
class Ticket:
    """The ticket-granting ticket of a cache.

    Attributes:
        principal: such as ``alice@EXAMPLE.COM``.
        ends_s: when it ends, in seconds since 1970; 0 if the cache holds none.
        renew_till_s: until when ``kinit -R`` can renew it; 0: it cannot.
        place: of the cache, such as ``FILE:/tmp/krb5cc_1000``.
    """

    principal: str
    ends_s: float
    renew_till_s: float
    place: str

    @property
    def realm(self) -> str:
        """The principal's realm."""
        return self.principal.rpartition("@")[2]


def find() -> Ticket | None:
    """Return the ticket of this process; None if there is none, or its cache is no file or cannot be read."""
    place = cache_place()
    kind, _, path = place.partition(":")
    if kind == "DIR":
        path = _primary(path)
    elif kind != "FILE":
        return None
    try:
        return dataclasses.replace(load(path), place=place)
    except (OSError, ValueError):
        return None


def load(path: str) -> Ticket:
    """Read a ticket cache; raise ValueError if it is not one, OSError if it cannot be read."""
    with open(path, "rb") as file:
        cursor = Cursor(file.read())
    if cursor.number(2) != _VERSION:
        raise ValueError("it is no ticket cache of version 4")
    cursor.field(2)  # its header
    principal = _principal(cursor)
    ends_s = renew_till_s = 0.0
    while not cursor.is_done:
        server, entry_ends_s, entry_renew_s = _entry(cursor)
        if server.startswith("krbtgt/") and entry_ends_s > ends_s:
            ends_s, renew_till_s = entry_ends_s, entry_renew_s
    return Ticket(principal, ends_s, renew_till_s, f"FILE:{path}")


def _primary(folder: str) -> str:
    if folder.startswith(":"):  # DIR::/path names one of the caches
        return folder[1:]
    try:
        with open(os.path.join(folder, "primary"), encoding="utf-8") as file:
            return os.path.join(folder, file.read().strip())
    except OSError:
        return os.path.join(folder, "tkt")


def _principal(cursor: Cursor) -> str:
    cursor.number(4)  # the kind of name
    count = cursor.number(4)
    realm, *words = [cursor.field(4).decode(errors="replace") for _ in range(count + 1)]
    return f"{'/'.join(words)}@{realm}"


def _entry(cursor: Cursor) -> tuple[str, float, float]:
    """Read one credential: for which server, when it ends, until when it can be renewed."""
    _principal(cursor)
    server = _principal(cursor)
    cursor.number(2)  # the key's kind
    cursor.field(4)
    _, _, ends_s, renew_till_s = (cursor.number(4) for _ in range(4))
    cursor.take(1 + 4)  # is_skey, flags
    for _ in range(2):  # addresses, authorization data
        for _ in range(cursor.number(4)):
            cursor.number(2)
            cursor.field(4)
    cursor.field(4)  # the ticket
    cursor.field(4)  # a second one
    return ("" if _NOT_OURS in server else server), float(ends_s), float(renew_till_s)
