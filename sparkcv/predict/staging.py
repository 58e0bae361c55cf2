"""The folder in which a day's output grows, and the one rename that makes it public.

``<output_dir>/.staging-<random>`` is hidden from readers. Beside it lies a lease, written before the folder is made and
renewed while its run lives: the next run deletes what dead ones left, and gives back a day that one of them had moved
aside and not yet replaced.
"""

import dataclasses
import re
import secrets
import threading
import time
from types import TracebackType

from sparkcv import logs, storage
from sparkcv.errors import FileExistsAlreadyError, MissingFileError, StorageError
from sparkcv.rundir.process import Life, Process, look_at, this_process

__all__ = ["DAY", "Staging", "clean_up", "day_url"]

_PREFIX = ".staging-"
_NAME = re.compile(r"(\.staging-[0-9a-f]{24})(\.lease\.json)?")
DAY = re.compile(r"dt=\d{4}-\d{2}-\d{2}")
_LEASE, _OLD = ".lease.json", "replaced"
_RENEW_S = 15.0
_STALE_S = 120.0
_log = logs.get(__name__)


def day_url(output_dir: str, date: str) -> str:
    """Return the folder of one day's predictions."""
    return storage.join(output_dir, f"dt={date}")


def clean_up(output_dir: str) -> list[str]:
    """Delete the staging folders of runs that are dead, and return their URLs. Those of living runs stay."""
    try:
        entries = storage.list_dir(output_dir)
    except MissingFileError:
        return []
    gone = []
    for name in sorted({found[1] for entry in entries if (found := _NAME.fullmatch(entry.name))}):
        url = storage.join(output_dir, name)
        if _is_alive(url):
            _log.info("%s belongs to a run that is alive, so it stays", url)
            continue
        _give_back(url, output_dir)
        storage.delete(url, recursive=True)
        storage.delete(url + _LEASE)
        gone.append(url)
    return gone


class Staging:
    """A context manager round one run's staging folder: deleted at its end, published or not.

    Args:
        output_dir: the folder of all days.
        date: ``YYYY-MM-DD``.
        overwrite: replace a day that is there.

    Raises:
        FileExistsAlreadyError: the day is there, and ``overwrite`` is not set.
    """

    def __init__(self, output_dir: str, date: str, *, overwrite: bool) -> None:
        self.run_id = secrets.token_hex(12)
        self.url = storage.join(output_dir, f"{_PREFIX}{self.run_id}")
        self.day = day_url(output_dir, date)
        self.is_published = False
        self._output_dir = output_dir
        self._overwrite = overwrite
        self._stop = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)

    def join(self, *names: str) -> str:
        """Return the URL of something in the folder."""
        return storage.join(self.url, *names)

    def publish(self, name: str) -> None:
        """Make the staged folder ``name`` the day's output, by one rename.

        A day that is replaced changes places with it where the file system can do that at once. Elsewhere it is moved
        aside right before; should this process die between the two renames, whoever next scores into this folder, or
        reads this day by ``--input``, gives it back. Raises FileExistsAlreadyError if another run published the day
        meanwhile.
        """
        if not storage.exists(self.day):
            storage.rename(self.join(name), self.day)
        elif self._overwrite:
            storage.make_dirs(self.join(_OLD))
            storage.swap(self.join(name), self.day, self.join(_OLD, storage.basename(self.day)))
        else:
            raise FileExistsAlreadyError(f"{self.day!r} was published by another run meanwhile; this one's is dropped")
        self.is_published = True

    def __enter__(self) -> "Staging":
        clean_up(self._output_dir)
        if storage.exists(self.day) and not self._overwrite:
            raise FileExistsAlreadyError(f"{self.day!r} is there already; --overwrite replaces it")
        self._write_lease()
        try:
            storage.make_dirs(self.url)
            self._renewer.start()
        except BaseException:
            storage.delete(self.url + _LEASE)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._renewer.join(_RENEW_S * 2)
        try:
            storage.delete(self.url, recursive=True)
            storage.delete(self.url + _LEASE)
        except StorageError as err:
            if error is None:
                raise
            _log.warning("left behind, for the next run to delete: %s", err)

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_S):
            try:
                self._write_lease()
            except StorageError as err:  # a run goes on without: only a later run on another host looks
                _log.warning("the lease was not renewed: %s", err)

    def _write_lease(self) -> None:
        lease = {"process": dataclasses.asdict(this_process()), "renewed": time.time()}
        storage.write_json(self.url + _LEASE, lease)


def _is_alive(staging_url: str) -> bool:
    """Return whether a lease's process lives: on this host ask it, elsewhere trust a lease that was renewed lately."""
    try:
        lease = storage.read_json(staging_url + _LEASE)
        renewed = float(lease["renewed"])
        # Before, leases told of their process in another way: those count by their time alone.
        life = look_at(Process.from_json(lease["process"])) if "process" in lease else Life.UNKNOWN
    except MissingFileError:
        return False  # the lease is written first and deleted last: without one, nobody works here
    except (StorageError, KeyError, TypeError, ValueError) as err:
        _log.warning("no telling whether %s is in use, so it stays: %s", staging_url, err)
        return True
    if life is Life.UNKNOWN:
        return time.time() - renewed < _STALE_S
    return life is not Life.ENDED


def _give_back(staging_url: str, output_dir: str) -> None:
    """Put back a day that was moved aside, unless its replacement arrived."""
    try:
        aside = storage.list_dir(storage.join(staging_url, _OLD))
    except MissingFileError:
        return
    for entry in aside:
        target = storage.join(output_dir, entry.name)
        if entry.is_dir and DAY.fullmatch(entry.name) and not storage.exists(target):
            storage.rename(entry.url, target)
            _log.warning("%s is back: the run that replaced it did not come to its end", target)
