"""The nodes' Python: where its archive is, or where it goes, once, under the name of its digest."""

import dataclasses
import getpass
import re
from pathlib import Path

from sparkcv import logs, storage
from sparkcv.archive import description
from sparkcv.config import SubmitConfig
from sparkcv.config.submit import NO_ARCHIVE
from sparkcv.errors import DataError, MissingFileError, UsageError
from sparkcv.storage.hadoop import load_conf, user_name
from sparkcv.storage.hdfs import identity

__all__ = ["PythonArchive", "find", "upload"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_DIGITS = 16
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class PythonArchive:
    """An archive for ``spark-submit --archives``.

    Attributes:
        url: where the nodes get it.
        source: the file here that is to be put there first; None: it is there, the user says.
    """

    url: str
    source: Path | None = None


def find(config: SubmitConfig, dist: Path | None) -> PythonArchive | None:
    """Return the archive that the nodes are to get, without asking any storage; None where they have the packages.

    ``dist`` is the checkout's folder of zips, None without a checkout. Raises UsageError for one that is not there, or
    cannot work.
    """
    is_elsewhere = bool(config.archive and _URL.match(config.archive) and not config.archive.startswith("file:"))
    if config.archive_dir is not None and (config.archive == NO_ARCHIVE or is_elsewhere):
        raise UsageError(
            f"--archive_dir {config.archive_dir} with --archive {config.archive}: nothing is uploaded there; wanted a"
            " Python.zip of this machine, or it unset"
        )
    if config.archive == NO_ARCHIVE:
        return None
    if config.archive and "#" in config.archive:
        raise UsageError(f"--archive {config.archive}: wanted it without #, the nodes unpack it under the name Python")
    if config.archive and is_elsewhere:
        return PythonArchive(config.archive)
    source = _source(config.archive, dist)
    try:
        told = description.read(source)
    except (MissingFileError, DataError) as err:
        raise UsageError(f"--archive {source}: {err}") from err
    if not config.is_cluster_mode:  # the driver is a Python of this machine
        reason = description.misfit(told, machine=told["platform"], glibc=told["glibc"] or "")
        if reason:
            raise UsageError(f"--archive {source}: {reason}")
    folder = config.archive_dir or f"hdfs:///user/{_user(config)}/.sparkcv"
    name = f"Python-{str(told['digest'])[:_DIGITS]}.zip"
    return PythonArchive(storage.join(storage.resolve(folder), name), source)


def upload(archive: PythonArchive) -> None:
    """Put the archive where the nodes get it, unless it is there; raises UsageError if it is not there and not here.

    It appears there whole: whoever is killed meanwhile leaves nothing of that name, and of two who upload the same
    archive at once either may come last.
    """
    is_there = storage.exists(archive.url)
    if archive.source is None:
        if not is_there:
            raise UsageError(f"--archive {archive.url} is not there; wanted the URL of a Python.zip")
        return
    num_bytes = archive.source.stat().st_size
    if is_there and storage.size(archive.url) == num_bytes:
        _log.info("%s is there already", archive.url)
        return
    _log.info("uploading %s (%.0f MB) to %s, once", archive.source, num_bytes / 1e6, archive.url)
    storage.publish(archive.source, archive.url)


def _source(given: str | None, dist: Path | None) -> Path:
    if given:
        path = Path(storage.local_path(given) or given).expanduser().absolute()
        if not path.is_file():
            raise UsageError(f"--archive {given}: no such file; wanted a Python.zip that build_zip.sh made")
        return path
    found = dist / "Python.zip" if dist else None
    if found is None or not found.is_file():
        place = f"{found} is not there (run ./build_zip.sh)" if found else "this is no checkout with a dist/Python.zip"
        raise UsageError(
            f"--archive is missing, and {place}; wanted a Python.zip, or --archive none where every"
            " node has the packages"
        )
    return found


def _user(config: SubmitConfig) -> str:
    """Return the name of the user's folder on HDFS."""
    if config.principal:
        return re.split("[/@]", config.principal)[0]
    if load_conf().is_kerberized:
        return re.split("[/@]", identity.wanted_principal())[0]
    return user_name() or getpass.getuser()
