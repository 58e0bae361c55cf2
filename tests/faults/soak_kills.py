"""The long forms of the kills: each real fault timed, each run held to the oracles.

A case is a generator: between two faults it yields, and whoever runs it closes it when its time is over; what has
begun by then is ended in good order first, with all checks.
"""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from sparkcv.rundir import checkpoint
from tests.faults import oracles, points
from tests.faults.running import Run, check_preempted
from tests.faults.soak_bench import IN_STEP, Bench, Fault, kill

_DOWN_S = (0.0, 5.0, 60.0)
_BEYOND_ORPHANS = 1000  # steps: roles train on for seconds before they know that their driver is dead


def worker_kills(bench: Bench) -> None:
    """T1: workers killed at random, 0.5 to 8 s apart, 20 a run, async and in lockstep in turn."""
    while not bench.is_over:
        is_sync = bench.num_runs % 2 == 1
        with bench.run(max_restarts=99, **(IN_STEP if is_sync else {})) as run:
            run.wait_for_save()
            for _ in range(20):
                time.sleep(bench.chance.uniform(0.5, 8))  # the fault's own distribution
                victim = bench.chance.choice(["worker:0", "worker:1"])
                kill(bench, run, victim, "worker:0" if is_sync else victim, is_sync)
                if bench.is_over:
                    break
            check_preempted(run)
        if not is_sync:
            oracles.check_never_back(run)
        oracles.check_nothing_left(run)


def ps_kills(bench: Bench) -> None:
    """T3: the ps killed at random and in saves in turn, 10 a run."""
    while not bench.is_over:
        with bench.run(max_restarts=99) as run:
            for index in range(10):
                run.wait_for_save(above=run.highest_step())
                if index % 2:
                    points.mid_save(run, "ps:0")
                else:
                    time.sleep(bench.chance.uniform(0.5, 8))
                kill(bench, run, "ps:0", "worker:0", True)
                if bench.is_over:
                    break
            check_preempted(run)
        oracles.check_nothing_left(run)


def chief_kills(bench: Bench) -> None:
    """T4: the chief killed, held down for 0, 5 and 60 s; then beyond the budget: the run stops with the reason."""
    while not bench.is_over:
        with bench.run(max_restarts=99) as run:
            run.wait_for_save()
            survivor = run.wait_for_role("worker:1")
            for seconds in _DOWN_S:
                _hold_down(bench, run, "worker:0", seconds)
                run.wait_for_save(above=run.saved()[-1])
            assert run.wait_for_role("worker:1") == survivor
            check_preempted(run)
        oracles.check_never_back(run)
        oracles.check_nothing_left(run)
        with bench.run(max_restarts=2) as run:
            run.wait_for_save()
            for _ in range(2):
                kill(bench, run, "worker:0", "worker:0", False)
                run.wait_for_save(above=run.saved()[-1])
            saved = run.saved()[-1]
            run.kill("worker:0")
            ended = run.end()
        bench.add(Fault(lost_steps=run.highest_step() - saved))
        assert ended.code == 1, ended.said
        assert "not started again after 2 restarts" in ended.sentence
        oracles.check_never_back(run)
        oracles.check_told_truly(run, ended)
        oracles.check_nothing_left(run)


def _hold_down(bench: Bench, run: Run, role: str, seconds: float) -> None:
    """Kill a role, and again whenever it comes back within so many seconds; its recovery counts from the last kill."""
    until_s, pid = time.monotonic() + seconds, 0
    while time.monotonic() < until_s:
        victim = run.wait_for_role(role, other_than=pid)
        pid = victim.pid
        victim.kill()
    run.wait_for_role(role, other_than=pid)
    kill(bench, run, role, role, False)


def executors(bench: Bench) -> None:
    """T5: an executor's JVM killed, on Spark's local-cluster: a new generation at new addresses."""
    while not bench.is_over:
        with bench.run(job="jobs.train_image_classifier", max_generations=9) as run:
            for _ in range(5):
                run.wait_for_save(above=run.highest_step())
                serving = re.findall(r"serving at (\S+)", run.said)
                java = run.executor_of(bench.chance.choice(["ps:0", "worker:0", "worker:1"]))
                highest, since = run.highest_step(), len(run.said)
                fault = bench.strike(
                    run,
                    java.kill,
                    "was lost with its Spark executor",
                    lambda since: run.wait_for_first_step("worker:0", since),
                )
                fault.lost_steps = oracles.lost_steps(run, highest, since)
                assert re.findall(r"serving at (\S+)", run.said)[-1] not in serving
                if bench.is_over:
                    break
            check_preempted(run)
        oracles.check_nothing_left(run)


def driver_kills(bench: Bench) -> None:
    """T6: the driver killed; the same command, at once, goes on, and the first one's roles are gone within 30 s."""
    while not bench.is_over:
        with bench.run() as orphans:
            orphans.wait_for_save(above=bench.chance.randrange(100))
            highest, start_s = orphans.highest_step(), time.monotonic()
            os.kill(orphans.pid, signal.SIGKILL)
            orphans.end()
            name = Path(orphans.url).name
            with bench.again(name, max_number_of_steps=highest + _BEYOND_ORPHANS) as run:
                orphans.wait_for_left()  # long before the new run has its first step
                assert time.monotonic() - start_s < 30, "its roles outlived it by 30 s"
                run.wait_for_first_step("worker:0")
                fault = Fault(recovery_s=time.monotonic() - start_s, lost_steps=oracles.lost_steps(run, highest))
                ended = run.end()
        bench.add(fault)
        assert ended.code == 0, ended.said
        oracles.check_end(run, ended, num_workers=2)


def preemptions(bench: Bench) -> None:
    """T14: a SIGTERM to the driver, an agent, a role, all; saved and ended within 30 s, and it resumes."""
    deeds = (
        lambda run: [run.pid],
        lambda run: [run.wait_for_role("worker:1").ppid()],
        lambda run: [run.wait_for_role("ps:0").pid],
        lambda run: [process.pid for process in run.processes()],
    )
    name = "train-preempted"
    while not bench.is_over:
        for deed in deeds:
            bench.num_runs += 1
            with bench.again(name) as run:
                run.wait_for_first_step("worker:1")
                run.wait_for_save()
                start_s, highest = time.monotonic(), run.highest_step()
                for pid in deed(run):
                    os.kill(pid, signal.SIGTERM)
                ended = run.end()
            bench.add(Fault(noticed_s=time.monotonic() - start_s))
            assert bench.faults[-1].noticed_s < 30, "the run did not end within 30 s"
            assert ended.code == 75, ended.said
            assert checkpoint.newest_valid(run.url).step >= highest
            oracles.check_end(run, ended)
            if bench.is_over:
                break


CASES: dict[str, Callable[[Bench], None]] = {
    "T1": worker_kills,
    "T3": ps_kills,
    "T4": chief_kills,
    "T5": executors,
    "T6": driver_kills,
    "T14": preemptions,
}
