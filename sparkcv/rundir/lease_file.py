"""The lock files of a run's folder, ``run.lock.N``: who holds it, in JSON, and nothing in them is trusted.

N is the fencing token. The file with the highest N counts, and is never deleted before there is a higher one: so a
token is never given twice. It is made by an exclusive create, and then only its maker writes to it, so that one who
was paused can harm nobody's but his own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from typing import Any

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError, LeaseError, MissingFileError, StorageError, UnavailableError
from sparkcv.rundir.json_values import number, text
from sparkcv.rundir.process import Process

__all__ = ["Holder", "MAX_TOKEN", "create", "newest", "remove_older", "tokens", "url_of"]

_SCHEMA = 1
_NAME = re.compile(r"run\.lock\.([1-9][0-9]{0,15})")
_ASIDE = re.compile(r"\.run\.lock\.([1-9][0-9]{0,15})\.tmp-[0-9a-f]+")
_MAX_BYTES = 4096
_NUM_READS = 3
MAX_TOKEN = 10**15


@dataclasses.dataclass(frozen=True)
class Holder:
    """What a lock file says.

    Attributes:
        token: the number in its name.
        owner: random; tells apart who takes the same token in two places.
        process: whose it is.
        application: Spark's name of the application, "" if it is not known.
        is_held: false once it was released.
        beat: counts the renewals.
        since, renewed: Unix seconds by that host's clock, for people only.
        has_restarted: that this run has moved aside what was there before.
    """

    token: int
    owner: str
    process: Process
    application: str
    is_held: bool
    beat: int
    since: float
    renewed: float
    has_restarted: bool = False

    def __str__(self) -> str:
        """Name the holder to a person."""
        of = f", application {self.application}" if self.application else ""
        who = f"{self.process.user} on {self.process.host} (process {self.process.pid}{of})"
        return f"{who} since {_utc(self.since)}, last renewed {_utc(self.renewed)}"

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        value = {"schema": _SCHEMA, **dataclasses.asdict(self)}
        return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def url_of(run_url: str, token: int) -> str:
    """Return the URL of a token's lock file."""
    return storage.join(run_url, f"run.lock.{token}")


def tokens(run_url: str) -> list[int]:
    """Return the tokens of all lock files of a folder, lowest first; a folder that is not there has none."""
    try:
        return sorted(int(at[1]) for entry in storage.list_dir(run_url) if (at := _NAME.fullmatch(entry.name)))
    except MissingFileError:
        return []


def newest(run_url: str) -> Holder | None:
    """Return what the lock file with the highest token says, held or released; None if there is none.

    Raises LeaseError if that is not a lock file of sparkcv, of which nothing is told but its name.
    """
    for attempt in range(_NUM_READS):
        found = tokens(run_url)
        if not found:
            return None
        try:
            return _read(run_url, found[-1])
        except UnavailableError:
            raise
        except StorageError:  # its holder replaced it, or a higher one did, while it was read
            if attempt == _NUM_READS - 1:
                raise
    return None


def create(run_url: str, mine: Holder) -> bool:
    """Make the lock file; tell whether it is ours, which it is not if another was faster, or is ahead by now."""
    url = url_of(run_url, mine.token)
    try:
        storage.write_new(url, mine.to_bytes())
    except (FileExistsAlreadyError, MissingFileError):  # the latter: one who is ahead cleared away what we had begun
        return False
    found = newest(run_url)
    if found is not None and (found.token, found.owner) == (mine.token, mine.owner):
        return True
    if found is not None and found.token > mine.token:
        storage.delete(url)  # we looked, were held up for a whole life of another run, and made an old one anew
    return False


def remove_older(run_url: str, token: int) -> None:
    """Delete the lock files of lower tokens, and what a killed holder of one left beside it."""
    with contextlib.suppress(StorageError):  # they only take room
        for entry in storage.list_dir(run_url):
            at = _NAME.fullmatch(entry.name) or _ASIDE.fullmatch(entry.name)
            if at and not entry.is_dir and int(at[1]) < token:
                storage.delete(entry.url)


def _read(run_url: str, token: int) -> Holder:
    url = url_of(run_url, token)
    if storage.is_link(url):
        raise _strange(url, "it is a symbolic link")
    if storage.is_dir(url):
        raise _strange(url, "it is a folder")
    data = storage.read_bytes(url, 0, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise _strange(url, f"it has more than {_MAX_BYTES} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _strange(url, "it is not JSON") from None  # what stands in it is told to nobody
    try:
        return _parse(value, token)
    except (KeyError, TypeError, ValueError):
        raise _strange(url, f"it does not say what one of schema {_SCHEMA} and token {token} says") from None


def _parse(value: Any, token: int) -> Holder:
    if value["schema"] != _SCHEMA or value["token"] != token:
        raise ValueError
    return Holder(
        token=token,
        owner=text(value["owner"]),
        process=Process.from_json(value["process"]),
        application=text(value["application"]),
        is_held=number(value["is_held"], bool),
        beat=number(value["beat"], int),
        since=number(value["since"], float),
        renewed=number(value["renewed"], float),
        has_restarted=number(value["has_restarted"], bool),
    )


def _strange(url: str, why: str) -> LeaseError:
    return LeaseError(
        f"{url!r} stands where the lock of a run belongs and is none that sparkcv wrote: {why}; if no run uses the"
        " folder, delete it, or name another --train_dir"
    )


def _utc(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
