"""The long forms of the faults, for as long as they are given, and the table of what they measured.

``make soak`` or ``python -m tests.faults.soak --minutes 60 --cases T1,T3 --seed 1``: each case has an equal share of
the time and runs at least once. Writes ``bench/SOAK.md`` after each; the exit code is 1 if a case failed.
"""

import argparse
import random
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from sparkcv import logs
from tests.faults import (
    soak_folder,
    soak_kills,
    soak_links,
    soak_points,
    soak_scoring,
    soak_stalls,
    soak_starts,
    soak_state,
    soak_tokens,
)
from tests.faults.running import ROOT
from tests.faults.soak_bench import Bench, Fault
from tests.faults.soak_hours import hours
from tests.faults.soak_table import table
from tests.inputs import data

ROOMS = (
    soak_kills,
    soak_points,
    soak_starts,
    soak_stalls,
    soak_links,
    soak_folder,
    soak_state,
    soak_tokens,
    soak_scoring,
)
_FOUND = {name: case for room in ROOMS for name, case in room.CASES.items()} | {"T30": hours}
CASES = {name: _FOUND[name] for name in sorted(_FOUND, key=lambda name: (name[0] != "T", int(name[1:])))}
FLAGS = {
    "num_ps_tasks": 1,
    "cluster_size": 3,
    "train_image_size": 28,
    "batch_size": 8,
    "save_interval_steps": 50,
    "stall_timeout_s": 60,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases and write the table."""
    args = parsed(argv)
    command = shlex.join(["python", "-m", "tests.faults.soak", *(argv if argv is not None else sys.argv[1:])])
    results, benches = dict.fromkeys(CASES, "not run yet"), {}
    end_s = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory(prefix="sparkcv-soak-") as folder:
        dataset = Path(folder) / "data"
        data.write_dataset(dataset, data.drawn_shards(20, 100, 96))
        for index, name in enumerate(args.cases):
            work = Path(folder) / name
            work.mkdir()
            where = f"soak {name}, {index + 1} of {len(args.cases)}"
            benches[name] = Bench(
                work,
                {**FLAGS, "dataset_dir": dataset},
                random.Random(f"{args.seed} {name}"),
                time.monotonic() + 60 * args.minutes / len(args.cases),
                tell=lambda bench, fault, where=where: say(where, bench, fault, end_s),
            )
            print(f"{where}: begins · ETA {left(end_s)}", file=sys.stderr, flush=True)
            results[name] = run_case(name, benches[name])
            print(f"{where}: {results[name]}", file=sys.stderr, flush=True)
            args.out.write_text(table(CASES, results, benches, FLAGS, command))
    return int(any(results[name] != "held" for name in args.cases))


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES), help="such as T1,T30")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "SOAK.md")
    args = parser.parse_args(argv)
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    return args


def run_case(name: str, bench: Bench) -> str:
    """Run one case; returns "held", or what was wrong in a few words, the rest of it on standard error."""
    try:
        CASES[name](bench)
    except Exception as err:  # noqa: BLE001 - the other cases are to be run as well
        traceback.print_exc()
        return f"FAILED: {(str(err).splitlines() or [type(err).__name__])[0][:120]}"
    return "held"


def say(where: str, bench: Bench, fault: Fault, end_s: float) -> None:
    """Tell a person of a fault and of the time that is left."""
    parts = [f"{where}: fault {len(bench.faults)}"]
    if fault.noticed_s is not None:
        parts.append(f"noticed {fault.noticed_s:.1f} s")
    if fault.recovery_s is not None:
        parts.append(f"recovered {fault.recovery_s:.1f} s")
    print(
        " · ".join([*parts, f"{left(bench.end_s)} of this case left", f"ETA {left(end_s)}"]),
        file=sys.stderr,
        flush=True,
    )


def left(end_s: float) -> str:
    """How long it is until then, as a person says it."""
    return logs.duration(end_s - time.monotonic())


if __name__ == "__main__":
    sys.exit(main())
