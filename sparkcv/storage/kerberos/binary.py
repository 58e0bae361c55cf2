"""Read binary credential files: big-endian numbers, and byte strings preceded by their length."""

from __future__ import annotations

import struct

__all__ = ["Cursor"]

_NUMBERS = {1: "B", 2: ">H", 4: ">I"}


class Cursor:
    """A position in bytes; reads raise ValueError where the bytes end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    @property
    def is_done(self) -> bool:
        """Whether all was read."""
        return self.at >= len(self._data)

    def number(self, size: int) -> int:
        """Read an unsigned number of 1, 2 or 4 bytes."""
        return int(struct.unpack(_NUMBERS[size], self.take(size))[0])

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        if size < 0 or self.at + size > len(self._data):
            raise ValueError("it is cut short or damaged")
        self.at += size
        return self._data[self.at - size : self.at]

    def field(self, size: int) -> bytes:
        """Read bytes whose number stands before them, in ``size`` bytes."""
        return self.take(self.number(size))
