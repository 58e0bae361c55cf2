"""Taking a run's folder: at once where nobody holds it, after a wait where its holder shows no sign of life."""

from __future__ import annotations

import dataclasses
import secrets
import time

from sparkcv import logs
from sparkcv.errors import LeaseError
from sparkcv.rundir import lease_file
from sparkcv.rundir.lease_file import Holder
from sparkcv.rundir.process import Life, look_at, this_process

__all__ = ["Timing", "refuse_if_held", "take"]

_NUM_TRIES = 20
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


def refuse_if_held(run_url: str) -> Holder | None:
    """Return who held the folder last; changes nothing, waits for nothing.

    Raises LeaseError if a run is seen at once to hold it.
    """
    found = lease_file.newest(run_url)
    if found is not None and found.is_held and look_at(found.process) is Life.RUNS:
        raise _refusal(run_url, found)
    return found


def take(run_url: str, application: str, timing: Timing) -> tuple[Holder, Holder | None]:
    """Return our lock, taken, and who held it before.

    Raises LeaseError, naming the holder, if another run holds the folder; if that run shows no sign of life, this waits
    for up to ``timing.expiry_s`` and takes the folder over.
    """
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
        if lease_file.create(run_url, mine):
            lease_file.remove_older(run_url, mine.token)
            return mine, former
    raise LeaseError(
        f"the lock of --train_dir {run_url} could not be taken in {_NUM_TRIES} tries: what is in the way of"
        f" {lease_file.url_of(run_url, mine.token)!r} is no file, or many others try as well"
    )


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
