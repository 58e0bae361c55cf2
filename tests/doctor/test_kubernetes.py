"""What the doctor says of Kubernetes, from facts; tests/kubernetes gathers them from an API."""

import dataclasses

import pytest

from sparkcv.doctor import checks
from sparkcv.doctor import kubernetes as kubernetes_facts
from sparkcv.doctor.checks import kubernetes
from sparkcv.doctor.facts import ExecutorPod, Kubernetes, Silent
from sparkcv.doctor.finding import FAIL, OK, WARNING, Location
from tests.doctor.cases import GB, facts
from tests.doctor.test_checks import OF_THE_APPLICATION, ON_EXECUTOR

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
        (
            {"pod": ExecutorPod("1", spool_limits=(0,), is_spool_memory=True)},
            WARNING,
            "its spool lies in memory, which",
        ),
        ({"pod": ExecutorPod("1", waits_for="pod a has no image (x)")}, WARNING, "pod a has no image (x)"),
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


POD_OF_API = {
    "metadata": {"name": "exec-1"},
    "spec": {
        "nodeName": "n1",
        "containers": [
            {"name": "agent", "image": "agent:1"},
            {
                "image": "sparkcv:1",
                "args": ["executor"],
                "env": [{"name": "SPARK_LOCAL_DIRS", "value": "/var/data/a,/var/data/b"}],
                "volumeMounts": [
                    {"name": "a", "mountPath": "/var/data/a"},
                    {"name": "b", "mountPath": "/var/data/b"},
                    {"name": "shm", "mountPath": "/dev/shm"},
                ],
            },
        ],
        "volumes": [
            {"name": "a", "emptyDir": {"sizeLimit": "1.5Gi"}},
            {"name": "b", "emptyDir": {"sizeLimit": "1e9", "medium": "Memory"}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "pictures"}},
        ],
        "automountServiceAccountToken": False,
    },
    "status": {"phase": "Running"},
}


def test_a_pod_is_read_by_spark_s_own_container_and_its_sizes_in_any_unit():
    found = kubernetes_facts._pod(None, "1", POD_OF_API)
    assert found == ExecutorPod(
        "1",
        "pod exec-1 on node n1",
        "sparkcv:1",
        has_login=False,
        spool_limits=(3 * 2**29, 10**9),
        is_spool_memory=True,
        claims=("pictures",),
    )


YARN_ONLY = ("--queue", "Python.zip", "Python/lib", "yarn", "YARN", "--py-files", "--shm-size", "--deploy-mode")


def test_no_advice_on_kubernetes_names_what_only_yarn_has():
    """Of all that can be wrong, as the checks' own tests have it."""
    wrong = [facts(executor=changes, app={"master": "k8s://h"}) for changes, *_ in ON_EXECUTOR]
    for changes, *_ in OF_THE_APPLICATION:
        wrong.append(facts(**{**changes, "app": {**changes.get("app", {}), "master": "k8s://h", "limits_mb": (0, 0)}}))
    silent = [
        Silent(Location("2", "h", True), why) for why in ("exit 1", "No module named 'x'", "no executor was there")
    ]
    wrong.append(dataclasses.replace(facts(app={"master": "k8s://h"}), silent=tuple(silent)))
    advice = [one.advice for some in wrong for one in checks.judge(some, checks.ALL) if one.status != OK]
    assert len(advice) > 50
    assert [one for one in advice if any(word in one for word in YARN_ONLY)] == []
