"""What goes into Python.zip, looked at but not read: the same looks tell whether a zip that is there still holds."""

import dataclasses
import hashlib
import sys
from collections import Counter
from pathlib import Path

from sparkcv.archive import interpreter, libraries, packages, requirements
from sparkcv.archive.entry import ArchiveEntry
from sparkcv.errors import UsageError

__all__ = ["ArchivePlan", "make"]


@dataclasses.dataclass(frozen=True)
class ArchivePlan:
    """The files of the archive but its bytecode and description, and what is to be said of them.

    Attributes:
        entries: Sorted by name, no two of one name.
        site: The archive's folder of packages.
        versions: Version by package.
        libraries: The shared libraries that come along, and those that the machine must have.
        left_out: Bytes by what was left out.
    """

    entries: tuple[ArchiveEntry, ...]
    site: str
    versions: dict[str, str]
    libraries: libraries.Libraries
    left_out: Counter[str]

    def digest(self) -> str:
        """Return a digest of all that the archive is made from: the files as they were looked at, and these rules."""
        found = hashlib.sha256(sys.version.encode())
        for rules in sorted(Path(__file__).parent.glob("*.py")):
            found.update(rules.read_bytes())
        for entry in self.entries:
            told = f"\n{entry.name} {entry.source} {entry.size} {entry.mtime_ns} {entry.is_executable}"
            found.update(told.encode("utf-8", "surrogateescape"))
        return found.hexdigest()


def make(pyproject: Path) -> ArchivePlan:
    """Look at this interpreter and at the packages that ``pyproject`` needs; raises UsageError for what cannot go."""
    # First: what is missing here is told by name, pyelftools too, which the looks below need.
    needed = requirements.closure(requirements.declared(pyproject), packages.LEFT_OUT)
    program = interpreter.executable()
    site = interpreter.site_folder()
    entries = list(interpreter.files())
    left_out: Counter[str] = Counter()
    for package in needed.values():
        taken, dropped = packages.files(package, site)
        entries += taken
        left_out += dropped
    for name in packages.LEFT_OUT:
        left_out[name] = packages.installed_bytes(name)
    found = libraries.gather(entries)
    if wanted := [name for name, by in found.missing.items() if by.startswith("bin/")]:
        raise UsageError(f"{program} needs {wanted[0]}, which is not on this machine; wanted a Python that runs here")
    by_name = {entry.name: entry for entry in (*entries, *found.carried)}
    versions = {name: package.version for name, package in needed.items()}
    return ArchivePlan(tuple(by_name[name] for name in sorted(by_name)), site, versions, found, left_out)
