"""R11: a fault to the first new step, plain TensorFlow restarted by hand / ours. Goals: 5, 6 and 8 s of ours, 0.77.

Command (about 15 minutes on 2 cores)::

    python bench/r11_recovery.py

A ps and two workers train LeNet, on Spark executors, and the same program in plain processes. In each round a worker,
then the ps, then (on the one side) an executor's Java is killed. By hand means: somebody sits there and starts the
worker again as soon as it is gone, or with a ps all three, which go on from the newest checkpoint; there is no more to
do where an executor would have been lost. Above 1 ours is the faster. Wall time only: who recovers is the machine's one
load, and CPU seconds would say nothing about a wait.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from by_hand import ByHand
from hosted import params

from tests.faults.running import FLAGS, Run

ROUNDS = 5
FAULTS = {"killed worker": "<= 5 s", "killed ps": "<= 6 s", "lost executor": "<= 8 s"}


def ours(folder: pathlib.Path) -> dict[str, float]:
    """One run on Spark executors; seconds by fault."""
    flags = {"dataset_dir": folder / "data", "train_dir": folder / "train", "num_ps_tasks": 1, "cluster_size": 3}
    taken = {}
    with Run(folder, flags, job="jobs.train_image_classifier") as run:

        def strike(kill: Callable[[], object], stepper: str) -> float:
            run.wait_for_first_step("worker:1")
            run.wait_for_save(above=run.highest_step())
            since, start_s = len(run.said), time.monotonic()
            kill()
            run.wait_for_first_step(stepper, since)
            return time.monotonic() - start_s

        taken["killed worker"] = strike(lambda: run.kill("worker:1"), "worker:1")
        taken["killed ps"] = strike(lambda: run.kill("ps:0"), "worker:0")
        taken["lost executor"] = strike(lambda: run.executor_of("worker:1").kill(), "worker:0")
        run.stop()
        run.end()
    return taken


def restarted_by_hand(folder: pathlib.Path) -> dict[str, float]:
    """Run the same program in plain processes; return seconds by fault."""
    told = params(folder, **{name: FLAGS[name] for name in FLAGS if name != "dataset_name"})
    with ByHand(told, folder, num_workers=2) as hand:

        def wait_for(role: str, saved: int = 0) -> int:
            while True:
                who, status = hand.said.get(timeout=600)
                if who == role and "own_steps" in status and status.get("saved", saved) >= saved:
                    return int(status.get("saved", 0))

        def strike(role: str, again: list[str], stepper: str) -> float:
            start_s = time.monotonic()
            hand.processes[role].kill()
            for name in again:
                hand.processes[name].kill()
                hand.processes[name].wait()
            for name in again:
                hand.start(name, 1 if len(again) == 1 else 0)
            while not hand.said.empty():  # what the old ones said
                hand.said.get()
            wait_for(stepper)
            return time.monotonic() - start_s

        wait_for("worker:1")
        wait_for("worker:0", saved=1)
        taken = {"killed worker": strike("worker:1", ["worker:1"], "worker:1")}
        taken["killed ps"] = strike("ps:0", ["ps:0", "worker:0", "worker:1"], "worker:0")
    return {**taken, "lost executor": taken["killed ps"]}


def row(fault: str, pairs: list[tuple[float, float]]) -> str:
    """One row of the table, of pairs of seconds, ours first."""
    ratios = sorted(hand / our for our, hand in pairs)
    our, hand = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    what = f"R11 {fault} to first new step, by hand / ours"
    return f"| {what} | ours {FAULTS[fault]} | {spread} | - | {our:.1f} s / {hand:.1f} s by hand |"


def main() -> int:
    """Compare, and print the rows; the first round warms the page cache and is dropped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    flags = parser.parse_args()
    rounds = []
    for index in range(flags.rounds):
        with tempfile.TemporaryDirectory() as name:
            folders = [pathlib.Path(name, side) for side in ("ours", "hand")]
            for folder in folders:
                folder.mkdir()
            params(folders[0])  # for its dataset
            rounds.append((ours(folders[0]), restarted_by_hand(folders[1])))
        print(
            f"R11, round {index + 1} of {flags.rounds}: ours {rounds[-1][0]}, by hand {rounds[-1][1]}", file=sys.stderr
        )
    counted = rounds[1:] or rounds
    for fault in FAULTS:
        print(row(fault, [(our[fault], hand[fault]) for our, hand in counted]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
