"""What differs between two runs as their run.json tells: code, packages, data and flags."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from sparkcv.rundir.description import RunDescription

__all__ = ["Difference", "between"]

_DIGEST_CHARS = 12
_OF_THE_FOLDER = ("train_dir", "restart", "adopt_checkpoint")  # they always differ, and change nothing that is trained


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is not as it was; ``before`` and ``now`` are words to show."""

    what: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} then, {self.now} now"


def between(before: RunDescription, now: RunDescription) -> Iterator[Difference]:
    """Give what differs, and what keeps even equal runs from equal weights: a resumption, workers out of step."""
    yield from _values("sparkcv", before.sparkcv, now.sparkcv)
    yield from _values("code (digest of sparkcv's files)", before.source, now.source)
    for name in sorted({*before.versions, *now.versions} - {"sparkcv"}):
        yield from _values(name, before.versions.get(name), now.versions.get(name), none="not installed")
    yield from _data(before, now)
    for name in sorted({*before.config, *now.config} - set(_OF_THE_FOLDER)):
        if name not in before.config:
            yield Difference(f"--{name}", "no such flag", _shown(now.config[name]))
        else:
            yield from _values(f"--{name}", before.config[name], now.config.get(name), none="not set")
    if before.resumed_from_step:
        yield Difference(
            "start", f"resumed at step {before.resumed_from_step}, maybe with other flags before", "step 0"
        )
    if (now.config.get("num_ps_tasks") or 0) and not now.config.get("sync_replicas"):
        same = "in whatever order the workers came"
        yield Difference("steps of asynchronous workers", same, "so too: weights differ, results are alike")


def _data(before: RunDescription, now: RunDescription) -> Iterator[Difference]:
    digests = before.dataset_digest, now.dataset_digest
    if digests[0] != digests[1]:
        was, is_now = (_records(run) for run in (before, now))
        yield Difference("data", was, is_now)


def _records(run: RunDescription) -> str:
    return f"{run.num_records} records (digest {str(run.dataset_digest)[:_DIGEST_CHARS]})"


def _values(what: str, before: Any, now: Any, *, none: str = "not known") -> Iterator[Difference]:
    if before != now:
        yield Difference(what, _shown(before, none), _shown(now, none))


def _shown(value: Any, none: str = "not set") -> str:
    return none if value is None else str(value)
