"""What every launcher must do: subclass with a ``launcher`` fixture that has at least 3 slots.

``executor_pid(task_pid)`` says which process hosts a task, to be killed in place of a host that dies.
"""

import functools
import os
import signal
import time
from pathlib import Path

import launcher_bodies as bodies
import psutil
import pytest

TIMEOUT_S = 600  # against a hang: of three Sparks at once on two cores each is slow


def wait_until(check, what: str):
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := check()):
        assert time.monotonic() < deadline, f"{what} did not happen within {TIMEOUT_S} s"
        time.sleep(0.05)
    return found


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class LauncherContract:
    def executor_pid(self, task_pid: int) -> int:
        raise NotImplementedError

    @pytest.fixture
    def pids(self, launcher, tmp_path):
        """Launches 3 tasks that wait for ever; gives the launch and their process ids once all run."""
        launch = launcher.launch("waiting", 3, functools.partial(bodies.wait, str(tmp_path)))
        try:
            wait_until(lambda: len(list(tmp_path.glob("slot-*"))) == 3 or launch.is_over(), "the start of all tasks")
            yield launch, [int((tmp_path / f"slot-{index}").read_text()) for index in range(3)]
        finally:
            launch.cancel()
            assert launch.join(TIMEOUT_S)

    def test_there_are_slots(self, launcher):
        slots = wait_until(lambda: (found := launcher.slots()).now >= 3 and found, "having 3 slots")
        assert slots.most is None or slots.most >= 3

    def test_every_task_gets_the_texts_of_all_by_index(self, launcher, tmp_path):
        launch = launcher.launch("exchange", 3, functools.partial(bodies.exchange, str(tmp_path)))
        assert launch.join(TIMEOUT_S)
        assert launch.error() == ""
        texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
        assert texts == {f"slot-{index}": "text 0,text 1,text 2" for index in range(3)}

    def test_a_task_has_a_host_and_a_folder(self, launcher, tmp_path):
        launch = launcher.launch("look round", 2, functools.partial(bodies.look_round, str(tmp_path)))
        assert launch.join(TIMEOUT_S)
        assert launch.error() == "", launch.error()
        for index in range(2):
            host, task, root, gpus = Path(tmp_path, f"slot-{index}").read_text().split("\n")
            assert host == "127.0.0.1"
            wait_until(functools.partial(launch.place, task), "the place of a task")  # Spark's status store lags behind
            assert launch.loss(task) == ""
            assert launch.stopped() == ""
            assert launch.memory() is None  # neither of the launchers under test bounds it
            assert root.startswith("/")
            assert gpus == "()"  # neither gives any out here; tests/security/test_devices.py has a Spark that does

    def test_one_body_that_raises_ends_all_and_is_named(self, launcher, tmp_path):
        launch = launcher.launch("raise", 3, functools.partial(bodies.raise_in_slot_1, str(tmp_path)))
        assert launch.join(TIMEOUT_S)
        assert "slot 1 has had enough" in launch.error()
        assert "slot 1 has had enough" in launch.complaint((tmp_path / "task-0").read_text())
        pids = [int(path.read_text()) for path in tmp_path.glob("slot-*")]
        wait_until(lambda: not any(map(bodies.is_in_slot, pids)), "the end of the other tasks")

    def test_cancelling_ends_all_tasks(self, pids):
        launch, running = pids
        assert not launch.is_over()
        launch.cancel()
        assert launch.join(TIMEOUT_S)
        wait_until(lambda: not any(map(is_alive, running)), "the end of the tasks")

    def test_cancelling_twice_or_late_is_fine(self, launcher, tmp_path):
        launch = launcher.launch("exchange", 2, functools.partial(bodies.exchange, str(tmp_path)))
        assert launch.join(TIMEOUT_S)
        launch.cancel()
        launch.cancel()
        assert launch.error() == ""

    def test_a_killed_executor_is_a_loss_with_a_reason(self, pids, tmp_path):
        launch, running = pids
        task = (tmp_path / "task-1").read_text()
        os.kill(self.executor_pid(running[1]), signal.SIGKILL)
        assert wait_until(lambda: launch.loss(task), "the reason of the loss")
        assert launch.join(TIMEOUT_S)
        assert launch.error()
        wait_until(lambda: not any(map(is_alive, running)), "the end of the tasks")
