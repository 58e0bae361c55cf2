"""T11: a link that is cut for a while, between a ps and a worker or between all and the driver, costs nothing.

One that stays cut is a stall. The long forms are the soak's. Not here: cuts below TCP, such as of a cable, which answer
nothing at all: the proxies still accept what connects.
"""

import threading

import pytest

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.roles import Role, roles
from sparkcv.rundir import checkpoint
from tests.contracts.callbacks import Callbacks
from tests.faults.links import LinkedLauncher
from tests.faults.running import FLAGS, HANG_S, ROOT
from tests.hadoop import wait_until

CHIEF, CUT_OFF = Role("worker", 0), Role("worker", 1)


@pytest.mark.tensorflow
def test_links_that_are_cut_for_a_while_cost_no_restart(flags, caplog):
    caplog.set_level("INFO", "sparkcv")
    words = {**FLAGS, **flags, "max_number_of_steps": 400}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "train"))
    url, reports, told = plan.config.train_dir, [], caplog.records

    def wait_for(check, what):
        wait_until(lambda: check() or not running.is_alive(), what, HANG_S)
        assert running.is_alive(), caplog.text

    def wait_for_saves_above(step):
        wait_for(lambda: checkpoint.newest_step(url) > step, f"a save above {step}")
        return checkpoint.newest_step(url)

    with LinkedLauncher(3, [str(ROOT)], between=(0, 2)) as launcher:
        running = threading.Thread(target=lambda: reports.append(train.run_on(launcher, plan)))
        running.start()
        try:
            wait_for(lambda: {"worker:1"} & {one.role for one in told if "first step" in one.getMessage()}, "its step")
            launcher.cut(launcher.data)
            step = wait_for_saves_above(checkpoint.newest_step(url) + 50)
            launcher.cut(launcher.control)
            launcher.mend(launcher.data)
            wait_for_saves_above(step + 50)
        finally:
            launcher.mend(launcher.data + launcher.control)
            running.join()
    (report,) = reports
    assert 400 <= report.step <= 402
    assert storage.read_json(storage.join(url, "status.json"))["restarts"] == 0


class Enough(Exception):
    """Ends a run from its driver."""


def step_by_the_ps(launcher, policy, on_status, on_restart, servers=()):
    """Two workers of a light program, whose every step goes to the ps and back."""
    pauses = {"pause_s": {"worker:0": 0.02, "worker:1": 0.02}}
    spec = RunSpec("tests.faults.stepping:main", roles(1, 2), pauses, policy=policy, servers=servers)
    supervise(launcher, spec, Callbacks(on_status=on_status, on_restart=on_restart))


@pytest.mark.parametrize("stall_timeout_s", [3.0, 0.0])
def test_a_link_that_stays_cut_is_a_stall_of_which_nobody_hears_who_does_not_look(stall_timeout_s, caplog):
    """The mechanism on, and off: a light program whose every step goes to the ps and back."""
    steps, lives, restarts, cut_at = {}, {}, [], []

    def on_status(role, status):
        steps[role], lives[role] = status["own_steps"], status["attempt"]
        if len(steps) == 2 and min(steps.values()) > 10 and not cut_at:
            launcher.cut(launcher.data)
            cut_at.append(steps[CHIEF])
        is_back = restarts and lives.get(CUT_OFF)
        is_alone = not stall_timeout_s and cut_at and steps[CHIEF] > cut_at[0] + 100
        if is_back or is_alone:
            raise Enough

    def on_restart(sentence):
        restarts.append(sentence)
        launcher.mend(launcher.data)

    policy = RestartPolicy(max_restarts=1, stall_timeout_s=stall_timeout_s)
    with LinkedLauncher(3, [str(ROOT)], between=(0, 2)) as launcher, pytest.raises(Enough):
        step_by_the_ps(launcher, policy, on_status, on_restart)
    assert len(restarts) == (1 if stall_timeout_s else 0)
    assert ("worker:1 is stalled" in caplog.text) is bool(stall_timeout_s)
    assert "worker:0 is stalled" not in caplog.text
    assert (lives[CHIEF], lives[CUT_OFF]) == (0, len(restarts))


def test_where_a_link_is_cut_all_start_anew_without_a_restart_in_place(caplog):
    """The agent of the stalled worker gets no answer from the ps, so nothing is tried that would meet the same link."""
    steps, restarts = {}, []

    def on_status(role, status):
        steps[role] = status["own_steps"]
        if restarts and role == CUT_OFF:
            raise Enough
        if len(steps) == 2 and min(steps.values()) > 10 and not restarts:
            launcher.cut(launcher.data)

    policy = RestartPolicy(max_restarts=5, max_generations=1, stall_timeout_s=3.0)
    with LinkedLauncher(3, [str(ROOT)], between=(0, 2)) as launcher, pytest.raises(Enough):
        step_by_the_ps(launcher, policy, on_status, restarts.append, servers=("ps",))
    assert len(restarts) == 1
    assert "worker:1 is stalled" in restarts[0]
    assert "worker:1: ps:0 does not answer from there: the link between the two is cut" in caplog.text
    assert "starting all roles anew" in caplog.text
    assert "in place" not in caplog.text
