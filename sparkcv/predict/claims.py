"""One run a day at a time: who came first works, the other is told who that is.

A claim is ``<output_dir>/.date-<DATE>.<N>.json``, made so that of several who try the same number one succeeds. Of the
claims of living runs the lowest counts. A dead run's stays while a run of the day works, so that its number is not
taken below that one's.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Iterable
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import AtWorkError, FileExistsAlreadyError, MissingFileError, StorageError
from sparkcv.predict import run_lease
from sparkcv.rundir.process import Process, this_process

__all__ = ["Claim", "delete_dead", "refuse_if_claimed", "take"]

_NAME = re.compile(r"\.date-(\d{4}-\d{2}-\d{2})\.([1-9]\d{0,8})\.json")
_TRIES = 20


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a run says of itself while it works on a day."""

    output_dir: str
    date: str
    number: int
    run_id: str
    process: Process
    started: str

    @property
    def url(self) -> str:
        """Its file."""
        return storage.join(self.output_dir, f".date-{self.date}.{self.number}.json")

    def is_alive(self) -> bool:
        """Return whether its run lives, as far as that can be seen from here."""
        return run_lease.is_alive(storage.join(self.output_dir, run_lease.PREFIX + self.run_id))

    def release(self) -> None:
        """Delete those of dead runs below it, then itself."""
        for number in sorted(_numbers(self.output_dir, self.date)):
            if number < self.number:
                storage.delete(dataclasses.replace(self, number=number).url)
        storage.delete(self.url)


def refuse_if_claimed(output_dir: str, date: str) -> None:
    """Raise AtWorkError, which names the run, if a living one works on this day."""
    for number in _numbers(output_dir, date):
        claim = _read(output_dir, date, number)
        if claim is not None and claim.is_alive():
            raise _at_work(claim)


def delete_dead(output_dir: str, names: Iterable[str], *, but: str) -> None:
    """Delete the claims of dead runs among these names of files, but those of the day ``but``, which its run deletes.

    Dates: ``YYYY-MM-DD``; ``but`` may be "".
    """
    for name in names:
        if (found := _NAME.fullmatch(name)) and found[1] != but:
            claim = _read(output_dir, found[1], int(found[2]))
            if claim is not None and not claim.is_alive():
                storage.delete(claim.url)


def take(output_dir: str, date: str, run_id: str) -> Claim:
    """Claim a day for a run whose lease is written already; raises AtWorkError if another living run has it."""
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    for _ in range(_TRIES):
        refuse_if_claimed(output_dir, date)
        number = max(_numbers(output_dir, date), default=0) + 1
        mine = Claim(output_dir, date, number, run_id, this_process(), started)
        value = {"run_id": run_id, "process": dataclasses.asdict(mine.process), "started": started}
        try:
            storage.write_new(mine.url, json.dumps(value, indent=1, sort_keys=True).encode())
        except FileExistsAlreadyError:
            continue  # another one was faster: look who
        for other in _numbers(output_dir, date):
            claim = _read(output_dir, date, other) if other < number else None
            if claim is not None and claim.is_alive():
                storage.delete(mine.url)
                raise _at_work(claim)
        return mine
    raise StorageError(f"{output_dir!r}: {_TRIES} others were faster to claim {date}")


def _numbers(output_dir: str, date: str) -> list[int]:
    try:
        found = [_NAME.fullmatch(entry.name) for entry in storage.list_dir(output_dir)]
    except MissingFileError:
        return []
    return sorted(int(match[2]) for match in found if match and match[1] == date)


def _read(output_dir: str, date: str, number: int) -> Claim | None:
    """Return a claim; None for one that is gone by now, or that nobody wrote."""
    url = storage.join(output_dir, f".date-{date}.{number}.json")
    try:
        value: Any = storage.read_json(url)
        run_id, started = str(value["run_id"]), logs.clean(str(value["started"]))
        if not re.fullmatch(r"[0-9a-f]{24}", run_id):
            return None
        return Claim(output_dir, date, number, run_id, Process.from_json(value["process"]), started)
    except MissingFileError:
        return None
    except (StorageError, KeyError, TypeError, ValueError):
        return None  # written whole or not at all: this is no claim


def _at_work(claim: Claim) -> AtWorkError:
    who = claim.process
    return AtWorkError(
        f"{claim.date} is being scored into {claim.output_dir!r} already, by {logs.clean(who.user)} on"
        f" {logs.clean(who.host)}, process {who.pid}, run {claim.run_id}, since {claim.started}: nothing to do here"
    )
