"""Nodes of users' functions as plain processes, fed by threads: their faults, told and mended without a Spark."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import compat_programs as programs
import psutil
import pytest

from sparkcv import storage
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.compat.closure import Call, dump
from sparkcv.compat.cluster_run import ClusterRun
from sparkcv.compat.node_program import ProgramOrder
from sparkcv.errors import ClusterError, RoleFailedError
from sparkcv.feeding.coordinator import Coordinator
from sparkcv.feeding.feeder import FeedPlan, feed
from sparkcv.roles import Role
from tests.contracts.local_launcher import LocalLauncher

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("programs")
SECRET = b"s" * 32
HOST = "127.0.0.1"


class Run:
    """A cluster on plain processes; ``desk`` is None where nothing is fed."""

    def __init__(self, map_fun, args, jobs, is_fed, policy, tensorboard):
        roles = [Role(job, at) for job, count in jobs for at in range(count)]
        self.coordinator = (
            Coordinator(HOST, SECRET, [str(role) for role in roles if role.job != "ps"]) if is_fed else None
        )
        order = ProgramOrder(
            [list(job) for job in jobs],
            "file://",
            os.getcwd(),
            ["input", "output", "error"],
            coordinator=[HOST, self.coordinator.port] if is_fed else [],
            tensorboard=tensorboard,
            log_dir=args.get("folder", ""),
        )
        self.cluster = ClusterRun(
            LocalLauncher(len(roles), [str(ROOT), str(PROGRAMS)]),
            roles,
            dict(vars(order)),
            dump(Call(map_fun, args, SECRET)),
            policy=policy,
            start_timeout_s=90,
            coordinator=self.coordinator,
        )
        self.cluster.wait_until_started()

    def feed(self, rows):
        plan = FeedPlan((HOST, self.coordinator.port), SECRET, "input", 60, False, chunk_bytes=200)
        for _ in feed(plan, rows):
            pass

    def shutdown(self, timeout_s=60):
        if self.coordinator is not None:
            self.coordinator.end()
        self.cluster.wait(timeout_s)


@pytest.fixture
def start(monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    started = []

    def run(map_fun, args, *jobs, is_fed=True, tensorboard=-1, **policy):
        started.append(Run(map_fun, args, jobs, is_fed, RestartPolicy(**policy), tensorboard))
        return started[-1]

    yield run
    for one in started:
        one.cluster.abort("the test is over")


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def kill_once(notes, name="waits"):
    """SIGKILLs the first process that notes ``name``, from a thread."""
    killer = threading.Thread(target=lambda: os.kill(notes.wait(name)[0], signal.SIGKILL))
    killer.start()
    return killer


@pytest.mark.hadoop
def test_files_on_hdfs_are_staged_to_this_machine_and_published_there(start, hdfs, notes, tmp_path):
    storage.write_bytes(f"{hdfs}/in/a.txt", b"abc")
    args = {"folder": str(tmp_path), "source": f"{hdfs}/in", "target": f"{hdfs}/out.txt"}
    start(programs.stage_and_publish, args, ("worker", 1), is_fed=False).shutdown()
    assert storage.read_bytes(f"{hdfs}/out.txt") == b"ABC"
    (staged,) = notes.all("staged")
    assert staged["local"].endswith("/staged-1/in")
    assert not os.path.exists(staged["local"])  # gone with its node


@pytest.mark.parametrize(
    ("deed", "sentence", "beneath"),
    [
        ("raise", r"^map_fun misbehave of worker:0 raised ValueError: there is no\n", 'raise ValueError("there is no'),
        ("raise_later", r"^map_fun misbehave of worker:0 raised KeyError: 'loss'\n", 'raise KeyError("loss")'),
        ("exit", r"^map_fun misbehave of worker:0 called sys.exit\(3\); a map_fun ends by returning", "sys.exit(3)"),
        ("hdfs", r"gave TensorFlow a path of hdfs://, .* ctx.stage\(url\).* ctx.publish\(local, url\)", "raise Not"),
    ],
)
def test_what_a_map_fun_does_wrong_is_one_sentence_with_its_own_traceback_beneath(start, deed, sentence, beneath):
    with pytest.raises(RoleFailedError, match=sentence) as caught:
        start(programs.misbehave, {"deed": deed}, ("worker", 1), max_restarts=5).feed(range(100))
    report = str(caught.value)
    assert beneath in report
    assert "compat_programs.py" in report
    assert "node_program" not in report  # the user's lines, not ours
    assert caught.value.exit_code == 1


def test_a_map_fun_that_returns_at_once_cannot_be_fed(start):
    run = start(programs.misbehave, {"deed": "return"}, ("worker", 1))
    with pytest.raises(ClusterError, match=r"map_fun of worker:0 returned before it had taken all rows"):
        run.feed(range(100))
    run.shutdown()  # as a cluster it ended well


def test_a_worker_that_is_killed_while_it_is_fed_goes_on_with_the_rest(start, notes, tmp_path):
    args = {"folder": str(tmp_path), "die_after": 300}
    run = start(programs.take, args, ("ps", 1), ("worker", 1), max_restarts=5)
    killer = kill_once(notes)
    run.feed(range(1000))
    run.shutdown()
    killer.join()
    (first,), (second,) = notes.all("waits"), notes.all("took")
    assert set(first["rows"]) | set(second["rows"]) == set(range(1000))  # each at least once
    assert len(second["rows"]) < 1000  # and not all from the start
    assert run.cluster.nodes[Role("worker", 0)]["attempt"] == 1


def test_without_restarts_a_killed_worker_fails_feeding_and_shutdown_with_its_name(start, notes, tmp_path):
    run = start(programs.take, {"folder": str(tmp_path), "die_after": 50}, ("worker", 1))
    killer = kill_once(notes)
    with pytest.raises(RoleFailedError, match=r"worker:0 was killed by signal 9 \(SIGKILL\)"):
        run.feed(range(1000))
    with pytest.raises(RoleFailedError, match="worker:0 was killed by signal 9"):
        run.shutdown()
    killer.join()


def test_a_killed_ps_starts_all_again_and_the_rest_is_fed(start, notes, tmp_path):
    args = {"folder": str(tmp_path), "die_after": 50}
    run = start(programs.take, args, ("ps", 1), ("worker", 1), max_restarts=5)

    def kill():
        notes.wait("waits")
        os.kill(notes.wait("serving")[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    run.feed(range(1000))
    run.shutdown()
    killer.join()
    assert {status["attempt"] for status in run.cluster.nodes.values()} == {1}
    assert len(notes.all("took")) == 1


def test_a_killed_worker_of_a_program_that_reads_by_itself_is_started_again(start, notes, tmp_path):
    run = start(programs.wait_to_be_killed, {"folder": str(tmp_path)}, ("worker", 2), is_fed=False, max_restarts=5)
    killer = kill_once(notes)
    run.shutdown()
    killer.join()
    assert len(notes.all("done")) == 2


def test_shutdown_ends_what_does_not_end_in_time(start, notes, tmp_path):
    run = start(programs.wait_to_be_killed, {"folder": str(tmp_path)}, ("worker", 1), is_fed=False)
    (pid,) = notes.wait("waits")
    with pytest.raises(ClusterError, match=r"did not end within 0.5 s of shutdown\(\)"):
        run.shutdown(0.5)
    assert not is_alive(pid)


def test_who_is_interrupted_while_nodes_start_or_run_leaves_none(start, notes, tmp_path):
    class Interrupted(threading.Condition):
        def wait(self, timeout=None):
            raise KeyboardInterrupt

    run = start(programs.wait_to_be_killed, {"folder": str(tmp_path)}, ("worker", 1), is_fed=False)
    (pid,) = notes.wait("waits")
    run.cluster.nodes.clear()  # as if none had started yet
    run.cluster._changed = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run.cluster.wait_until_started()
    assert run.cluster.is_over()
    assert str(run.cluster.failure) == "the cluster was ended: its program was left by KeyboardInterrupt"
    assert not is_alive(pid)


def test_ps_and_evaluator_that_never_return_are_stopped_after_the_workers(start, notes, tmp_path):
    jobs = (("ps", 1), ("chief", 1), ("evaluator", 1))
    start(programs.tell, {"folder": str(tmp_path)}, *jobs, is_fed=False).shutdown()
    told = notes.all("told")
    assert {one["executor_id"] for one in told} == {0, 1, 2}
    assert {one["tf_config"]["task"]["type"] for one in told} == {"ps", "chief", "evaluator"}


def test_a_tensorboard_is_beside_the_node_that_was_asked_and_goes_with_it(start, notes, tmp_path):
    args = {"folder": str(tmp_path)}
    run = start(programs.wait_to_be_killed, args, ("worker", 1), is_fed=False, tensorboard=0)
    notes.wait("waits")
    (status,) = run.cluster.nodes.values()
    assert status["tb_port"] > 0
    assert "tensorboard.main" in psutil.Process(status["tb_pid"]).cmdline()
    with pytest.raises(ClusterError, match="did not end within"):
        run.shutdown(0.1)
    assert not is_alive(status["tb_pid"])


def test_a_program_may_fork_and_have_a_pool(start, notes, tmp_path):
    run = start(programs.fork_and_pool, {"folder": str(tmp_path)}, ("worker", 1))
    run.feed(range(100))
    run.shutdown()
    assert notes.all("sum") == [{"total": sum(at * at for at in range(100))}]


@pytest.mark.parametrize("is_fed", [True, False])
def test_children_that_a_program_forked_neither_speak_for_it_nor_keep_it_from_its_end(start, notes, tmp_path, is_fed):
    args = {"folder": str(tmp_path), "is_fed": is_fed}
    run = start(programs.fork_and_leave, args, ("worker", 1), is_fed=is_fed)
    if is_fed:
        run.feed(range(100))
    run.shutdown()
    (forked,) = notes.all("forked")
    assert forked["codes"] == {"returns": 0, "exits": 3, "raises": 1}
    assert not is_alive(forked["sleeper"])


LEAVER = """
import json, sys
import compat_programs as programs
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.compat.cluster_run import set_up_log
from tests.compat.test_cluster_run import Run

set_up_log()
name, args, way = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
run = Run(getattr(programs, name), args, [("worker", 1)], False, RestartPolicy(), -1)
while way == "ended" and not run.cluster.is_over():
    run.cluster.failure_within(1)
"""


@pytest.mark.parametrize(
    ("name", "args", "way", "code", "said"),
    [
        ("misbehave", {"deed": "raise"}, "ended", 1, "map_fun misbehave of worker:0 raised ValueError"),
        ("wait_to_be_killed", {}, "left", 1, "the cluster was ended: the program ended without shutdown()"),
        ("misbehave", {"deed": "return"}, "ended", 0, ""),
    ],
)
def test_a_program_that_never_calls_shutdown_has_a_true_exit_code(name, args, way, code, said, tmp_path):
    args |= {"folder": str(tmp_path)}
    path = os.pathsep.join([str(ROOT), str(PROGRAMS)])
    env = os.environ | {"PYTHONPATH": path, "TF_USE_LEGACY_KERAS": "0"}
    command = [sys.executable, "-c", LEAVER, name, json.dumps(args), way]
    ended = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
