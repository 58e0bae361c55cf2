"""What a Linux program or shared library asks of its machine, read from its dynamic section.

ldd would run the library's loader and readelf is not on every machine; this reads the few tables that tell which
libraries it needs, where it looks for them, and from which glibc on it works.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Elf", "read"]

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _RPATH, _RUNPATH, _VERNEED, _VERNEEDNUM = 1, 5, 15, 29, 0x6FFFFFFE, 0x6FFFFFFF


@dataclass(frozen=True)
class Elf:
    """The needs of one program or library.

    Attributes:
        machine: The processor's number in the ELF standard, such as 62 for x86-64.
        is_dynamic: False for a program without a dynamic loader, which can load no extension module.
        needed: Names of the libraries that it is linked to.
        search: Folders where its own header says to look, with ``$ORIGIN`` as it stands there.
        glibc: The newest ``GLIBC_`` version among its symbols; ``(0, 0)`` if it needs none.
    """

    machine: int
    is_dynamic: bool
    needed: tuple[str, ...]
    search: tuple[str, ...]
    glibc: tuple[int, ...]


def read(path: Path) -> Elf | None:
    """Return what ``path`` needs, or None if it is no 64-bit little-endian ELF file (a linker script, a text)."""
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            try:
                return _Image(image).elf()
            except (struct.error, IndexError):  # cut short, or tables that point outside of it
                return None


class _Image:
    """A mapped ELF file and its segments."""

    def __init__(self, image: mmap.mmap):
        self._image = image
        (self.machine,) = struct.unpack_from("<H", image, 18)
        (table,) = struct.unpack_from("<Q", image, 32)
        size, count = struct.unpack_from("<HH", image, 54)
        # type, flags, offset, vaddr, paddr, filesz, memsz, align
        self._segments = [struct.unpack_from("<IIQQQQQQ", image, table + size * i) for i in range(count)]

    def elf(self) -> Elf:
        tags = list(self._tags())
        first = dict(reversed(tags))
        if not tags:
            return Elf(self.machine, False, (), (), (0, 0))
        self._strings = self._offset(first[_STRTAB])
        # With a RUNPATH the loader ignores an RPATH.
        paths = self._string(first[_RUNPATH if _RUNPATH in first else _RPATH]) if first.keys() & {15, 29} else ""
        glibc = (0, 0)
        if _VERNEED in first:
            glibc = max(self._glibc(self._offset(first[_VERNEED]), first[_VERNEEDNUM]), default=glibc)
        needed = tuple(self._string(value) for tag, value in tags if tag == _NEEDED)
        return Elf(self.machine, True, needed, tuple(p for p in paths.split(":") if p), glibc)

    def _tags(self) -> Iterator[tuple[int, int]]:
        for kind, _, offset, _, _, size, _, _ in self._segments:
            if kind == _DYNAMIC:
                for at in range(offset, offset + size, 16):
                    tag, value = struct.unpack_from("<QQ", self._image, at)
                    if tag == 0:
                        return
                    yield tag, value

    def _offset(self, address: int) -> int:
        for kind, _, offset, start, _, size, _, _ in self._segments:
            if kind == _LOAD and start <= address < start + size:
                return offset + address - start
        raise IndexError(address)

    def _string(self, at: int) -> str:
        start = self._strings + at
        return self._image[start : self._image.find(b"\0", start)].decode("utf-8", "replace")

    def _glibc(self, at: int, count: int) -> Iterator[tuple[int, int]]:
        for _ in range(count):
            _, names, _, aux, following = struct.unpack_from("<HHIII", self._image, at)
            aux += at
            for _ in range(names):
                _, _, _, name, step = struct.unpack_from("<IHHII", self._image, aux)
                version = self._string(name)
                if version.startswith("GLIBC_") and version[6:].replace(".", "").isdigit():
                    major, minor = version[6:].split(".")[:2]
                    yield int(major), int(minor)
                aux += step
            at += following
