"""The table of what the soak measured, as bench/SOAK.md shows it."""

import datetime
import os
import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.faults.soak_bench import Bench, Fault

_NOTICED_S, _RECOVERY_S = 10, 60
# What is another than that by the case's own promise: a stall is declared after 60 s and a beat, and so on.
_NOTICED = {"T8": 61, "T9": 60, "T11": 61, "T12": 60, "T14": 30, "S3": 1}
_RECOVERY = {"T8": 61 + 60}
_HALF_RECOVERY = {"T1": 20}
HEAD = """# Faults at running jobs, as measured

Written by `make soak`; `tests/faults/soak_*.py` have the cases and what each must hold. Noticed: from the fault to
the driver's word of it. Recovery: to the first new step of the role, or of all where all begin again. Lost: steps,
with a checkpoint every {interval}, or 25 in T19. Late: over the limits of {noticed} s to notice and {recovery} s to
recover, but for {others}, and of T1's recoveries half over 20 s; all other checks held. Without a failure in n faults,
the rate of failures is below about 3/n (19 times in 20). More is in
[docs/measured.md](../docs/measured.md#faults-at-running-jobs).

| case | runs | faults | noticed p50 / max | recovery p50 / max | lost steps max | result |
|--|--|--|--|--|--|--|
"""


def table(
    cases: Mapping[str, Callable[[Bench], None]],
    results: Mapping[str, str],
    benches: Mapping[str, Bench],
    flags: Mapping[str, object],
    command: str,
) -> str:
    """The whole page."""
    others = [f"{name} ({limit} s to notice)" for name, limit in _NOTICED.items()]
    others += [f"{name} ({limit} s to recover)" for name, limit in _RECOVERY.items()]
    head = HEAD.format(
        interval=flags["save_interval_steps"], noticed=_NOTICED_S, recovery=_RECOVERY_S, others=", ".join(others)
    )
    rows = [row(name, case, benches.get(name), results[name]) for name, case in cases.items()]
    return head + "\n".join(rows) + _about(flags, command)


def row(name: str, case: Callable[[Bench], None], bench: Bench | None, result: str) -> str:
    """One row of the table; None: of a case that was not run."""
    faults = bench.faults if bench else []
    lost = [fault.lost_steps for fault in faults if fault.lost_steps is not None]
    what = (case.__doc__ or "").partition("\n")[0].partition(": ")[2].rstrip(".")
    note = f"; {bench.note}" if bench and bench.note else ""
    return (
        f"| {name}: {what} | {bench.num_runs if bench else 0} | {len(faults)} | {_spread(faults, 'noticed_s')}"
        f" | {_spread(faults, 'recovery_s')} | {max(lost) if lost else '-'} | {result}{_late(name, faults)}{note} |"
    )


def _late(name: str, faults: Sequence[Fault]) -> str:
    """What to add to a result for times over the limits, which other work on the machine can cause as well."""
    noticed = [fault.noticed_s for fault in faults if fault.noticed_s is not None]
    taken = [fault.recovery_s for fault in faults if fault.recovery_s is not None]
    is_late = (
        max(noticed, default=0) > _NOTICED.get(name, _NOTICED_S),
        max(taken, default=0) > _RECOVERY.get(name, _RECOVERY_S),
        bool(taken) and statistics.median(taken) > _HALF_RECOVERY.get(name, float("inf")),
    )
    return ", late" if any(is_late) else ""


def _about(flags: Mapping[str, object], command: str) -> str:
    """Say when, where and by which command."""
    words = ", ".join(f"{name} {value}" for name, value in flags.items())
    return (
        f"\n\n{datetime.datetime.now(datetime.UTC).date()}, {os.cpu_count()} cores, load"
        f" {os.getloadavg()[2]:.1f} over the last 15 minutes; lenet, {words}.\n\nCommand: `{command}`\n"
    )


def _spread(faults: Sequence[Fault], name: str) -> str:
    values = [value for fault in faults if (value := getattr(fault, name)) is not None]
    return f"{statistics.median(values):.1f} / {max(values):.1f} s" if values else "-"
