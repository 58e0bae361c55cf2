"""Build ``dist/sparkcv.zip`` and ``dist/Python.zip``: what ``build_zip.sh`` runs, in the checkout."""

import argparse
import contextlib
import hashlib
import json
import sys
import sysconfig
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

from sparkcv.archive import bytecode, description, plan
from sparkcv.archive.alone import alone
from sparkcv.archive.entry import ArchiveEntry
from sparkcv.archive.pack import pack
from sparkcv.archive.package import pack_package
from sparkcv.errors import EXIT_FAILED, EXIT_OK, SparkcvError

__all__ = ["main"]

_DIST = Path("dist")
_NUM_LARGEST = 8
_EPILOG = """\
The Python in .venv is taken, else the one that $PYTHON names, else python3. A zip whose inputs did not change is left
as it is. Submit with
  --py-files dist/sparkcv.zip --archives hdfs:///user/$USER/Python.zip#Python
  --conf spark.pyspark.python=Python/bin/python3
  --conf spark.executorEnv.LD_LIBRARY_PATH=Python/lib
  --conf spark.yarn.appMasterEnv.LD_LIBRARY_PATH=Python/lib
or, where every node has the packages, with the first of these alone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Build what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(
        "build_zip.sh",
        description="Build dist/sparkcv.zip, this package, and dist/Python.zip, an interpreter with all it imports.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=("all", "sparkcv", "python"), default="all", help="default: all")
    what = parser.parse_args(argv).what
    try:
        with alone(_DIST):
            if what != "python":
                _build_sparkcv(_DIST / "sparkcv.zip")
            if what != "sparkcv":
                _build_python(_DIST / "Python.zip")
    except SparkcvError as err:
        sys.stderr.write(f"build_zip.sh: {err}\n")
        return err.exit_code
    except OSError as err:  # a file that cannot be read, a disk that is full
        sys.stderr.write(f"build_zip.sh: {err}\n")
        return EXIT_FAILED
    except BrokenExecutor:
        sys.stderr.write(
            "build_zip.sh: a process that compiles modules was killed; wanted 1 GB of memory for each core\n"
        )
        return EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("build_zip.sh: stopped by the keyboard\n")
        return EXIT_FAILED
    return EXIT_OK


def _build_sparkcv(target: Path) -> None:
    """Zip the package's sources."""
    count = pack_package(target, Path("sparkcv"))
    _say(f"{target}: {count} files, {target.stat().st_size / 1024:.0f} KiB")


def _build_python(target: Path) -> None:
    """Zip the interpreter and its packages, unless the zip that is there was made from the very same."""
    start_s = time.monotonic()
    found = plan.make(Path("pyproject.toml"))
    inputs = {"inputs": found.digest()}
    note = target.with_name(f"{target.name}.inputs")
    if _noted(note) == inputs | _look(target):
        _say(f"{target}: unchanged, {_megabytes(target.stat().st_size)}, {len(found.versions)} packages")
        return
    note.unlink(missing_ok=True)
    _say(f"{target}: packing {_megabytes(sum(entry.size for entry in found.entries))} under {sys.prefix}")
    entries = sorted([*found.entries, *bytecode.compiled(found.entries)], key=lambda entry: entry.name)
    members = pack(target, entries, lambda members: _describe(found, members))
    note.write_text(json.dumps(inputs | _look(target)))
    _report(target, found, entries, members, time.monotonic() - start_s)


def _noted(note: Path) -> dict[str, object]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(note.read_text()))
    return {}


def _look(target: Path) -> dict[str, object]:
    """Return size and time of the zip: one that somebody cut or replaced is not the one that was built."""
    if not target.exists():
        return {}
    status = target.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _describe(found: plan.ArchivePlan, members: list[zipfile.ZipInfo]) -> ArchiveEntry:
    """Return the archive's description of itself."""
    digest = hashlib.sha256()
    for member in members:
        digest.update(f"{member.filename} {member.file_size} {member.CRC:08x} {member.external_attr}\n".encode())
    told = description.describe(
        site=found.site,
        glibc=found.libraries.glibc,
        packages=found.versions,
        needs=sorted(found.libraries.of_the_machine),
        digest=digest.hexdigest(),
    )
    return ArchiveEntry.of_data(description.NAME, "description", (json.dumps(told, indent=1) + "\n").encode())


def _report(
    target: Path, found: plan.ArchivePlan, entries: list[ArchiveEntry], members: list[zipfile.ZipInfo], elapsed_s: float
) -> None:
    """Say what is in the archive, what makes it large, and what is not in it."""
    owners = {entry.name: entry.owner for entry in entries}
    unpacked: Counter[str] = Counter()
    packed: Counter[str] = Counter()
    for member in members:
        owner = owners.get(member.filename, "description")
        unpacked[owner] += member.file_size
        packed[owner] += member.compress_size
    largest = unpacked.most_common(_NUM_LARGEST)
    for owner, size in largest:
        _say(f"  {owner:<24} {_megabytes(size):>9}, packed {_megabytes(packed[owner]):>7}")
    if smaller := len(unpacked) - len(largest):
        _say(f"  {f'{smaller} smaller ones':<24} {_megabytes(unpacked.total() - sum(size for _, size in largest)):>9}")
    dropped = ", ".join(f"{what} {_megabytes(size)}" for what, size in found.left_out.most_common() if size > 1e6)
    _say(f"  left out: {dropped}")
    for name, by in found.libraries.missing.items():
        _say(f"  not on this machine, so not carried: {name}, which {by} is linked to")
    glibc = "{}.{}".format(*found.libraries.glibc)
    _say(f"  runs on {sysconfig.get_platform()} with glibc {glibc} or newer (because of {found.libraries.glibc_by})")
    _say(
        f"{target}: {len(members)} files, {_megabytes(unpacked.total())}, packed {_megabytes(target.stat().st_size)}, "
        f"in {elapsed_s:.0f} s"
    )


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
