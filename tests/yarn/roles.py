"""Submit role_job.py, wait until its roles sit in their containers, and find their processes."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.hadoop import wait_until
from tests.hadoop.submit import Submission, start_submit

PROGRAMS = Path(__file__).with_name("programs")
ONE_ATTEMPT = {"spark.yarn.maxAppAttempts": "1"}
_START_S, _GONE_S = 180, 60
_started: list[Submission] = []


def submit_roles(cluster, deed: str, *words: str, **how) -> Submission:
    """``spark-submit`` role_job.py; returns at once."""
    files = [PROGRAMS / "yarn_programs.py"]
    started = start_submit(cluster, PROGRAMS / "role_job.py", ["--deed", deed, *words], py_files=files, **how)
    _started.append(started)
    return started


def end_all() -> None:
    """End what a test has submitted and, having failed, not waited for."""
    while _started:
        _started.pop().end()


def wait_for_roles(submission: Submission, *, attempt: int = 1) -> None:
    """Wait until worker:1 says in the driver's log, of YARN's attempt, that it has started."""

    def has_started() -> bool:
        assert submission.process.poll() is None, submission
        return "worker:1 has started" in driver_log(submission, attempt)

    wait_until(has_started, "worker:1 to start", _START_S)


def driver_log(submission: Submission, attempt: int = 1) -> str:
    """What the driver has written: to the user's terminal in client mode, else in its container."""
    if "client" in submission.command:
        return submission.output
    logs = submission._cluster.container_logs(submission.app_id)
    return "".join(text for name, text in logs.items() if f"_{attempt:02d}_000001/stdout" in name)


def last_line(submission: Submission) -> str:
    """The sentence with which a driver of client mode ended, once it has."""
    return next(line for line in reversed(submission.output.splitlines()) if line.startswith("role_job.py: "))


def role_process(submission: Submission, role: str) -> psutil.Process:
    """The node process of a role."""
    return _process(submission, "sparkcv.cluster.node", role)


def executor_process(submission: Submission, role: str) -> psutil.Process:
    """The Java process of the executor that hosts a role."""
    return next(one for one in role_process(submission, role).parents() if one.name() == "java")


def master_process(submission: Submission) -> psutil.Process:
    """The ApplicationMaster's Java process, which in cluster mode is the driver's too."""
    return _process(submission, "org.apache.spark.deploy.yarn.ApplicationMaster", "--properties-file", name="java")


def stop_executors(submission: Submission, count: int) -> list[psutil.Process]:
    """SIGSTOP the Java processes of that many executors as soon as they appear, before they have told the driver."""
    stopped: dict[int, psutil.Process] = {}

    def stop_one() -> bool:
        for process, command in _processes(submission):
            if process.pid not in stopped and "--executor-id" in command and process.name() == "java":
                process.suspend()
                stopped[process.pid] = process
        return len(stopped) == count

    wait_until(stop_one, f"{count} executors", _START_S)
    return list(stopped.values())


def kill(process: psutil.Process) -> None:
    """SIGKILL."""
    os.kill(process.pid, signal.SIGKILL)


def assert_nothing_is_left(submission: Submission) -> None:
    """No process of its containers, no file in its local folders, no staged file."""
    wait_until(lambda: not submission.pids(), f"the processes of {submission.app_id} to end", _GONE_S)
    local = submission._cluster.root / "nm-local" / "usercache"
    wait_until(lambda: not list(local.glob(f"*/appcache/{submission.app_id}")), "its local folders to go", _GONE_S)


def _process(submission: Submission, *words: str, name: str = "") -> psutil.Process:
    for process, command in _processes(submission):
        if set(words) <= set(command) and name in process.name():
            return process
    raise AssertionError(f"no process with {words} among those of {submission.app_id}")


def _processes(submission: Submission) -> Iterator[tuple[psutil.Process, list[str]]]:
    """Those of its containers that have not ended meanwhile, with their command lines."""
    for pid in submission.pids():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            command = process.cmdline()
            yield process, command
