"""The long forms of the faults at running jobs: each real fault timed, each run held to the oracles.

A case is a generator: between two faults it yields, and whoever runs it closes it when its time is over; what has
begun by then is ended in good order first, with all checks.
"""

import dataclasses
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from sparkcv.train import checkpoint
from tests.faults import oracles, points
from tests.faults.running import Run, check_preempted

IN_STEP = {"sync_replicas": True, "replicas_to_aggregate": 2}
KILLED = r"{} was killed by signal 9 \(SIGKILL\)"


@dataclasses.dataclass
class Fault:
    """One fault: seconds until it was told, seconds until the first new step, steps that were lost."""

    noticed_s: float | None = None
    recovery_s: float | None = None
    lost_steps: int | None = None


@dataclasses.dataclass
class Bench:
    """Where a case works, by which flags and chance, until when, and what it has measured."""

    folder: Path
    flags: dict
    chance: random.Random
    end_s: float
    faults: list[Fault] = dataclasses.field(default_factory=list)
    num_runs: int = 0

    @property
    def is_over(self) -> bool:
        """Whether no further fault should be begun."""
        return time.monotonic() > self.end_s

    def run(self, job: str = "tests.faults.job", **more) -> Run:
        """Start one life of a new run."""
        self.num_runs += 1
        return self.again(f"train-{self.num_runs}", job, **more)

    def again(self, name: str, job: str = "tests.faults.job", **more) -> Run:
        """Start one more life of a run."""
        return Run(self.folder, {**self.flags, "train_dir": self.folder / name, **more}, job=job)

    def strike(self, run: Run, act: Callable[[], object], noticed: str, recovered: Callable[[int], object]) -> Fault:
        """Do a fault, and time what the run says of it and its first new step."""
        since, start_s = len(run.said), time.monotonic()
        act()
        run.wait_for(noticed, since)
        fault = Fault(noticed_s=time.monotonic() - start_s)
        recovered(since)
        fault.recovery_s = time.monotonic() - start_s
        self.faults.append(fault)
        return fault


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


def named_points(bench: Bench) -> None:
    """T2: each role at each named point, a run each; a success must be whole and at the target."""
    while not bench.is_over:
        pairs = [(role, point) for role in ("ps:0", "worker:0", "worker:1") for point in points.POINTS]
        for role, point in bench.chance.sample(pairs, len(pairs)):
            if bench.is_over:
                break
            with bench.run(max_number_of_steps=120) as run:
                victim = run.wait_for_role(role)
                point(run, role)
                victim.kill()
                bench.faults.append(Fault())
                ended = run.end()
            oracles.check_end(run, ended, num_workers=2)


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
    """T4: the chief killed 5 times, and once more beyond the budget: the run stops with the reason."""
    while not bench.is_over:
        with bench.run(max_restarts=5) as run:
            run.wait_for_save()
            for _ in range(5):
                kill(bench, run, "worker:0", "worker:0", False)
                run.wait_for_save(above=run.saved()[-1])
            run.kill("worker:0")
            ended = run.end()
        assert ended.code == 1, ended.said
        assert "not started again after 5 restarts" in ended.sentence
        oracles.check_never_back(run)
        oracles.check_told_truly(run, ended)
        oracles.check_nothing_left(run)


def executors(bench: Bench) -> None:
    """T5: an executor's JVM killed, on Spark's local-cluster: a new generation at new addresses."""
    while not bench.is_over:
        with bench.run(job="jobs.train_image_classifier", max_generations=9) as run:
            for _ in range(5):
                run.wait_for_save(above=run.highest_step())
                serving = re.findall(r"serving at (\S+)", run.said)
                java = executor_of(run, bench.chance.choice(["ps:0", "worker:0", "worker:1"]))
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
            with bench.again(name, max_number_of_steps=highest + 100) as run:
                orphans.wait_for_left()  # long before the new run has its first step
                assert time.monotonic() - start_s < 30, "its roles outlived it by 30 s"
                run.wait_for_first_step("worker:0")
                fault = Fault(recovery_s=time.monotonic() - start_s, lost_steps=oracles.lost_steps(run, highest))
                ended = run.end()
        bench.faults.append(fault)
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
            bench.faults.append(Fault(noticed_s=time.monotonic() - start_s))
            assert bench.faults[-1].noticed_s < 30, "the run did not end within 30 s"
            assert ended.code == 75, ended.said
            assert checkpoint.newest_valid(run.url).step >= highest
            oracles.check_end(run, ended)
            if bench.is_over:
                break


def kill(bench: Bench, run: Run, victim: str, stepper: str, is_from_checkpoint: bool) -> None:
    """Kill a role and wait for the first new step of ``stepper``; notes what was lost."""
    process, highest, since = run.wait_for_role(victim), run.highest_step(), len(run.said)
    fault = bench.strike(
        run, process.kill, KILLED.format(victim), lambda since: run.wait_for_first_step(stepper, since)
    )
    fault.lost_steps = oracles.check_rollback(run, since, highest, num_workers=2) if is_from_checkpoint else 0


def executor_of(run: Run, role: str) -> psutil.Process:
    """The JVM above a role's node process."""
    process = run.wait_for_role(role)
    return next(one for one in process.parents() if one.name() == "java")


CASES: dict[str, Callable[[Bench], None]] = {
    "T1": worker_kills,
    "T2": named_points,
    "T3": ps_kills,
    "T4": chief_kills,
    "T5": executors,
    "T6": driver_kills,
    "T14": preemptions,
}
