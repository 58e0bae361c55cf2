"""The long form of the fault at a run's folder: two owners at once."""

import os
import re
import signal
import time

from tests.faults.running import HANG_S, Run
from tests.faults.soak_bench import Bench, Fault
from tests.hadoop import wait_until

_RUNS = r"worker:0 runs on host"
_TAKEN_OVER = "taking over --train_dir"


def two_submits(bench: Bench) -> None:
    """T15: two submits of one folder, 0 to 500 ms apart: one runs, the other is told; a killed owner is followed."""
    former, killed_s = None, 0.0
    while not bench.is_over:
        fault = Fault()
        with bench.again("train-owned") as first:
            time.sleep(bench.chance.uniform(0, 0.5))
            start_s = time.monotonic()
            with bench.again("train-owned") as second:
                bench.num_runs += 2
                if former is not None:
                    wait_until(lambda: any(_TAKEN_OVER in run.said for run in (first, second)), _TAKEN_OVER, HANG_S)
                    former.recovery_s = time.monotonic() - killed_s
                wait_until(lambda: is_over(first) or is_over(second), "the end of one of the two", HANG_S)
                fault.noticed_s = time.monotonic() - start_s
                loser, winner = (first, second) if is_over(first) else (second, first)
                ended = loser.end()
                assert ended.code == 1, ended.said
                assert f"--train_dir {loser.url} is held by" in ended.sentence, ended.said
                assert f"(process {winner.pid}" in ended.sentence, ended.said
                assert not re.search(_RUNS, ended.said), "both ran"
                winner.wait_for(_RUNS)
                os.kill(winner.pid, signal.SIGKILL)
                killed_s = time.monotonic()
        bench.add(fault)
        former = fault


def is_over(run: Run) -> bool:
    """Whether the driver has ended."""
    return run._process.poll() is not None


CASES = {"T15": two_submits}
