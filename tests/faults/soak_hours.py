"""T30: one run for as long as it is given, a random fault a minute, and what of it must not grow."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from tests.faults import oracles
from tests.faults.running import Run, check_preempted
from tests.faults.soak_bench import ROLES, Bench, Fault, kill

_PERIOD_S = 60.0
_GROWTH = 1.25
_STOP_S = 20.0
_FEWEST = 6


def hours(bench: Bench) -> None:
    """T30: faults of T1, T3, T4, T6, T8, T14 at random, one a minute, in one run; memory, open files, files flat."""
    sizes: list[dict[str, float]] = []
    bench.num_runs += 1
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(_life(bench))
        while not bench.is_over:
            started_s = time.monotonic()
            run.wait_for_save(above=run.highest_step())
            sizes.append(size_of(run))
            deed = bench.chance.choice((*ROLES, "driver", "sigterm", "stop"))
            if deed in ("driver", "sigterm"):
                run = stack.enter_context(_replaced(bench, run, deed))
            elif deed == "stop":
                _stop(bench, run)
            else:
                kill(bench, run, deed, "worker:0" if deed == "ps:0" else deed, deed == "ps:0")
            time.sleep(max(0.0, min(started_s + _PERIOD_S, bench.end_s) - time.monotonic()))
        check_preempted(run)
    oracles.check_nothing_left(run)
    check_flat(sizes)


def size_of(run: Run) -> dict[str, float]:
    """What of a run could grow: the driver's and the agents' memory and open files, and all temporary files."""
    roles = [process.pid for process in run.roles().values()]
    ours = [process for process in run.processes() if process.pid not in roles]
    found = {"rss": 0.0, "open files": 0.0}
    for process in ours:
        with contextlib.suppress(psutil.Error):
            found["rss"] += process.memory_info().rss
            found["open files"] += process.num_fds()
    files = [path for path in Path(run.tmp).rglob("*") if path.is_file()]
    found["temporary bytes"] = float(sum(path.stat().st_size for path in files if path.exists()))
    return found


def check_flat(sizes: list[dict[str, float]]) -> None:
    """The last third's median is no more than a quarter above the first third's."""
    if len(sizes) < _FEWEST:
        return
    third = len(sizes) // 3
    for name in sizes[0]:
        first, last = (sorted(one[name] for one in part)[third // 2] for part in (sizes[:third], sizes[-third:]))
        assert last <= first * _GROWTH + 1, f"{name} grew from {first:.0f} to {last:.0f}"


def _life(bench: Bench) -> Run:
    return bench.again("train-hours", max_restarts=1000)


def _stop(bench: Bench, run: Run) -> None:
    """Stop a role for a while, which must cost no restart."""
    process, before = run.wait_for_role(bench.chance.choice(ROLES)), run.said.count("in place in")
    process.suspend()
    time.sleep(_STOP_S)  # the fault itself
    process.resume()
    bench.add(Fault())
    run.wait_for_save(above=run.highest_step())
    assert run.said.count("in place in") == before


def _replaced(bench: Bench, run: Run, deed: str) -> Run:
    """End a driver, and say the same command again."""
    highest, start_s = run.highest_step(), time.monotonic()
    os.kill(run.pid, signal.SIGKILL if deed == "driver" else signal.SIGTERM)
    run.end()
    after = _life(bench)
    after.wait_for_first_step("worker:0")
    bench.add(Fault(recovery_s=time.monotonic() - start_s, lost_steps=oracles.lost_steps(after, highest)))
    run.wait_for_left()
    return after
