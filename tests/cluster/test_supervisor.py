"""What a run of roles ends with, whatever its programs do; on plain processes, so that each fault costs seconds."""

import base64
import contextlib
import logging
import os
import signal
from pathlib import Path

import psutil
import pytest

from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.errors import (
    ClusterError,
    LaunchTimeoutError,
    PreemptedError,
    RoleFailedError,
    UsageError,
)
from sparkcv.roles import Role, roles
from tests.contracts.local_launcher import LocalLauncher

ECHO, VICTIM = "cluster_programs:echo", "cluster_programs:victim"
ALONE = (Role("worker", 0),)
LOUD_MEGABYTES = int(os.environ.get("LOUD_MEGABYTES", "80"))  # the long form is a gigabyte


class Statuses(RunObserver):
    """Keeps all statuses, knows each role's processes, and can act on a status."""

    def __init__(self, act=None):
        self.seen, self._act = [], act

    def on_status(self, role, status):
        self.seen.append((str(role), status))
        if self._act is not None:
            self._act(str(role), status)

    def assert_nothing_is_left(self):
        for _, status in self.seen:
            for name in ("pid", "agent"):
                with contextlib.suppress(psutil.NoSuchProcess):
                    assert psutil.Process(status[name]).status() == psutil.STATUS_ZOMBIE
            assert not Path(status["scratch"]).exists()


def fail(launcher, deed, who=ALONE, error=RoleFailedError, **more):
    """The report of a run in which the last role of ``who`` does ``deed``."""
    statuses = Statuses()
    with pytest.raises(error) as caught:
        supervise(launcher, RunSpec(VICTIM, who, {"role": str(who[-1]), "deed": deed, **more}), statuses)
    statuses.assert_nothing_is_left()
    return str(caught.value)


def test_results_come_back_by_role_and_services_are_stopped_after_the_others(local):
    statuses = Statuses()
    results = supervise(local, RunSpec(ECHO, roles(1, 2), {"a": [1, "ü"]}), statuses)
    assert results["ps:0"] == {"was_stopped": True}
    cluster = results["worker:1"]["cluster"]
    assert {job: len(members) for job, members in cluster.items()} == {"ps": 1, "worker": 2}
    assert len({address for members in cluster.values() for address in members}) == 3
    assert results["worker:0"]["params"] == {"a": [1, "ü"]}
    assert {role for role, _ in statuses.seen} == {"ps:0", "worker:0", "worker:1"}
    statuses.assert_nothing_is_left()


def test_a_payload_comes_unchanged_and_unshown_and_a_role_may_turn_into_a_service(local, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS")
    payload = bytes(range(256)) + b"\n{"
    results = supervise(local, RunSpec("cluster_programs:weigh_payload", roles(0, 2), {}, payload=payload))
    assert bytes.fromhex(results["worker:0"]["payload"]) == payload
    assert results["worker:0"]["keras"] == ""
    assert "payload" not in results["worker:0"]["shown"]
    assert results["worker:1"] == {"left": True}


@pytest.mark.parametrize(
    ("deed", "first_line", "detail"),
    [
        ("hard_exit_3", "worker:0 ended with exit code 3", "exit code 3"),
        ("exit_3", f"{VICTIM} called sys.exit(3) instead of returning its result", "by itself"),
        ("exit_0", f"{VICTIM} called sys.exit(0) instead of returning its result", "by itself"),
        ("hard_exit_0", "worker:0 ended with exit code 0 before its program returned a result", "by itself"),
        ("sigkill", "worker:0 was killed by signal 9 (SIGKILL)", "out of memory"),
        ("sigill", "worker:0 was killed by signal 4 (SIGILL)", "illegal instruction"),
        ("known_error", "12 of 100 records are bad, over the budget of 1", "data is not"),
        ("unknown_error", f"{VICTIM} raised KeyError: 'no such key'", "Traceback (most recent call last)"),
        ("ignore_disk", f"{VICTIM} raised OSError: [Errno 28] No space left on device", "disk or a quota"),
        ("too_large", "over the 49152", "ClusterError"),
    ],
)
def test_a_program_that_fails_is_one_report(local, deed, first_line, detail):
    text = fail(local, deed)
    assert first_line in text.split("\n")[0]
    assert detail in text or deed == "too_large"
    assert "line 49 of worker:0" in text
    assert "on host 127.0.0.1" in text
    assert text.count("probable cause:") == 1


@pytest.mark.parametrize(("deed", "error"), [("usage_error", UsageError), ("preempted", PreemptedError)])
def test_an_error_with_an_exit_code_of_its_own_keeps_it(local, deed, error):
    assert "on host 127.0.0.1" in fail(local, deed, error=error)


def test_a_missing_module_is_named(local):
    with pytest.raises(RoleFailedError, match="no module named 'no_such_module'"):
        supervise(local, RunSpec("no_such_module:main", ALONE, {}))


def test_a_dead_role_ends_all_others_too(local):
    text = fail(local, "sigkill", who=roles(1, 2))
    assert text.startswith("worker:1 was killed by signal 9")


def test_of_failures_at_one_moment_the_death_is_told_before_the_errors_about_it(local):
    who = roles(1, 1)
    with pytest.raises(RoleFailedError) as caught:
        supervise(local, RunSpec("cluster_programs:widow", who, {}))
    text = str(caught.value)
    assert text.startswith("ps:0 was killed by signal 9")
    assert "at the same moment: worker:0" in text


def test_a_role_that_ignores_everything_is_ended_with_the_rest(local):
    statuses = Statuses()
    with pytest.raises(RoleFailedError, match="worker:1 was killed by signal 9"):
        supervise(local, RunSpec("cluster_programs:deaf_or_dead", roles(0, 2), {}), statuses)
    statuses.assert_nothing_is_left()


def test_a_service_that_ends_early_is_a_failure(local):
    text = fail(local, "large", who=(Role("worker", 0), Role("ps", 0)))
    assert text.startswith("ps:0 is a service and ended before it was asked to")


def test_a_service_that_ignores_the_stop_does_not_spoil_the_run(local):
    who = (Role("worker", 0), Role("ps", 0))
    results = supervise(local, RunSpec("cluster_programs:deaf_ps", who, {}))
    assert results == {"worker:0": {"done": True}, "ps:0": {}}


def test_a_service_that_is_still_loading_when_the_others_are_done_ends_in_good_order(local):
    who = (Role("worker", 0), Role("ps", 0))
    results = supervise(local, RunSpec("slow_ps:main", who, {}))
    assert results == {"worker:0": {"done": True}, "ps:0": {"was_stopped": True}}


def test_a_killed_agent_is_a_lost_role_and_its_node_process_goes_along(local):
    def kill_agent(role, status):
        if role == "worker:1":
            os.kill(status["agent"], signal.SIGKILL)

    statuses = Statuses(kill_agent)
    with pytest.raises(RoleFailedError, match="worker:1 was lost") as caught:
        supervise(local, RunSpec(VICTIM, roles(0, 2), {"role": "worker:1", "deed": "deaf"}), statuses)
    assert "killed" in str(caught.value).split("\n")[0]
    statuses.assert_nothing_is_left()


def test_sigterm_to_an_agent_ends_its_role_in_good_order_and_is_told(local):
    def terminate_agent(role, status):
        os.kill(status["agent"], signal.SIGTERM)

    statuses = Statuses(terminate_agent)
    with pytest.raises(PreemptedError, match="worker:0: its agent was told to end by SIGTERM"):
        supervise(local, RunSpec(VICTIM, ALONE, {"role": "worker:0", "deed": "wait"}), statuses)
    statuses.assert_nothing_is_left()


def test_a_program_that_prints_very_much_costs_nothing_but_lines(local, tmp_path, caplog):
    before = psutil.Process().memory_info().rss
    with _logged(caplog):
        params = {"role": "worker:0", "deed": "loud", "megabytes": LOUD_MEGABYTES}
        results = supervise(local, RunSpec(VICTIM, ALONE, params, log_url=str(tmp_path / "logs")))
    assert results == {"worker:0": {"printed": LOUD_MEGABYTES}}
    assert psutil.Process().memory_info().rss - before < 2**26
    assert "log lines are left out here" in caplog.text
    assert caplog.messages[-1] == "the last line"  # not by its text: pyspark makes JSON of it
    kept = tmp_path / "logs" / "worker-0.log"
    assert 0 < kept.stat().st_size < 66 * 2**20
    assert kept.read_text().rstrip().endswith("the last line")


def test_a_log_that_cannot_be_kept_costs_the_log_and_is_said(local, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    params = {"role": "worker:0", "deed": "patient"}
    with _logged(caplog):
        results = supervise(local, RunSpec(VICTIM, ALONE, params, log_url=str(tmp_path / "file" / "logs")))
    assert results == {"worker:0": {"done": True}}
    assert "the log is not kept while this lasts: cannot make" in caplog.text


def test_reports_faster_than_anybody_listens_arrive_as_the_newest(local):
    statuses = Statuses()
    results = supervise(local, RunSpec(VICTIM, ALONE, {"role": "worker:0", "deed": "reporter"}), statuses)
    assert results == {"worker:0": {"step": 4999}}
    assert statuses.seen[-1][1]["step"] == 4999
    assert len(statuses.seen) < 100


def test_lines_reach_the_drivers_log_under_their_role_and_level(local, caplog):
    with _logged(caplog), pytest.raises(RoleFailedError):
        supervise(local, RunSpec(VICTIM, ALONE, {"role": "worker:0", "deed": "known_error"}))
    said = [
        (record.role, record.levelname, record.getMessage()) for record in caplog.records if hasattr(record, "role")
    ]
    assert ("worker:0", "INFO", "line 0 of worker:0") in said
    assert said[-1] == ("worker:0", "ERROR", "12 of 100 records are bad, over the budget of 1")


def test_a_callback_that_raises_ends_the_run_and_its_error_comes_out(local):
    def refuse(role, status):
        raise UsageError("no more of this")

    statuses = Statuses(refuse)
    with pytest.raises(UsageError, match="no more of this"):
        supervise(local, RunSpec(ECHO, roles(1, 1), {}), statuses)
    statuses.assert_nothing_is_left()


def test_ctrl_c_ends_the_run(local):
    def interrupt(role, status):
        raise KeyboardInterrupt

    statuses = Statuses(interrupt)
    with pytest.raises(KeyboardInterrupt):
        supervise(local, RunSpec(ECHO, roles(1, 1), {}), statuses)
    statuses.assert_nothing_is_left()


def test_temporary_files_of_a_program_go_with_it(local):
    results = supervise(local, RunSpec(VICTIM, ALONE, {"role": "worker:0", "deed": "litterer"}))
    assert results["worker:0"]["scratch"] == []
    assert not Path(results["worker:0"]["left"]).parent.exists()


def test_more_roles_than_slots_are_refused_with_both_numbers():
    with pytest.raises(ClusterError, match=r"5 roles need 5 task slots .* asked for 3.*--num-executors 5"):
        supervise(LocalLauncher(3, []), RunSpec(ECHO, roles(2, 3), {}))


def test_executors_that_are_not_granted_are_waited_for_and_then_counted():
    class Poor(LocalLauncher):
        def slots(self):
            return type(super().slots())(now=3, most=5)

    with pytest.raises(ClusterError, match=r"5 roles need 5 task slots .* only 3 were there"):
        supervise(Poor(3, []), RunSpec(ECHO, roles(2, 3), {}, start_timeout_s=1))


def test_sigterm_ends_the_wait_for_executors():
    class Empty(LocalLauncher):
        def slots(self):
            os.kill(os.getpid(), signal.SIGTERM)
            return type(super().slots())(now=0, most=1)

    with pytest.raises(
        PreemptedError, match="told to end by SIGTERM; no role ran yet; the same command starts it again"
    ):
        supervise(Empty(1, []), RunSpec(ECHO, ALONE, {}))


def test_executors_that_are_granted_are_waited_for_longer_as_they_may_still_unpack_files(local):
    class Slow(LocalLauncher):
        was_asked = False

        def slots(self):
            return type(super().slots())(now=1 if self.was_asked else 0, most=1)

        def granted(self):
            self.was_asked = True
            return 1

        def launch(self, name, count, body):
            return local.launch(name, count, body)

    assert supervise(Slow(1, []), RunSpec(ECHO, ALONE, {}, start_timeout_s=30))["worker:0"]["role"] == "worker:0"


def test_a_program_that_loads_for_ever_is_a_launch_timeout(local):
    with pytest.raises(LaunchTimeoutError, match=r"0 of 1 roles ran within 4 s; missing: worker:0"):
        supervise(local, RunSpec("slow_to_load:main", ALONE, {}, start_timeout_s=4))


# Where the package is installed in development mode, a finder or a path entry brings it: this host has neither.
WITHOUT_THE_PACKAGE = """
import os, sys
sys.path[:] = [entry for entry in sys.path if not os.path.isdir(os.path.join(entry, "sparkcv"))]
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in str(getattr(finder, "__module__", ""))]
"""


def test_executors_without_the_package_are_said(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_THE_PACKAGE)
    with pytest.raises(ClusterError, match="No module named 'sparkcv'"):
        supervise(LocalLauncher(1, [str(tmp_path)]), RunSpec(ECHO, ALONE, {}))


@pytest.mark.parametrize(
    ("program", "who", "params", "words"),
    [
        ("no program", ALONE, {}, "package.module:function"),
        (ECHO, (), {}, "at least one role"),
        (ECHO, (Role("worker", 1),), {}, "expected worker:0"),
        (ECHO, (Role("worker", 0), Role("worker", 0)), {}, "expected worker:1"),
        (ECHO, ALONE, {"x": object()}, "JSON-able"),
    ],
)
def test_what_can_never_work_is_refused_before_anything_starts(program, who, params, words):
    with pytest.raises(UsageError, match=words):
        supervise(LocalLauncher(0, []), RunSpec(program, who, params))


def test_the_secret_is_in_no_command_line_environment_or_log(local, caplog):
    class Eavesdropper:
        def launch(self, name, count, body):
            (self.task,) = body.args
            return local.launch(name, count, body)

        def __getattr__(self, name):
            return getattr(local, name)

    launcher = Eavesdropper()
    overheard = []

    def look_round(role, status):
        for pid in (status["pid"], status["agent"], os.getpid()):
            for name in ("cmdline", "environ"):
                overheard.append(Path(f"/proc/{pid}/{name}").read_bytes())

    params = {"role": "worker:0", "deed": "slow_error"}
    with _logged(caplog), pytest.raises(RoleFailedError) as caught:
        supervise(launcher, RunSpec(VICTIM, ALONE, params), Statuses(look_round))
    assert overheard
    overheard += [caplog.text.encode(), str(caught.value).encode(), repr(launcher.task).encode()]
    secret = launcher.task.secret
    for form in (secret, secret.hex().encode(), base64.b64encode(secret), repr(secret).encode()[2:-1]):
        assert not any(form in text for text in overheard)


def test_nothing_of_ours_listens_or_waits_after_a_run(local):
    before = {conn.laddr.port for conn in psutil.Process().net_connections("inet")}
    supervise(local, RunSpec(ECHO, ALONE, {}))
    assert {conn.laddr.port for conn in psutil.Process().net_connections("inet")} <= before


@contextlib.contextmanager
def _logged(caplog):
    """The project's log in ``caplog``, also where an earlier test has set the log up for good."""
    root = logging.getLogger("sparkcv")
    before = root.level, root.propagate
    root.setLevel(logging.INFO)
    root.addHandler(caplog.handler)
    try:
        yield
    finally:
        root.removeHandler(caplog.handler)
        root.setLevel(before[0])
        root.propagate = before[1]
