"""The folder in which a day's output grows, and the one rename that makes it public.

``<output_dir>/.staging-<random>`` is hidden from readers, and beside it lies the run's lease. The next run deletes what
dead ones left, and gives back a day that one of them had moved aside and not yet replaced. Of a dead run of its own day
it takes over the rows first.
"""

import re
import secrets
from collections.abc import Callable
from types import TracebackType

from sparkcv import logs, storage
from sparkcv.errors import FileExistsAlreadyError, MissingFileError, PreemptedError, StorageError
from sparkcv.predict import claims, run_lease
from sparkcv.predict.run_lease import RunLease

__all__ = ["DAY", "Forget", "Staging", "clean_up", "day_url"]

_NAME = re.compile(rf"({re.escape(run_lease.PREFIX)}[0-9a-f]{{24}})({re.escape(run_lease.SUFFIX)})?")
DAY = re.compile(r"dt=\d{4}-\d{2}-\d{2}")
_OLD = "replaced"
_log = logs.get(__name__)

Forget = Callable[[str, str], None]
"""Deletes what the dead run of a day, date and id, had laid outside of its staging folder and never published."""


def day_url(output_dir: str, date: str) -> str:
    """Return the folder of one day's predictions."""
    return storage.join(output_dir, f"dt={date}")


def clean_up(output_dir: str, *, keep_date: str = "", own: str = "", forget: Forget | None = None) -> list[str]:
    """Delete the staging folders of runs that are dead, and return their URLs. Those of living runs stay.

    Those of the day ``keep_date`` stay as well, and are returned: their rows are of use to the run that asks,
    whose own folder, if it has one yet, is ``own``.
    """
    try:
        entries = storage.list_dir(output_dir)
    except MissingFileError:
        return []
    dead = []
    for name in sorted({found[1] for entry in entries if (found := _NAME.fullmatch(entry.name))}):
        url = storage.join(output_dir, name)
        if url == own:
            continue
        if run_lease.is_alive(url):
            _log.info("%s belongs to a run that is alive, so it stays", url)
            continue
        _give_back(url, output_dir)
        date = run_lease.read_date(url)
        if forget is not None and date:
            forget(date, name.removeprefix(run_lease.PREFIX))
        if not keep_date or date != keep_date:
            _delete(url)
        dead.append(url)
    claims.delete_dead(output_dir, [entry.name for entry in entries], but=keep_date)
    return dead


class Staging:
    """A context manager round one run's staging folder: deleted at its end, published or not.

    The run has the day to itself. What it has scored before it was told to end (PreemptedError) stays for the next
    run of the day, and so does what a dead one has: ``leftovers`` are the folders that this run found.

    Args:
        output_dir: the folder of all days.
        date: ``YYYY-MM-DD``.
        overwrite: replace a day that is there.
        forget: see :data:`Forget`.

    Raises:
        AtWorkError: another living run works on this day.
    """

    def __init__(self, output_dir: str, date: str, *, overwrite: bool, forget: Forget | None = None) -> None:
        self.run_id = secrets.token_hex(12)
        self.url = storage.join(output_dir, f"{run_lease.PREFIX}{self.run_id}")
        self.day = day_url(output_dir, date)
        self.date, self.may_replace = date, overwrite
        self.is_published = False
        self.leftovers: list[str] = []
        self._output_dir, self._forget = output_dir, forget
        self._lease = RunLease(self.url, date)
        self._claim: claims.Claim | None = None

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
        elif self.may_replace:
            storage.make_dirs(self.join(_OLD))
            storage.swap(self.join(name), self.day, self.join(_OLD, storage.basename(self.day)))
        else:
            raise FileExistsAlreadyError(f"{self.day!r} was published by another run meanwhile; this one's is dropped")
        self.is_published = True

    def __enter__(self) -> "Staging":
        try:
            self._lease.take()
            self._claim = claims.take(self._output_dir, self.date, self.run_id)
            found = clean_up(self._output_dir, keep_date=self.date, own=self.url, forget=self._forget)
            self.leftovers = [url for url in found if storage.exists(url)]
            storage.make_dirs(self.url)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, PreemptedError) and not self.is_published:
                self._lease.end()
                self._release()
                return
            self._lease.stop()
            for url in self.leftovers:
                _delete(url)
            storage.delete(self.url, recursive=True)
            self._leave()
        except StorageError as err:
            if error is None:
                raise
            _log.warning("left behind, for the next run to delete: %s", err)

    def _leave(self) -> None:
        """Give the day free, and be no run any more."""
        self._lease.stop()
        self._release()
        self._lease.drop()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()


def _delete(staging_url: str) -> None:
    storage.delete(staging_url, recursive=True)
    storage.delete(staging_url + run_lease.SUFFIX)


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
