"""A run that goes on: restarts in place and by generation, their budgets, stalls, and ends in good order."""

import json
import os
import signal

import psutil
import pytest

from sparkcv import storage
from sparkcv.channel.messages import End
from sparkcv.cluster.recovery import Backoff, Budget, Recovery, RestartPolicy, is_final, who_restarts
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.state import RoleState
from sparkcv.cluster.supervisor import supervise
from sparkcv.errors import ClusterError, LeaseError, MemoryExceededError, PreemptedError, RoleFailedError
from sparkcv.roles import Role, roles
from sparkcv.rundir import lease, lease_file
from tests.contracts.callbacks import Callbacks
from tests.contracts.local_launcher import LocalLauncher

LIVE = "recovery_programs:live"
PS, CHIEF, WORKER = Role("ps", 0), Role("worker", 0), Role("worker", 1)
POLICY = RestartPolicy(max_restarts=5, max_generations=5)


@pytest.fixture
def run(local, tmp_path):
    """Runs 1 ps and 2 workers whose lives do what they are told; checks that nothing of them is left."""
    (tmp_path / "lives").mkdir()

    def run_lives(deeds, policy=POLICY, who=None, launcher=None, observer=None, **more):
        def params(generation):
            return {"folder": str(tmp_path / "lives"), "deeds": deeds, "token": generation + 7}

        try:
            spec = RunSpec(LIVE, who or roles(1, 2), params, policy=policy, **more)
            return supervise(launcher or local, spec, observer)
        finally:
            for life in lives(tmp_path).values():
                for name in ("pid", "agent"):
                    assert not psutil.pid_exists(life[name]) or psutil.Process(life[name]).status() == "zombie"

    return run_lives


def lives(tmp_path):
    # One that was ended while it wrote down its own leaves a part of it.
    written = (path for path in (tmp_path / "lives").glob("*:*") if path.suffix != ".tmp")
    return {path.name: json.loads(path.read_text()) for path in written}


def test_a_killed_worker_is_started_again_in_place_and_the_others_go_on(run, tmp_path):
    told = []
    results = run({"worker:1 0.0": "die", "worker:1 0.1": "finish"}, observer=Callbacks(on_restart=told.append))
    assert {role: result["life"][-3:] for role, result in results.items()} == {
        "ps:0": "0.0",
        "worker:0": "0.0",
        "worker:1": "0.1",
    }
    found = lives(tmp_path)
    assert found["worker:1 0.0"]["address"] == found["worker:1 0.1"]["address"]
    assert found["worker:1 0.0"]["agent"] == found["worker:1 0.1"]["agent"]
    assert told == ["worker:1 was killed by signal 9 (SIGKILL)"]


@pytest.mark.parametrize("victim", ["ps:0", "worker:1"])
def test_with_a_ps_or_in_lockstep_all_start_again_in_place(run, victim):
    policy = RestartPolicy(max_restarts=1, together=victim == "worker:1")
    results = run({f"{victim} 0.0": "die", "worker:0 0.1": "finish"}, policy)
    # A ps may be told to stop before it was started again: the workers of a light program are that fast.
    assert {result["life"][-3:] for role, result in results.items() if role != "ps:0"} == {"0.1"}


def test_a_lost_agent_makes_a_new_generation_with_new_addresses(run, tmp_path):
    results = run({"worker:1 0.0": "lose_agent", "worker:0 1.0": "finish"})
    assert {result["life"][-3:] for result in results.values()} == {"1.0"}
    assert {result["token"] for result in results.values()} == {8}
    found = lives(tmp_path)
    for role in ("ps:0", "worker:0", "worker:1"):
        assert found[f"{role} 0.0"]["agent"] != found[f"{role} 1.0"]["agent"]
        assert found[f"{role} 0.0"]["address"] != found[f"{role} 1.0"]["address"]


def test_without_a_budget_the_first_failure_ends_the_run(run, tmp_path):
    for deed in ("die", "lose_agent"):
        with pytest.raises(RoleFailedError, match="worker:1 was"):
            run({"worker:1 0.0": deed}, RestartPolicy())
        assert {name[-3:] for name in lives(tmp_path)} == {"0.0"}


@pytest.mark.parametrize("policy", [RestartPolicy(max_restarts=2), RestartPolicy(max_restarts=2, together=True)])
def test_a_fault_that_stays_ends_the_run_after_the_budget_with_the_first_error_last(run, policy):
    with pytest.raises(RoleFailedError) as caught:
        run({f"worker:1 0.{at}": "fail" for at in range(9)}, policy)
    first, rest = str(caught.value).split("\n", 1)
    assert "life 2 of worker:1" in first
    assert "not started again after 2 restarts in an hour" in first
    assert "life 0 of worker:1" in rest.split("\n")[0]
    assert rest.count("probable cause") + rest.count("to change") >= 1
    assert "life 1 of" not in rest


def test_generations_have_their_own_budget(run):
    with pytest.raises(RoleFailedError, match="not started again after 1 restarts in an hour"):
        run({f"worker:0 {at}.0": "lose_agent" for at in range(9)}, RestartPolicy(max_generations=1))


def test_what_a_restart_cannot_mend_ends_the_run_at_once(run, tmp_path):
    with pytest.raises(RoleFailedError, match="over the budget of 1"):
        run({"worker:1 0.0": "fail_for_good"})
    assert "worker:1 0.1" not in lives(tmp_path)


def test_a_role_that_is_optional_may_die_and_comes_back_or_not(tmp_path, run):
    launcher = LocalLauncher(4, [os.path.dirname(os.path.dirname(os.path.dirname(__file__))), str(_programs())])
    deeds = {f"evaluator:0 0.{at}": "die" for at in range(9)} | {"worker:1 0.0": "finish"}
    results = run(deeds, who=roles(1, 2, 1), launcher=launcher, optional=("evaluator",))
    assert results["worker:1"]["life"] == "worker:1 0.0"
    assert results["evaluator:0"] == {}


def test_a_role_that_stands_still_is_told_with_its_stack_and_started_again(run, caplog):
    policy = RestartPolicy(max_restarts=1, stall_timeout_s=3.0)
    run({"worker:1 0.0": "step_then_stand_still", "worker:1 0.1": "finish"}, policy)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "worker:1 is stalled: it took no step for" in said
    assert "_stand_still" in said


@pytest.mark.parametrize(
    ("again", "max_generations", "last"),
    [("fail", 1, "1.0"), ("fail", 0, "0.2"), ("step_then_stand_still", 1, "0.2")],
)
def test_a_stall_that_a_restart_in_place_did_not_mend_makes_a_new_generation(run, again, max_generations, last):
    policy = RestartPolicy(max_restarts=5, max_generations=max_generations, stall_timeout_s=3.0)
    deeds = {"worker:1 0.0": "step_then_stand_still", "worker:1 0.1": again, f"worker:1 {last}": "finish"}
    assert run(deeds, policy)["worker:1"]["life"] == f"worker:1 {last}"


def test_without_looking_for_stalls_it_stands_still(local, run):
    def stop_it(role, status):
        if status.get("step") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            {"worker:1 0.0": "step_then_stand_still"},
            RestartPolicy(max_restarts=1),
            observer=Callbacks(on_status=stop_it),
        )


@pytest.mark.parametrize("victim", ["ps:0", "worker:0", "worker:1"])
def test_a_sigterm_to_any_process_stops_the_workers_before_the_ps(run, victim):
    with pytest.raises(PreemptedError, match=f"{victim}: its process was told to end by SIGTERM"):
        run({f"{victim} 0.0": "tell_and_wait"})


def test_a_sigterm_to_the_driver_ends_the_run_in_order(run):
    def terminate(role, status):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(PreemptedError, match="the driver was told to end by SIGTERM"):
        run({}, observer=Callbacks(on_status=terminate))


def test_a_run_whose_roles_say_nothing_hears_of_its_lost_folder_all_the_same(run, tmp_path):
    """They wait without a word or a step, and no stall is looked for: only the driver can notice."""
    run_url = str(tmp_path / "run")

    def take_over_once_all_run():
        if len(lives(tmp_path)) == 3 and not storage.exists(f"{run_url}/run.lock.2"):
            found = lease_file.newest(run_url)
            storage.write_bytes(f"{run_url}/run.lock.2", found.to_bytes().replace(b'"token": 1', b'"token": 2'))

    timing = lease.Timing(renew_s=0.05)
    with lease.held(run_url, timing=timing) as held, pytest.raises(LeaseError, match="has lost --train_dir"):
        run({}, observer=Callbacks(on_look=lambda: (take_over_once_all_run(), held.check())))


def test_a_container_that_is_too_small_is_not_tried_a_third_time():
    recovery = Recovery(POLICY)
    first, second = MemoryExceededError("4.2 GB of 4 GB used"), MemoryExceededError("4.3 GB of 4 GB used")
    assert recovery.generation(first) == 0.25
    with pytest.raises(MemoryExceededError, match=r"4\.3 GB"):
        recovery.generation(second)


def test_a_budget_is_of_an_hour():
    budget = Budget(2)
    assert [budget.take(now_s) for now_s in (0, 10, 20, 3601, 3602)] == [True, True, False, True, False]


def test_pauses_double_until_there_is_progress():
    backoff = Backoff()
    assert [backoff.next_s() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.progress()
    assert backoff.next_s() == 0.25


def ended(kind, *, is_running=True):
    end = End(returncode=1, result=None, error="x", error_kind=kind, tail=[], peak_rss_bytes=0)
    return RoleState(WORKER, is_running=is_running, end=end)


@pytest.mark.parametrize(
    ("one", "final"),
    [
        (ended("DataError"), True),
        (ended("CheckpointError"), True),
        (ended("UsageError"), True),
        (ended("ClusterError"), False),
        (ended("LaunchTimeoutError"), False),
        (ended("KeyError"), False),
        (ended(""), False),
        (ended("ClusterError", is_running=False), True),
        (ended("SyntaxError", is_running=False), True),
        (RoleState(WORKER), False),
    ],
)
def test_what_is_final(one, final):
    assert is_final([one]) is final


def test_who_restarts():
    everybody = [PS, CHIEF, WORKER]
    for failed, policy, expected in (
        ([WORKER], POLICY, [WORKER]),
        ([CHIEF, WORKER], POLICY, [CHIEF, WORKER]),
        ([PS], POLICY, everybody),
        ([WORKER], RestartPolicy(together=True), everybody),
    ):
        assert who_restarts([RoleState(role) for role in failed], everybody, policy, {"ps"}) == expected


def _programs():
    from tests.spark_programs import PROGRAMS

    return PROGRAMS


def test_executors_that_are_not_replaced_are_said(local, run):
    class Shrinking(LocalLauncher):
        launches = 0

        def slots(self):
            return type(local.slots())(now=0, most=0) if self.launches else local.slots()

        def launch(self, name, count, body):
            self.launches += 1
            return local.launch(name, count, body)

    with pytest.raises(ClusterError, match="3 roles need 3 task slots at once"):
        run({"worker:1 0.0": "lose_agent"}, launcher=Shrinking(3, []))
