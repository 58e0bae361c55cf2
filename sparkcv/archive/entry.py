"""One file of the archive: where it comes from, where it goes, and whose it is."""

import dataclasses
from pathlib import Path

__all__ = ["ArchiveEntry"]


@dataclasses.dataclass(frozen=True)
class ArchiveEntry:
    """A file of the archive: ``data``, or the bytes of the file ``source``.

    ``size`` and ``mtime_ns`` are those of the source when it was looked at; a rebuild is due when they change.
    """

    name: str
    owner: str
    source: Path | None = None
    data: bytes = b""
    size: int = 0
    mtime_ns: int = 0
    is_executable: bool = False

    @classmethod
    def of_file(cls, name: str, owner: str, source: Path, *, is_executable: bool = False) -> "ArchiveEntry":
        """Return an entry of the file ``source``, or of what it links to; raises FileNotFoundError without it."""
        status = source.stat()
        executable = is_executable or ".so" in source.suffixes
        return cls(name, owner, source, b"", status.st_size, status.st_mtime_ns, executable)

    @classmethod
    def of_data(cls, name: str, owner: str, data: bytes, *, is_executable: bool = False) -> "ArchiveEntry":
        """Return an entry of the bytes ``data``."""
        return cls(name, owner, None, data, len(data), 0, is_executable)

    @property
    def is_library(self) -> bool:
        """Whether its name is that of a shared library, such as ``libz.so.1``."""
        return self.source is not None and ".so" in self.source.suffixes

    def read(self) -> bytes:
        """Return all its bytes."""
        return self.data if self.source is None else self.source.read_bytes()
