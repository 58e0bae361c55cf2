"""What no program should do costs one report with its cause, the true exit code, and leaves nothing behind.

Every fault is a real one, in real processes.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from sparkcv import errors
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.errors import RoleFailedError, UsageError
from sparkcv.roles import Role, roles

ALONE = (Role("worker", 0),)
PATIENCE_S = 300


def is_alive(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def wait_until(check, what):
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Told(RunObserver):
    """The statuses of a run, and the processes that they name."""

    def __init__(self, act=lambda role, status: None):
        self.statuses, self._act = {}, act

    def on_status(self, role, status):
        self.statuses[str(role)] = status
        self._act(str(role), status)

    def pids(self, *names):
        return [status[name] for status in self.statuses.values() for name in names if name in status]

    def assert_nothing_is_left(self):
        assert self.statuses
        assert not [pid for pid in self.pids("pid", "agent", "child", "daemon") if is_alive(pid)]
        assert not [status for status in self.statuses.values() if Path(status["scratch"]).exists()]


def report_of(launcher, program, params, who=ALONE, told=None, **more):
    with pytest.raises(RoleFailedError) as caught:
        supervise(launcher, RunSpec(program, who, params, **more), told)
    assert caught.value.exit_code == errors.EXIT_FAILED
    return str(caught.value)


# ---- what cannot be imported


def test_a_module_that_fails_when_it_is_imported_is_named_with_its_error(local):
    text = report_of(local, "no_licence:main", {})
    assert "program no_licence:main cannot be imported on" in text.split("\n")[0]
    assert "RuntimeError: no licence for this host" in text.split("\n")[0]
    assert "probable cause: the program's module fails when it is imported" in text
    assert "Traceback" in text


def test_a_module_with_a_syntax_error_is_named_with_its_line(local, tmp_path):
    (tmp_path / "not_python.py").write_text("def main(ctx):\n    return {\n")
    local = type(local)(1, [*local._paths, str(tmp_path)])
    text = report_of(local, "not_python:main", {})
    assert "program not_python:main cannot be imported on" in text.split("\n")[0]
    assert "SyntaxError: '{' was never closed (not_python.py, line 2)" in text.split("\n")[0]


def test_a_function_that_is_not_there_is_wrong_usage(local):
    with pytest.raises(UsageError, match="module bad_programs has no function 'main'") as caught:
        supervise(local, RunSpec("bad_programs:main", ALONE, {}))
    assert caught.value.exit_code == errors.EXIT_USAGE


# ---- what it starts and leaves behind


@pytest.mark.parametrize("then", ["returns", "dies"])
def test_children_and_daemons_of_a_program_are_gone_at_the_end(local, then):
    told = Told()
    if then == "dies":
        report_of(local, "bad_programs:forks", {"then": then}, roles(0, 2), told)
    else:
        results = supervise(local, RunSpec("bad_programs:forks", roles(0, 2), {"then": then}), told)
        assert results["worker:1"]["daemon"] > 0
    assert len(told.pids("daemon")) == 2
    told.assert_nothing_is_left()


@pytest.mark.parametrize(("child", "code"), [("returns", 0), ("exits", 3), ("raises", 1)])
def test_a_forked_child_that_comes_to_the_programs_end_does_not_speak_for_the_role(local, child, code):
    results = supervise(local, RunSpec("bad_programs:forks_and_returns", ALONE, {"child": child}))
    assert results["worker:0"] == {"of": "the parent", "code": code}


def test_they_are_gone_also_where_the_agent_was_killed(local):
    def kill_agent(role, status):
        if role == "worker:1":
            os.kill(status["agent"], signal.SIGKILL)

    told = Told(kill_agent)
    text = report_of(local, "bad_programs:forks", {"then": "waits"}, roles(0, 2), told)
    assert text.startswith("worker:1 was lost")
    wait_until(lambda: not any(map(is_alive, told.pids("child", "daemon"))), "the end of what they started")
    told.assert_nothing_is_left()


# ---- what never comes to an end


def test_a_program_that_never_takes_a_step_is_told_with_its_state_and_stacks(local):
    told = Told()
    policy = RestartPolicy(stall_timeout_s=2, first_step_s=2)
    text = report_of(local, "bad_programs:hangs", {"steps": 0}, told=told, policy=policy)
    assert text.startswith("worker:0 is stalled: it took no step for ")
    assert "after it started" in text.split("\n")[0]
    assert "  state: sleeping" in text
    assert "  probable cause: its main thread stands in _wait_for_what_never_comes (" in text
    assert "    main thread:\n      _wait_for_what_never_comes (" in text
    told.assert_nothing_is_left()


def test_a_stopped_process_is_told_as_stopped_with_where_it_stood(local):
    def stop_it(role, status):
        if status.get("step") and not stopped:
            stopped.append(os.kill(status["pid"], signal.SIGSTOP))

    stopped = []
    told = Told(stop_it)
    policy = RestartPolicy(stall_timeout_s=2)
    text = report_of(local, "bad_programs:hangs", {"steps": 1000}, told=told, policy=policy)
    assert text.startswith("worker:0 is stalled: its process has been stopped for ")
    assert "  state: stopped (SIGSTOP or a debugger)" in text
    assert "  probable cause: its process is stopped" in text
    assert "      hangs (" in text
    told.assert_nothing_is_left()


# ---- what breaks, and why


@pytest.mark.parametrize(
    ("fault", "sentence", "cause"),
    [
        ("illegal_instruction", "worker:0 was killed by signal 4 (SIGILL)", "an illegal instruction"),
        ("bad_pointer", "worker:0 was killed by signal 11 (SIGSEGV)", "a crash in native code"),
        ("memory", "raised MemoryError", "out of memory"),
        ("module", "raised ModuleNotFoundError: No module named 'no_such_codec'", "a Python module is missing"),
        ("library", "libno_such_codec.so.7: cannot open shared object file", "a shared library is missing"),
        ("port", "Address already in use", "a port is taken"),
        ("full_disk", "No space left on device", "a disk or a quota is full"),
        ("hdfs", "does not answer", "a file system was away"),
        ("record", ".tfrecord", "the data is not what it should be"),
        ("denied", "Permission denied", "the executor's user lacks a permission"),
    ],
)
def test_a_fault_of_the_machine_has_its_probable_cause_in_the_report(local, fault, sentence, cause):
    text = report_of(local, "bad_programs:broken", {"fault": fault})
    assert sentence in text.split("\n")[0]
    assert f"  probable cause: {cause}" in text
    assert text.count("\n  to change: ") == 1
