"""What a Linux program or shared library asks of its machine, read from its dynamic section by pyelftools.

ldd would run the library's loader and readelf is not on every machine.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkcv.errors import UsageError

__all__ = ["Elf", "read"]


@dataclass(frozen=True)
class Elf:
    """The needs of one program or library.

    Attributes:
        machine: The processor's name in the ELF standard, such as ``EM_X86_64``.
        is_dynamic: False for a program without a dynamic loader, which can load no extension module.
        needed: Names of the libraries that it is linked to.
        search: Folders where its own header says to look, with ``$ORIGIN`` as it stands there.
        glibc: The newest ``GLIBC_`` version among its symbols; ``(0, 0)`` if it needs none.
    """

    machine: str
    is_dynamic: bool
    needed: tuple[str, ...]
    search: tuple[str, ...]
    glibc: tuple[int, ...]


def read(path: Path) -> Elf | None:
    """Return what ``path`` needs, or None if it is no 64-bit little-endian ELF file (a linker script, a text).

    Raises UsageError if this Python has no pyelftools.
    """
    try:  # here, for the small zip is built by a Python that has none of the packages
        from elftools.common.exceptions import ELFError
        from elftools.construct import ConstructError
        from elftools.elf.elffile import ELFFile
    except ImportError as err:
        raise UsageError(
            f"{sys.executable} lacks the package pyelftools that tells which libraries Python.zip has to bring; "
            "wanted an environment made by `make setup` or `pip install .`"
        ) from err
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return None
        try:
            return _needs(ELFFile(file))
        except (ELFError, ConstructError, ValueError, IndexError, KeyError, AttributeError, TypeError, OSError):
            return None  # cut short, or tables that point outside of it


def _needs(image: Any) -> Elf:
    machine = image["e_machine"]
    dynamic = next(image.iter_segments("PT_DYNAMIC"), None)
    if dynamic is None:
        return Elf(machine, False, (), (), (0, 0))
    tags = list(dynamic.iter_tags())
    needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
    runpaths = [tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"]
    rpaths = [tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"]
    search = [*runpaths, *rpaths, ""][0].split(":")  # with a RUNPATH the loader ignores an RPATH
    return Elf(machine, True, needed, tuple(folder for folder in search if folder), max(_glibc(image), default=(0, 0)))


def _glibc(image: Any) -> Iterator[tuple[int, int]]:
    """Yield the versions of glibc whose symbols are used; ``GLIBC_PRIVATE`` is none."""
    for section in image.iter_sections("SHT_GNU_verneed"):
        for _, symbols in section.iter_versions():
            for symbol in symbols:
                name = symbol.name
                if name.startswith("GLIBC_") and name[6:].replace(".", "").isdigit():
                    major, minor = name[6:].split(".")[:2]
                    yield int(major), int(minor)
