"""Roles are data: what may be one, how they are named, and TF's cluster description of them."""

import pytest

from sparkcv import container
from sparkcv.errors import UsageError
from sparkcv.roles import CHIEF, NodeContext, Role, cluster_of, roles, share_of_cores


def test_roles_are_ps_then_workers_then_evaluators():
    assert [str(role) for role in roles(2, 2, 1)] == ["ps:0", "ps:1", "worker:0", "worker:1", "evaluator:0"]


def test_the_chief_is_worker_0():
    assert str(CHIEF) == "worker:0"
    assert CHIEF in roles(0, 1)


@pytest.mark.parametrize("counts", [(1, 0), (-1, 1), (0, 1, -1)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(UsageError, match="not"):
        roles(*counts)


@pytest.mark.parametrize("text", ["worker:0", "ps:12", "a_b:999999"])
def test_a_role_reads_back_from_its_text(text):
    assert str(Role.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "worker", "worker:", "worker:-1", "worker:01", "Worker:1", "worker:1\n", "../x:1", ":1", "worker:9999999"],
)
def test_other_texts_are_no_role(text):
    with pytest.raises(UsageError, match="such as worker:1"):
        Role.parse(text)


def test_a_role_with_an_impossible_job_cannot_be_made():
    with pytest.raises(UsageError, match="such as worker:1"):
        Role("../worker", 0)


def test_a_cluster_lists_addresses_by_index_whatever_their_order():
    addresses = [(Role("worker", 1), "b:2"), (Role("ps", 0), "a:1"), (Role("worker", 0), "a:3")]
    assert cluster_of(addresses) == {"ps": ["a:1"], "worker": ["a:3", "b:2"]}


@pytest.mark.parametrize("indices", [(1,), (0, 0), (0, 2)])
def test_a_cluster_with_a_gap_or_a_double_is_refused(indices):
    with pytest.raises(UsageError, match="expected worker:"):
        cluster_of([(Role("worker", index), "a:1") for index in indices])


@pytest.mark.parametrize(
    ("role", "job", "neighbours"),
    [
        (Role("worker", 0), "worker", 2),
        (Role("worker", 2), "worker", 1),
        (Role("ps", 0), "worker", 2),
        (Role("ps", 1), "worker", 1),
    ],
)
def test_processes_times_threads_is_the_cores_of_a_host(role, job, neighbours):
    cluster = {"ps": ["a:1", "c:1"], "worker": ["a:2", "a:3", "b:2"]}
    ctx = NodeContext(role, cluster, {}, "", lambda status: None, lambda: False)
    assert share_of_cores(ctx, job) == max(1, container.cores() // neighbours)


def test_a_program_run_by_hand_has_all_cores():
    ctx = NodeContext(Role("worker", 0), {}, {}, "", lambda status: None, lambda: False)
    assert share_of_cores(ctx, "worker") == container.cores()
