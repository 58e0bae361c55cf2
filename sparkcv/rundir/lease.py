"""One owner of a run's folder: taken before anything is written there, renewed while the run goes on, fenced after.

Who takes the folder gets a token one higher than any before (see lease_file.py). Who holds a lower one has lost it,
whatever it believes: it may have been stopped for a minute, or cut off. It learns so at its next renewal, and the chief
asks before it publishes anything (:func:`check`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import FileExistsAlreadyError, LeaseError, MissingFileError, SparkcvError, StorageError
from sparkcv.rundir import lease_file
from sparkcv.rundir.lease_file import Holder
from sparkcv.rundir.process import Life, look_at, this_process

__all__ = ["Lease", "Timing", "check", "fence", "held", "refuse_if_held"]

_NUM_TRIES = 20
_CONFIRM_S = 10.0
_RELEASE_S = 20.0
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class Timing:
    """How often a lease is renewed, and how long a contender sees none of that before it takes the folder over.

    The contender measures by its own clock, and counts only the time in which the storage answered: after an outage
    the holder needs a moment to renew.
    """

    renew_s: float = 10.0
    expiry_s: float = 40.0
    poll_s: float = 1.0


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
            if not _create(self._run_url, mine):
                raise LeaseError(f"this run has lost --train_dir {self._run_url}: another run was faster to renew it")
            with self._changed:
                self._mine = mine
            lease_file.remove_older(self._run_url, mine.token)
        return mine.token

    def note(self, **values: Any) -> None:
        """Let the lock file say more: ``application`` and ``has_restarted`` (see Holder); returns once it does."""
        with self._changed:
            self._mine = dataclasses.replace(self._mine, **values)
        self.confirm()

    def check(self) -> None:
        """Raise LeaseError if the folder is known to be another's by now; returns at once."""
        if self._lost is not None:
            raise self._lost

    def fence(self) -> None:
        """As ``check``, after a look at the folder, however long the storage takes to answer."""
        with self._writing:  # not while the token is changed
            check(self._run_url, self._mine.token)

    def confirm(self) -> None:
        """As ``check``, after a look at the folder, if the storage answers within seconds."""
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
        """Write the lock file anew; returns the error of a folder that is another's. What else fails is tried again."""
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
def held(run_url: str, *, application: str = "", timing: Timing = Timing()) -> Iterator[Lease]:
    """Hold a run's folder while the block runs.

    Raises LeaseError, naming the holder, if another run holds it; if that run shows no sign of life, this waits for up
    to ``timing.expiry_s`` and takes the folder over. A run that loses it in the block ends with a LeaseError as well,
    whatever failed because of that.
    """
    mine, former = _take(run_url, application, timing)
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


def refuse_if_held(run_url: str) -> Holder | None:
    """Return who held the folder last; changes nothing, waits for nothing.

    Raises LeaseError if a run is seen at once to hold it.
    """
    found = lease_file.newest(run_url)
    if found is not None and found.is_held and look_at(found.process) is Life.RUNS:
        raise _refusal(run_url, found)
    return found


def _take(run_url: str, application: str, timing: Timing) -> tuple[Holder, Holder | None]:
    """Return our lock, taken, and who held it before."""
    owner, process = secrets.token_hex(16), this_process()
    for _ in range(_NUM_TRIES):
        former = _wait_until_free(run_url, timing)
        now = time.time()
        mine = Holder(
            token=former.token + 1 if former else 1,
            owner=owner,
            process=process,
            application=application,
            is_held=True,
            beat=0,
            since=now,
            renewed=now,
        )
        if mine.token > lease_file.MAX_TOKEN:
            raise LeaseError(
                f"{lease_file.url_of(run_url, former.token if former else 0)!r} holds the last token there is"
            )
        if _create(run_url, mine):
            lease_file.remove_older(run_url, mine.token)
            return mine, former
    raise LeaseError(
        f"the lock of --train_dir {run_url} could not be taken in {_NUM_TRIES} tries: what is in the way of"
        f" {lease_file.url_of(run_url, mine.token)!r} is no file, or many others try as well"
    )


def _create(run_url: str, mine: Holder) -> bool:
    """Make the lock file; tells whether it is ours, which it is not if another was faster, or is ahead by now."""
    url = lease_file.url_of(run_url, mine.token)
    try:
        storage.write_new(url, mine.to_bytes())
    except (FileExistsAlreadyError, MissingFileError):  # the latter: one who is ahead cleared away what we had begun
        return False
    found = lease_file.newest(run_url)
    if found is not None and (found.token, found.owner) == (mine.token, mine.owner):
        return True
    if found is not None and found.token > mine.token:
        storage.delete(url)  # we looked, were held up for a whole life of another run, and made an old one anew
    return False


def _wait_until_free(run_url: str, timing: Timing) -> Holder | None:
    """Return who held the folder last; raises LeaseError if that run shows that it goes on."""
    first = found = lease_file.newest(run_url)
    if found is None or not found.is_held:
        return found
    waited_s, looked_s = 0.0, time.monotonic()
    while (life := look_at(found.process)) in (Life.UNKNOWN, Life.STOPPED) and waited_s < timing.expiry_s:
        if not waited_s:
            _log.warning(
                "--train_dir %s is held by %s; waiting up to %.0f s to see whether that run goes on",
                run_url, found, timing.expiry_s,
            )  # fmt: skip
        time.sleep(timing.poll_s)
        found = lease_file.newest(run_url)
        waited_s += min(time.monotonic() - looked_s, 2 * timing.poll_s)
        looked_s = time.monotonic()
        if found is None or not found.is_held:
            return found
        if found != first:
            raise _refusal(run_url, found)
    if life is Life.RUNS:
        raise _refusal(run_url, found)
    how = "its process has ended" if life is Life.ENDED else f"it was not renewed for {waited_s:.0f} s"
    _log.warning("taking over --train_dir %s, held by %s: %s", run_url, found, how)
    return found


def _refusal(run_url: str, holder: Holder) -> LeaseError:
    return LeaseError(
        f"--train_dir {run_url} is held by {holder}; wait until that run ends, stop it, or name another --train_dir"
    )
