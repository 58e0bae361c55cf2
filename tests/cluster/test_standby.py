"""A role starts again from its standby without importing anything; without one it starts from nothing."""

import contextlib
import os
import signal

import psutil
import pytest

from sparkcv import config as configs
from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.process_tree import has_mark
from sparkcv.cluster.role_log import RoleLog
from sparkcv.cluster.standby import NAME, Standby, adopting
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.roles import Role
from tests.cluster.agents import PATIENCE_S, assert_ends_with_its_agent, wait_until
from tests.faults.running import FLAGS
from tests.inputs.data import drawn_shards, write_dataset

MARK = f"mark-of-the-standby-tests-{os.getpid()}"  # of this process: what else carries it is killed
ROLE = Role("worker", 0)


@pytest.fixture
def standby():
    others = _zombies()  # an earlier test of this process may have left some
    with adopting(), Standby(MARK, is_wanted=True) as standby:
        yield standby
    assert not [pid for pid in psutil.pids() if has_mark(pid, MARK)]
    assert not _zombies() - others


def _zombies():
    return {one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE}


@pytest.fixture
def start(tmp_path, standby):
    """Starts the next node process of the standby; gives it, its log and what it reported."""
    with contextlib.ExitStack() as stack:

        def start_next(attempt, program="standby_programs:main"):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            place = Placement(program, {}, {}, attempt=attempt)
            child = stack.enter_context(Child(ROLE, place, str(folder), str(folder), standby=standby))
            log = RoleLog(child.take_log_fd())
            stack.callback(log.close, PATIENCE_S)
            stack.callback(child.kill)  # first, as the log ends with it
            said = wait_until(lambda: [one["status"] for one in child.messages() if "status" in one])
            return child, log, said[0]

        yield start_next


def end_by(child, number):
    os.kill(child.pid, number)
    wait_until(lambda: not child.is_running)
    child.kill()


def test_the_next_processes_import_nothing_and_are_like_the_first(start, standby, tmp_path):
    first, _, told = start(0)
    assert told["imported_by"] == first.pid
    pid = wait_until(lambda: standby.pid)
    assert psutil.Process(pid).name() == NAME
    assert standby.rss_bytes() < psutil.Process(pid).memory_info().rss
    for attempt in (1, 2):
        end_by(first, signal.SIGKILL)
        assert first.returncode == -signal.SIGKILL
        second, log, said = start(attempt)
        assert said == {
            "imported_by": told["imported_by"],
            "pid": second.pid,
            "agent": os.getpid(),
            "attempt": attempt,
            "tmp": str(tmp_path / str(attempt)),
            "session": second.pid,
        }
        assert psutil.Process(second.pid).name() != NAME
        assert standby.pid == pid
        first = second
    second.ask_to_stop()
    wait_until(lambda: not second.is_running)
    assert second.returncode == 0
    assert {"result": {"was_stopped": True}} in second.messages()
    assert log.tail() == ["attempt 2 of worker:0"]
    assert second.peak_rss_bytes > 2**22


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_its_standby_a_role_starts_from_nothing_and_leaves_another(start, standby, number):
    child, _, _ = start(0)
    lost = wait_until(lambda: standby.pid)
    os.kill(lost, number)
    assert child.is_running
    end_by(child, signal.SIGKILL)
    child, _, told = start(1)
    assert told["imported_by"] == child.pid
    assert wait_until(lambda: standby.pid) != lost


def test_what_is_killed_by_its_mark_does_not_take_away_how_the_role_ended(start, monkeypatch):
    child, _, _ = start(0)
    monkeypatch.setattr(os, "killpg", lambda pid, number: None)  # as for one that the kernel has not ended yet
    child.kill()
    assert child.returncode == -signal.SIGKILL


def test_a_program_that_has_threads_when_it_is_loaded_leaves_none(start, standby):
    child, _, _ = start(0, "standby_programs:threaded")
    wait_until(lambda: standby.pid or standby.has_hung_up)
    assert not standby.pid
    end_by(child, signal.SIGKILL)
    child, _, told = start(1, "standby_programs:threaded")
    assert told["imported_by"] == child.pid


@pytest.mark.tensorflow
def test_a_forked_process_trains_as_the_first_did(standby, tmp_path):
    write_dataset(tmp_path / "data", drawn_shards(2, 8))
    results = []
    for attempt in (0, 1):
        flags = {**FLAGS, "dataset_dir": tmp_path / "data", "train_dir": tmp_path / f"train{attempt}"}
        flags |= {"max_number_of_steps": 3, "cluster_size": 1, "num_ps_tasks": 0}
        plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in flags.items()], "t"))
        told = {"config": configs.to_dict(plan.config), "dataset": plan.dataset.to_dict()}
        folder = tmp_path / str(attempt)
        folder.mkdir()
        place = Placement(train.PROGRAM, {}, told, attempt=attempt)
        with Child(ROLE, place, str(folder), str(folder), standby=standby) as child:
            log = RoleLog(child.take_log_fd())
            results += wait_until(
                lambda child=child: [one for one in child.messages() if "result" in one or "error" in one]
            )
            wait_until(lambda: not child.is_running)
            log.close(PATIENCE_S)
            assert child.returncode == 0, log.tail()
            assert standby.pid
    assert [one["result"]["step"] for one in results] == [3, 3]
    for attempt in (0, 1):
        assert (tmp_path / f"train{attempt}" / "model.ckpt-3.index").exists()


def test_unless_it_is_wanted_there_is_none(tmp_path):
    standby = Standby(MARK)
    with Child(
        ROLE, Placement("standby_programs:main", {}, {}), str(tmp_path), str(tmp_path), standby=standby
    ) as child:
        log = RoleLog(child.take_log_fd())
        wait_until(lambda: any("status" in one for one in child.messages()))
        assert [pid for pid in psutil.pids() if has_mark(pid, MARK)] == [child.pid]
        assert not standby.pid
    log.close(PATIENCE_S)


AGENT = """
import sys, time
from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.standby import Standby, adopting
from sparkcv.roles import Role
standby = Standby(is_wanted=True)
with adopting():
    child = Child(Role("worker", 0), Placement("standby_programs:main", {}, {}), *sys.argv[1:], standby=standby)
    while not standby.pid:
        time.sleep(0.02)
    print(standby.pid, flush=True)
    time.sleep(120)
"""


def test_a_killed_agent_takes_its_standby_along(tmp_path):
    assert_ends_with_its_agent(AGENT, tmp_path)
