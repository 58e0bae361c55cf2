"""The long forms of the faults, for as long as they are given, and the table of what they measured.

``make soak`` or ``python -m tests.faults.soak --minutes 60 --cases T1,T3 --seed 1``: each case has an equal share of
the time and runs at least once. Writes ``bench/SOAK.md`` after each; the exit code is 1 if a case failed.
"""

import argparse
import datetime
import os
import random
import shlex
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.faults import soak_folder
from tests.faults.running import ROOT
from tests.faults.soak_cases import CASES, Bench, Fault
from tests.faults.soak_hours import hours
from tests.inputs import data

CASES = {**CASES, **soak_folder.CASES, "T30": hours}
FLAGS = {
    "num_ps_tasks": 1,
    "cluster_size": 3,
    "train_image_size": 28,
    "batch_size": 8,
    "save_interval_steps": 50,
    "stall_timeout_s": 60,
}
LIMITS = {"noticed": 10, "recovery": 60, "p50": 20}  # seconds; the last is of T1's recoveries
HEAD = """# Faults at running jobs, as measured

Written by `make soak`; `tests/faults/soak_cases.py` has the cases and what each must hold. Noticed: from the fault to
the driver's word of it. Recovery: to the first new step of the role, or of all where all begin again. Lost: steps, with
a checkpoint every {interval}. Late: noticed after more than 10 s, recovered after more than 60 s, or, of T1, after more
than 20 s in half of the cases; all other checks held. Without a failure in n faults, the rate of failures is below
about 3/n (19 times in 20).

| case | runs | faults | noticed p50 / max | recovery p50 / max | lost steps max | verdict |
|--|--|--|--|--|--|--|
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases and write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES), help="such as T1,T30")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "SOAK.md")
    args = parser.parse_args(argv)
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    rows, has_failed = {name: row(name, None, "not run yet") for name in CASES}, False
    command = shlex.join(["python", "-m", "tests.faults.soak", *(argv if argv is not None else sys.argv[1:])])
    with tempfile.TemporaryDirectory(prefix="sparkcv-soak-") as folder:
        dataset = Path(folder) / "data"
        data.write_dataset(dataset, data.drawn_shards(20, 100, 96))
        for name in args.cases:
            work = Path(folder) / name
            work.mkdir()
            chance = random.Random(f"{args.seed} {name}")
            end_s = time.monotonic() + 60 * args.minutes / len(args.cases)
            bench = Bench(work, {**FLAGS, "dataset_dir": dataset}, chance, end_s)
            verdict = run_case(name, bench)
            has_failed = has_failed or verdict != "held"
            rows[name] = row(name, bench, verdict + late(name, bench.faults))
            print(rows[name], flush=True)
            args.out.write_text(
                HEAD.format(interval=FLAGS["save_interval_steps"]) + "\n".join(rows.values()) + about(command)
            )
    return int(has_failed)


def run_case(name: str, bench: Bench) -> str:
    """Run one case; returns "held", or what was wrong in a few words, the rest of it on standard error."""
    try:
        CASES[name](bench)
    except Exception as err:  # noqa: BLE001 - the other cases are to be run as well
        traceback.print_exc()
        return f"FAILED: {(str(err).splitlines() or [type(err).__name__])[0][:120]}"
    return "held"


def late(name: str, faults: Sequence[Fault]) -> str:
    """What to add to a verdict for times over the limits, which other work on the machine can cause as well."""
    noticed = [fault.noticed_s for fault in faults if fault.noticed_s is not None]
    taken = [fault.recovery_s for fault in faults if fault.recovery_s is not None]
    is_slow = name == "T1" and taken and statistics.median(taken) > LIMITS["p50"]
    is_over = max(noticed, default=0) > LIMITS["noticed"] and name != "T14"  # which is timed to its end
    return ", late" if is_slow or is_over or max(taken, default=0) > LIMITS["recovery"] else ""


def row(name: str, bench: Bench | None, verdict: str) -> str:
    """One row of the table; None: of a case that was not run."""
    faults = bench.faults if bench else []
    lost = [fault.lost_steps for fault in faults if fault.lost_steps is not None]
    what = (CASES[name].__doc__ or "").partition("\n")[0].partition(": ")[2].rstrip(".")
    return (
        f"| {name}: {what} | {bench.num_runs if bench else 0} | {len(faults)} | {_spread(faults, 'noticed_s')}"
        f" | {_spread(faults, 'recovery_s')} | {max(lost) if lost else '-'} | {verdict} |"
    )


def about(command: str) -> str:
    """Say when, where and by which command."""
    flags = ", ".join(f"{name} {value}" for name, value in FLAGS.items())
    return (
        f"\n\n{datetime.datetime.now(datetime.UTC).date()}, {os.cpu_count()} cores shared with other work, load"
        f" {os.getloadavg()[2]:.1f} over the last 15 minutes; lenet, {flags}.\n\nCommand: `{command}`\n"
    )


def _spread(faults: Sequence[Fault], name: str) -> str:
    values = [value for fault in faults if (value := getattr(fault, name)) is not None]
    return f"{statistics.median(values):.1f} / {max(values):.1f} s" if values else "-"


if __name__ == "__main__":
    sys.exit(main())
