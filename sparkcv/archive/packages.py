"""The files of the installed packages, without what no run reads."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from sparkcv.archive.entry import ArchiveEntry
from sparkcv.errors import UsageError

__all__ = ["LEFT_OUT", "files", "installed_bytes", "is_of_use"]

# Whole packages that something needs by its metadata, and no run in a container does.
LEFT_OUT = {
    "pyspark": "Spark sends its own to every container",
    "py4j": "comes with Spark's pyspark",
    "libclang": "TensorFlow names it for building ops in C++; no module imports it",
}
_FOLDERS = {"tests", "__pycache__"}
_SUFFIXES = {".a", ".c", ".cc", ".cpp", ".exe", ".h", ".hpp", ".lib", ".o", ".pxd", ".pxi", ".pyc", ".pyx"}
# A folder of C++ headers beside a package's modules, such as tensorflow/include; deeper ones may be modules.
_HEADERS = re.compile(r"[^/]+(/_core)?/include/")


def is_of_use(name: str) -> bool:
    """Tell whether a run may read the file ``name`` of a package: no tests, C sources, static libraries, bytecode."""
    path = PurePosixPath(name)
    return not (_FOLDERS.intersection(path.parts[:-1]) or path.suffix in _SUFFIXES or _HEADERS.match(name))


def files(package: Distribution, folder: str) -> tuple[list[ArchiveEntry], Counter[str]]:
    """Return what of ``package`` goes into the archive's ``folder``, and the bytes left out by where they are.

    Raises UsageError for a package that pip did not install into a folder of its own: an editable one is but a link
    to a place on this machine.
    """
    name = f"{package.metadata['Name']} {package.version}"
    entries: list[ArchiveEntry] = []
    left_out: Counter[str] = Counter()
    base = Path(str(package.locate_file("")))
    for path, size in _recorded(package, name):
        if path.startswith(("../", "/")):  # scripts, which start with the path of this machine's Python
            continue
        if not is_of_use(path):
            left_out[_where(path)] += size
            continue
        try:
            entries.append(ArchiveEntry.of_file(f"{folder}/{path}", name, base / path))
        except OSError as err:
            raise UsageError(
                f"{base / path} of the package {name} cannot be read ({err.strerror}); wanted it installed whole: "
                f"pip install --force-reinstall {package.metadata['Name']}"
            ) from err
    return entries, left_out


def installed_bytes(name: str) -> int:
    """Return the size of the package ``name`` as its RECORD tells; 0 if it is not installed."""
    try:
        return sum(size for _, size in _rows(distribution(name).read_text("RECORD") or ""))
    except PackageNotFoundError:
        return 0


def _recorded(package: Distribution, name: str) -> Iterable[tuple[str, int]]:
    """Yield each file that pip installed, with its size where that is told."""
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        raise UsageError(f"the package {name} is installed editable from {origin['url']}, wanted a plain installation")
    record = package.read_text("RECORD")
    if record is None:
        raise UsageError(f"the package {name} has no list of its files (RECORD), wanted one installed by pip")
    return _rows(record)


def _rows(record: str) -> list[tuple[str, int]]:
    return [(row[0], int(row[2] or 0)) for row in csv.reader(record.splitlines()) if row]


def _where(path: str) -> str:
    """Return the name under which a file that is left out is counted, such as ``tensorflow/include``."""
    parts = path.split("/")
    return "/".join(parts[:2]) if "include" in parts[:2] else next((p for p in parts if p in _FOLDERS), "other files")
