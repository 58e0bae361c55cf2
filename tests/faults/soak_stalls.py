"""The long forms of what goes on too slowly, or not at all: stopped processes, and one that is slow."""

import contextlib
import os
import signal
import statistics
import threading
import time

import psutil

from sparkcv import config as configs
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.roles import Role, roles
from tests.contracts.callbacks import Callbacks
from tests.contracts.local_launcher import LocalLauncher
from tests.faults import oracles
from tests.faults.running import FLAGS, HANG_S, ROOT, check_preempted, node_processes
from tests.faults.slowed import Slowed
from tests.faults.soak_bench import ROLES, Bench, Fault
from tests.faults.test_t08_stops import check_stall_report
from tests.hadoop import wait_until

_STALL_TIMEOUT_S = 40  # what it is by itself
_STOP_S = 20
_SETTLED = r"\d+ \+ \d+ images/s"
_WINDOW_S, _FACTOR, _KEPT = 30.0, 10, 0.8
_CHIEF, _SLOW = Role("worker", 0), Role("worker", 1)


def stops(bench: Bench) -> None:
    """T8: workers, ps, chief stopped for 20 s, which costs no restart; then for ever: told with stacks, and mended."""
    while not bench.is_over:
        with bench.run(stall_timeout_s=_STALL_TIMEOUT_S, max_restarts=99) as run:
            run.wait_for(_SETTLED)
            for role in bench.chance.sample(ROLES, len(ROLES)):
                pid = run.wait_for_role(role).pid
                os.kill(pid, signal.SIGSTOP)
                time.sleep(_STOP_S)  # the fault itself
                os.kill(pid, signal.SIGCONT)
                bench.add(Fault())
                run.wait_for_save(above=run.highest_step())
                if bench.is_over:
                    break
            assert "is stalled" not in run.said
            assert run.status()["restarts"] == 0
            for role in bench.chance.sample(ROLES, len(ROLES)):
                _stop_for_ever(bench, run, role)
                if bench.is_over:
                    break
            check_preempted(run)
        oracles.check_nothing_left(run)


def _stop_for_ever(bench, run, role):
    run.wait_for_save(above=run.highest_step())
    run.wait_for(_SETTLED, since=len(run.said))
    stepper = "worker:0" if role == "ps:0" else role
    before = len(run.said)
    bench.strike(
        run,
        run.wait_for_role(role).suspend,
        rf"warning {role} is stalled: its process has been stopped for \d+ s",
        lambda since: run.wait_for_first_step(stepper, since),
    )
    check_stall_report(run.said[before:], role)


def slow_worker(bench: Bench) -> None:
    """T9: a worker is ten times slower; it is told of, and the other keeps 80 % of its steps."""
    kept = []
    while not bench.is_over:
        bench.num_runs += 1
        with _Counted(bench) as counted:
            before = counted.steps_within(_WINDOW_S)
            start_s = time.monotonic()
            with Slowed(counted.pid_of(_SLOW), _FACTOR):
                counted.wait_for(lambda: counted.slow, "word of the slow one")
                fault = Fault(noticed_s=time.monotonic() - start_s)
                during = counted.steps_within(_WINDOW_S)
            assert [one.role for one in counted.slow] == [_SLOW]
            counted.wait_for(lambda: not counted.slow, "word that it keeps pace again")
        kept.append(during / before)
        bench.add(fault)
        bench.note = (
            f"the other kept {100 * statistics.median(kept):.0f} % of its steps, at least {100 * min(kept):.0f} %"
        )
    assert min(kept) >= _KEPT, bench.note


class _Over(Exception):
    """Ends a run from its driver."""


class _Counted:
    """A run of a ps and two workers below this process, whose own steps are counted; a context manager."""

    def __init__(self, bench: Bench) -> None:
        words = {**FLAGS, **bench.flags, "train_dir": bench.folder / f"train-{bench.num_runs}"}
        argv = [f"--{name}={value}" for name, value in words.items()]
        self._plan = train.prepare(configs.parse(TrainConfig, argv, "train"))
        self._over = threading.Event()
        self._steps: dict[Role, list[tuple[float, int]]] = {_CHIEF: [], _SLOW: []}
        self.slow: list = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Counted":
        self._thread.start()
        self.wait_for(lambda: all(len(steps) > 3 for steps in self._steps.values()), "both to step")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def steps_within(self, seconds: float) -> float:
        """How many steps a second the chief makes from now on, by what it tells at the ends of so many seconds."""
        first = len(self._steps[_CHIEF])
        end_s = time.monotonic() + seconds
        self.wait_for(lambda: self._steps[_CHIEF][-1][0] > end_s, "the chief to step")
        (start_s, start), (last_s, last) = self._steps[_CHIEF][first], self._steps[_CHIEF][-1]
        return (last - start) / (last_s - start_s)

    def pid_of(self, role: Role) -> int:
        """Its node process."""
        return node_processes(psutil.Process())[str(role)].pid

    def wait_for(self, check, what: str) -> None:
        """Wait until ``check`` is true."""
        wait_until(lambda: check() or not self._thread.is_alive(), what, HANG_S)
        assert self._thread.is_alive(), f"the run ended before {what}"

    def _run(self):
        params = {"config": configs.to_dict(self._plan.config), "dataset": self._plan.dataset.to_dict()}
        policy = RestartPolicy(stall_timeout_s=_STALL_TIMEOUT_S)
        launcher = LocalLauncher(3, [str(ROOT)])
        with contextlib.suppress(_Over):
            supervise(
                launcher,
                RunSpec(train.PROGRAM, roles(1, 2), params, policy=policy),
                Callbacks(on_status=self._hear, on_slow=self._hear_slow, on_look=self._look),
            )

    def _hear(self, role, status):
        if "own_steps" in status:
            self._steps[role].append((time.monotonic(), status["own_steps"]))

    def _hear_slow(self, stragglers):
        self.slow = list(stragglers)

    def _look(self):
        if self._over.is_set():
            raise _Over


CASES = {"T8": stops, "T9": slow_worker}
