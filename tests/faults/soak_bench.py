"""What every case of the soak works with: its time, its runs, and what it measures."""

import dataclasses
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import oracles
from tests.faults.running import Run

IN_STEP = {"sync_replicas": True, "replicas_to_aggregate": 2}
KILLED = r"{} was killed by signal 9 \(SIGKILL\)"
ROLES = ("ps:0", "worker:0", "worker:1")


@dataclasses.dataclass
class Fault:
    """One fault: seconds until it was told, seconds until the first new step, steps that were lost."""

    noticed_s: float | None = None
    recovery_s: float | None = None
    lost_steps: int | None = None


@dataclasses.dataclass
class Bench:
    """Where a case works, by which flags and chance, until when, and what it has measured.

    ``note`` is what else it found, for the table; ``tell`` hears of each fault.
    """

    folder: Path
    flags: dict
    chance: random.Random
    end_s: float
    tell: Callable[["Bench", Fault], None] = lambda bench, fault: None
    faults: list[Fault] = dataclasses.field(default_factory=list)
    num_runs: int = 0
    note: str = ""

    @property
    def is_over(self) -> bool:
        """Whether no further fault should be begun: its time is up, and there was one."""
        return bool(self.faults) and time.monotonic() > self.end_s

    def run(self, job: str = "tests.faults.job", **more) -> Run:
        """Start one life of a new run."""
        self.num_runs += 1
        return self.again(f"train-{self.num_runs}", job, **more)

    def again(self, name: str, job: str = "tests.faults.job", env: dict | None = None, program: str = "", **more):
        """Start one more life of a run."""
        flags = {**self.flags, "train_dir": self.folder / name, **more}
        return Run(self.folder, flags, env=env, job=job, program=program)

    def add(self, fault: Fault) -> Fault:
        """Note a fault."""
        self.faults.append(fault)
        self.tell(self, fault)
        return fault

    def strike(self, run: Run, act: Callable[[], object], noticed: str, recovered: Callable[[int], object]) -> Fault:
        """Do a fault, and time what the run says of it and its first new step."""
        since, start_s = len(run.said), time.monotonic()
        act()
        run.wait_for(noticed, since)
        fault = Fault(noticed_s=time.monotonic() - start_s)
        recovered(since)
        fault.recovery_s = time.monotonic() - start_s
        return self.add(fault)


def kill(bench: Bench, run: Run, victim: str, stepper: str, is_from_checkpoint: bool) -> Fault:
    """Kill a role and wait for the first new step of ``stepper``; notes what was lost."""
    process, highest, since = run.wait_for_role(victim), run.highest_step(), len(run.said)
    fault = bench.strike(
        run, process.kill, KILLED.format(victim), lambda since: run.wait_for_first_step(stepper, since)
    )
    fault.lost_steps = oracles.check_rollback(run, since, highest, num_workers=2) if is_from_checkpoint else 0
    return fault
