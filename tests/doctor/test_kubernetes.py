"""What the doctor says of Kubernetes, from facts; tests/kubernetes gathers them from an API."""

import pytest

from sparkcv.doctor.checks import kubernetes
from sparkcv.doctor.facts import ExecutorPod, Kubernetes
from sparkcv.doctor.finding import FAIL, OK, WARNING
from tests.doctor.cases import GB, facts

POD = ExecutorPod("1", "pod a on node b", "sparkcv:1", spool_limits=(20 * GB,))


def judged(pod=None, **changes):
    values = {"url": "https://h:6443", "namespace": "vision", "driver_host": "10.0.0.7", "seconds": 0.01}
    found = Kubernetes(**{**values, "pods": (pod or POD,), **changes})
    return list(kubernetes.check(facts(flags={"spool_bytes": 4 * GB}, kubernetes=found)))


def test_elsewhere_nothing_is_said_and_what_is_well_is_ok():
    assert list(kubernetes.check(facts())) == []
    findings = judged()
    assert {one.status for one in findings} == {OK}
    assert any(one.found == "pod a on node b, image sparkcv:1" for one in findings)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"error": "the API at x has not answered within 10 s"}, FAIL, "has not answered"),
        ({"denied": ("create pods", "list events")}, FAIL, "in namespace vision not granted: create pods, list events"),
        ({"refusal": "exceeded quota: night"}, WARNING, "no further executor would be let in: exceeded quota: night"),
        ({"driver_host": "127.0.0.1"}, FAIL, "executors are told to reach the driver at 127.0.0.1"),
        ({"pod": ExecutorPod("1", has_login=True)}, WARNING, "it has a login to the API, which no executor needs"),
        ({"pod": ExecutorPod("1", spool_limits=(GB,))}, FAIL, "its spool is an emptyDir of 1.0 GB, which --spool_b"),
        ({"pod": ExecutorPod("1", spool_limits=(0,))}, OK, "its spool is an emptyDir without a limit: the node's disk"),
        ({"pod": ExecutorPod("1", "pod a", "i", claims=("c",))}, OK, "pod a, image i, claims c"),
    ],
)
def test_each_thing_that_is_wrong_is_found(changes, status, said):
    assert [one.status for one in judged(**changes) if said in one.found] == [status]


@pytest.mark.parametrize(
    ("host", "how"), [("10.0.0.7", "without DNS"), ("edge.example", "a name that their DNS has to kn")]
)
def test_a_driver_that_is_reached_by_its_name_wants_dns(host, how):
    assert any(f"executors reach the driver by {host}, {how}" in one.found for one in judged(driver_host=host))
