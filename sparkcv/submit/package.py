"""What spark-submit is given of sparkcv itself: the package as a zip, and the job's thin file.

In a checkout they are ``dist/sparkcv.zip`` and ``jobs/X.py``. An installed sparkcv has neither: both are made in the
user's cache folder, under a digest of the package, so that a printed command goes on to mean the same.
"""

import contextlib
import dataclasses
import os
from pathlib import Path

import sparkcv
from sparkcv.archive.alone import alone
from sparkcv.archive.package import digest, is_current, pack_package
from sparkcv.driver.jobs import Job
from sparkcv.errors import StorageError, UsageError

__all__ = ["PackageFiles", "build", "checkout", "locate"]

_JOB = '''\
"""The job ``{name}`` of sparkcv, whose package comes by --py-files: what spark-submit takes."""

import sys

from sparkcv.driver.jobs import run_job

if __name__ == "__main__":
    sys.exit(run_job("{name}"))
'''


@dataclasses.dataclass(frozen=True)
class PackageFiles:
    """Where the two files are, or will be once :func:`build` has made them."""

    zip: Path
    job: Path


def checkout() -> Path | None:
    """Return the folder of the checkout that this package is in, or None for an installed one."""
    root = _package().parent
    return root if (root / "pyproject.toml").is_file() and (root / "jobs").is_dir() else None


def locate(job: Job) -> PackageFiles:
    """Return where the files of ``job`` belong; nothing is made."""
    root = checkout()
    if root is not None:
        return PackageFiles(root / "dist" / "sparkcv.zip", root / "jobs" / job.file)
    folder = _cache() / "sparkcv" / f"{sparkcv.__version__}-{digest(_package())}"
    return PackageFiles(folder / "sparkcv.zip", folder / job.file)


def build(files: PackageFiles, job: Job) -> None:
    """Make what is not there, or not current; raises StorageError where the folder cannot be written."""
    with alone(files.zip.parent):
        if not is_current(files.zip, _package()):
            pack_package(files.zip, _package())
        if not files.job.is_file():
            _write(files.job, _JOB.format(name=job.name))


def _write(path: Path, text: str) -> None:
    """Write all of a file or none of it: an empty job would be a run that did nothing, and ended well."""
    aside = path.with_name(f"{path.name}.tmp")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as err:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            aside.unlink()
        raise StorageError(f"{path} cannot be written ({err.strerror})") from err


def _cache() -> Path:
    """Return the folder of the user's caches; raises UsageError where nothing tells it."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given)
    try:
        return Path.home() / ".cache"
    except RuntimeError as err:  # a number without a name, as in some containers
        raise UsageError(f"user {os.getuid()} has no home folder; wanted one by HOME, or XDG_CACHE_HOME") from err


def _package() -> Path:
    return Path(sparkcv.__file__).parent
