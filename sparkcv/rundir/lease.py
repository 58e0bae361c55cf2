"""One owner of a run's folder: taken before anything is written there, renewed while the run goes on, fenced after.

Who takes the folder gets a token one higher than any before (see lease_file.py). Who holds a lower one has lost it,
whatever it believes: it may have been stopped for a minute, or cut off. It learns so at its next renewal, and the chief
asks before it publishes anything (:func:`check`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import LeaseError, SparkcvError, StorageError
from sparkcv.rundir import lease_file
from sparkcv.rundir.lease_file import Holder
from sparkcv.rundir.lease_taking import Timing, refuse_if_held, take

__all__ = ["Lease", "Timing", "check", "fence", "held", "refuse_if_held"]

_TIMING = Timing()
_CONFIRM_S = 10.0
_RELEASE_S = 20.0
_log = logs.get(__name__)


class Lease:
    """A folder that this run holds; a thread renews it until it is closed.

    ``former`` is who held it before, None if nobody did.
    """

    def __init__(self, run_url: str, mine: Holder, former: Holder | None, timing: Timing) -> None:
        self._run_url, self._mine, self._timing = run_url, mine, timing
        self.former = former
        self._changed = threading.Condition()
        self._is_due = self._is_closing = self._is_behind = False
        self._num_begun = self._num_looks = 0
        self._lost: LeaseError | None = None
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="sparkcv-lease", daemon=True)
        self._thread.start()

    @property
    def token(self) -> int:
        """The fencing token: higher than that of any run before in this folder."""
        return self._mine.token

    def advance(self) -> int:
        """Take the next token and return it: roles that were given the one before are fenced off from now on.

        Raises LeaseError if the folder is another's by now.
        """
        with self._writing:
            check(self._run_url, self._mine.token)
            with self._changed:
                mine = dataclasses.replace(self._mine, token=self._mine.token + 1, beat=0, renewed=time.time())
            if not lease_file.create(self._run_url, mine):
                raise LeaseError(f"this run has lost --train_dir {self._run_url}: another run was faster to renew it")
            with self._changed:
                self._mine = mine
            lease_file.remove_older(self._run_url, mine.token)
        return mine.token

    def note(self, **values: Any) -> None:
        """Let the lock file say more: ``application`` and ``has_restarted`` (see Holder); return once it does."""
        with self._changed:
            self._mine = dataclasses.replace(self._mine, **values)
        self.confirm()

    def check(self) -> None:
        """Raise LeaseError if the folder is known to be another's by now; return at once."""
        if self._lost is not None:
            raise self._lost

    def fence(self) -> None:
        """Do what ``check`` does, after a look at the folder, however long the storage takes to answer."""
        with self._writing:  # not while the token is changed
            check(self._run_url, self._mine.token)

    def confirm(self) -> None:
        """Do what ``check`` does, after a look at the folder, if the storage answers within seconds."""
        with self._changed:
            wanted, self._is_due = self._num_begun + 1, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._num_looks >= wanted or self._lost is not None, _CONFIRM_S)
        self.check()

    def close(self) -> None:
        """Release the folder, if it is still ours, and end the thread; twice is fine."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(_RELEASE_S)
        if self._thread.is_alive():
            _log.warning("%s was not released: its storage does not answer", self._run_url)

    def _keep(self) -> None:
        is_last = False
        while not is_last and self._lost is None:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due or self._is_closing, self._timing.renew_s)
            with self._writing:
                with self._changed:
                    is_last, self._is_due = self._is_closing, False
                    self._num_begun += 1
                    mine = dataclasses.replace(
                        self._mine, is_held=not is_last, beat=self._mine.beat + 1, renewed=time.time()
                    )
                    self._mine = mine
                lost = self._renew(mine)
            with self._changed:
                self._lost = lost
                self._num_looks += 1
                self._changed.notify_all()

    def _renew(self, mine: Holder) -> LeaseError | None:
        """Write the lock file anew; return the error of a folder that is another's. What else fails is tried again."""
        try:
            check(self._run_url, mine.token)
            storage.write_bytes(lease_file.url_of(self._run_url, mine.token), mine.to_bytes())
        except LeaseError as err:
            return err
        except StorageError as err:
            if not self._is_behind:
                _log.warning("the lock of %s was not renewed, it is tried again: %s", self._run_url, err)
            self._is_behind = True
        else:
            self._is_behind = False
        return None


@contextlib.contextmanager
def held(run_url: str, *, application: str = "", timing: Timing = _TIMING) -> Iterator[Lease]:
    """Hold a run's folder while the block runs.

    Raises LeaseError, naming the holder, if another run holds it; if that run shows no sign of life, this waits for up
    to ``timing.expiry_s`` and takes the folder over. A run that loses it in the block ends with a LeaseError as well,
    whatever failed because of that.
    """
    mine, former = take(run_url, application, timing)
    lease = Lease(run_url, mine, former, timing)
    try:
        yield lease
    except SparkcvError:
        lease.close()
        lease.check()
        raise
    finally:
        lease.close()


def check(run_url: str, token: int) -> None:
    """Raise LeaseError unless ``token`` is still the highest one of a run's folder: for who is about to write there."""
    found = lease_file.tokens(run_url)
    if found and found[-1] > token:
        by = "another run"
        with contextlib.suppress(LeaseError, StorageError):
            by = str(lease_file.newest(run_url) or by)
        raise LeaseError(
            f"this run has lost --train_dir {run_url} and writes nothing more there: it was taken over by {by}, as this"
            " run was stopped or cut off and did not renew its lock in time"
        )
    if token not in found:
        raise LeaseError(
            f"this run has lost --train_dir {run_url} and writes nothing more there: its lock run.lock.{token} is gone,"
            " so the folder was deleted, moved or emptied while the run went on"
        )


def fence(run_url: str, token: int | None) -> Callable[[], None]:
    """Return a function that does what :func:`check` does; nothing without a token."""
    return (lambda: None) if token is None else (lambda: check(run_url, token))
