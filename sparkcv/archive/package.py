"""``sparkcv.zip``, this package's sources, for ``spark-submit --py-files``."""

import zipfile
import zlib
from pathlib import Path

from sparkcv.archive.entry import ArchiveEntry
from sparkcv.archive.pack import pack

__all__ = ["digest", "is_current", "pack_package", "sources"]


def sources(package: Path) -> dict[str, Path]:
    """Return the files of the folder ``package`` by their names in the zip, sorted."""
    files = sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(package.parent).as_posix(): path for path in files}


def pack_package(target: Path, package: Path) -> int:
    """Write the zip ``target`` and return its number of files; raises StorageError as :func:`~.pack.pack` does."""
    files = sources(package)
    pack(target, [ArchiveEntry.of_file(name, "sparkcv", path) for name, path in files.items()])
    return len(files)


def is_current(target: Path, package: Path) -> bool:
    """Tell whether the zip ``target`` is there and holds the very bytes of ``package``."""
    try:
        with zipfile.ZipFile(target) as held:
            return {info.filename: info.CRC for info in held.infolist()} == _checksums(package)
    except (OSError, zipfile.BadZipFile):
        return False


def digest(package: Path) -> str:
    """Return 8 hexadecimal digits that change with any file of ``package``."""
    return f"{zlib.crc32(repr(sorted(_checksums(package).items())).encode()):08x}"


def _checksums(package: Path) -> dict[str, int]:
    return {name: zlib.crc32(path.read_bytes()) for name, path in sources(package).items()}
