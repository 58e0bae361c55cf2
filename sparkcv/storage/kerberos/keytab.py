"""Read the principals of a keytab; its keys are not read."""

from __future__ import annotations

import struct

from sparkcv.storage.kerberos.binary import Cursor

__all__ = ["principals"]

_VERSION = 0x0502


def principals(path: str) -> list[str]:
    """Return the principals of a keytab, sorted; raise ValueError if it is not one, OSError if it cannot be read."""
    with open(path, "rb") as file:
        cursor = Cursor(file.read())
    if cursor.number(2) != _VERSION:
        raise ValueError("it is no keytab of version 2")
    found = set()
    while not cursor.is_done:
        (size,) = struct.unpack(">i", cursor.take(4))
        entry = Cursor(cursor.take(abs(size)))
        if size > 0:  # else it was deleted
            count = entry.number(2)
            realm, *words = [entry.field(2).decode(errors="replace") for _ in range(count + 1)]
            found.add(f"{'/'.join(words)}@{realm}")
    return sorted(found)
