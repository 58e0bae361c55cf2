"""Whether the run that a staging folder belongs to is alive: a small file beside the folder, renewed while it runs.

``.staging-<run>.lease.json`` is written before the folder is made and deleted after it, and names the process.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import MissingFileError, StorageError
from sparkcv.rundir.process import Life, Process, look_at, this_process

__all__ = ["PREFIX", "RunLease", "SUFFIX", "is_alive", "read_date"]

PREFIX, SUFFIX = ".staging-", ".lease.json"
_RENEW_S = 15.0
_STALE_S = 120.0
_log = logs.get(__name__)


class RunLease:
    """The lease of one run, which a thread renews until it is closed.

    Args:
        staging_url: the run's staging folder.
        date: the day that it works on, ``YYYY-MM-DD``.
    """

    def __init__(self, staging_url: str, date: str) -> None:
        self._url, self._date = staging_url + SUFFIX, date
        self._stop = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self) -> None:
        """Write it, and begin to renew it."""
        self._write()
        self._renewer.start()

    def stop(self) -> None:
        """Renew it no longer; the file stays."""
        self._stop.set()
        if self._renewer.is_alive():
            self._renewer.join(_RENEW_S * 2)

    def end(self) -> None:
        """Say that this run is over, though its process may live on and its folder stays."""
        self.stop()
        self._write(ended=True)

    def drop(self) -> None:
        """Delete the file."""
        storage.delete(self._url)

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_S):
            try:
                self._write()
            except StorageError as err:  # a run goes on without: only a later run on another host looks
                _log.warning("the lease was not renewed: %s", err)

    def _write(self, *, ended: bool = False) -> None:
        lease = {"process": dataclasses.asdict(this_process()), "renewed": time.time(), "date": self._date}
        lease |= {"ended": True} if ended else {}
        storage.write_json(self._url, lease)


def is_alive(staging_url: str) -> bool:
    """Return whether a lease's process lives: on this host ask it, elsewhere trust a lease that was renewed lately."""
    try:
        lease = storage.read_json(staging_url + SUFFIX)
        renewed = float(lease["renewed"])
        # Before, leases told of their process in another way: those count by their time alone.
        life = look_at(Process.from_json(lease["process"])) if "process" in lease else Life.UNKNOWN
    except MissingFileError:
        return False  # the lease is written first and deleted last: without one, nobody works here
    except (StorageError, KeyError, TypeError, ValueError) as err:
        _log.warning("no telling whether %s is in use, so it stays: %s", staging_url, err)
        return True
    if lease.get("ended") is True:
        return False
    if life is Life.UNKNOWN:
        return time.time() - renewed < _STALE_S
    return life is not Life.ENDED


def read_date(staging_url: str) -> str:
    """Return the day that a run worked on; "" where its lease does not say."""
    try:
        lease: Any = storage.read_json(staging_url + SUFFIX)
    except (StorageError, ValueError):
        return ""
    date = lease.get("date") if isinstance(lease, dict) else None
    return date if isinstance(date, str) else ""
