"""A node process is started, heard, and surely gone at the end: also when its agent is killed."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.role_log import RoleLog
from sparkcv.roles import Role
from tests.cluster.agents import PATIENCE_S, assert_ends_with_its_agent, wait_until

CANARY = "canary-secret"
PROGRAM = "cluster_programs:victim"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a node process with a deed; gives the child and a list that all it says is put on."""
    monkeypatch.setenv("PYTHON_WORKER_FACTORY_SECRET", CANARY)
    started = []

    def start_deed(deed, **params):
        told = {"role": "worker:0", "deed": deed, **params}
        child = Child(Role("worker", 0), Placement(PROGRAM, {}, told), str(tmp_path), str(tmp_path))
        started.append((child, RoleLog(child.take_log_fd())))
        return child

    yield start_deed
    for child, log in started:
        with child:
            child.kill()
        log.close(PATIENCE_S)


def run_to_end(child) -> list[dict]:
    said = []

    def is_over():
        is_running = child.is_running
        said.extend(child.messages())
        return not is_running

    wait_until(is_over)
    return said


def test_it_is_waited_for_until_it_says_something_or_ends(start):
    child = start("wait")
    child.wait(PATIENCE_S)
    assert {"ready": True} in child.messages()
    os.kill(child.pid, signal.SIGKILL)
    run_to_end(child)
    child.wait(0.01)  # nothing more can come, and nobody is told so
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("payload", [b"", b"x" * (1 << 20)])
def test_one_that_cannot_be_started_leaves_no_file_open(tmp_path, payload):
    place = Placement(PROGRAM, {}, {}, payload=payload)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError) as caught:
        Child(Role("worker", 0), place, str(tmp_path), str(tmp_path / "not there"))
    assert os.listdir("/proc/self/fd") == before
    assert "not there" in str(caught.value)


def test_a_process_says_ready_then_status_then_result(start):
    child = start("large")
    said = run_to_end(child)
    assert [next(iter(message)) for message in said] == ["ready", "status", "result"]
    assert said[1]["status"]["pid"] == child.pid
    assert said[1]["status"]["agent"] == os.getpid()
    assert child.returncode == 0
    assert child.peak_rss_bytes > 2**22
    assert child.rss_bytes() == 0


@pytest.mark.parametrize(("deed", "code"), [("hard_exit_3", 3), ("sigkill", -9), ("sigill", -4), ("known_error", 1)])
def test_how_a_process_ended_is_its_return_code(start, deed, code):
    child = start(deed)
    run_to_end(child)
    assert child.returncode == code


def test_terminating_lets_the_program_end_in_good_order(start):
    child = start("wait")
    wait_until(lambda: any("status" in message for message in child.messages()))
    child.ask_to_stop()
    assert {"result": {"was_stopped": True}} in run_to_end(child)
    child.ask_to_stop()  # once more, when nobody is there


def test_a_process_that_ignores_sigterm_is_killed(start):
    child = start("deaf")
    wait_until(lambda: any("status" in message for message in child.messages()))
    child.ask_to_stop()
    child.kill()
    assert child.returncode == -signal.SIGKILL


def test_what_the_program_started_goes_with_it(start):
    child = start("forker")
    grandchild = run_to_end(child)[-1]["result"]["grandchild"]
    assert psutil.pid_exists(grandchild)
    child.kill()
    wait_until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_a_thread_that_never_ends_does_not_keep_a_finished_process(start):
    child = start("threads")
    assert {"result": {"left": "a thread"}} in run_to_end(child)
    assert child.returncode == 0


def test_secrets_and_parameters_are_neither_in_argv_nor_in_the_environment(start):
    child = start("wait", password=CANARY)
    wait_until(lambda: any("status" in message for message in child.messages()))
    for name in ("cmdline", "environ"):
        assert CANARY.encode() not in Path(f"/proc/{child.pid}/{name}").read_bytes()


def test_the_process_finds_hadoop_though_its_working_folder_is_another(start, tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/core-site.xml").write_text("<configuration/>")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HADOOP_CONF_DIR", "conf")
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", "container_tokens")
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)
    monkeypatch.setenv("SPARK_USER", "me")
    child = start("wait")
    wait_until(lambda: any("status" in message for message in child.messages()))
    variables = Path(f"/proc/{child.pid}/environ").read_text().split("\0")
    assert f"HADOOP_CONF_DIR={tmp_path}/conf" in variables
    assert f"HADOOP_TOKEN_FILE_LOCATION={tmp_path}/container_tokens" in variables
    assert "HADOOP_USER_NAME=me" in variables


def test_parameters_of_megabytes_are_passed(start):
    child = start("exit_0", shards=["x" * 100] * 50_000)
    assert any("error" in message for message in run_to_end(child))


AGENT = """
import sys, time
from sparkcv.cluster.child import Child, Placement
from sparkcv.roles import Role
task = Placement("cluster_programs:victim", {}, {"role": "worker:0", "deed": "deaf"})
child = Child(Role("worker", 0), task, *sys.argv[1:])
while not any("status" in message for message in child.messages()):
    time.sleep(0.02)
print(child.pid, flush=True)
time.sleep(120)
"""


def test_a_killed_agent_takes_its_node_process_along(tmp_path):
    assert_ends_with_its_agent(AGENT, tmp_path)
