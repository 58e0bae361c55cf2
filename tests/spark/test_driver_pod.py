"""The driver's pod, followed to its end over an API that says what a real one says; its clock runs."""

import logging
import threading

import pytest

from sparkcv.errors import ClusterError, PreemptedError
from sparkcv.spark.kubernetes import driver_pod
from sparkcv.spark.kubernetes.client import ApiError

DRIVER = {"name": "spark-kubernetes-driver", "args": ["driver", "--class", "x"]}
MESH = {"name": "istio-proxy", "args": ["proxy"]}


class Api:
    """Answers with each status in turn, the last again and again; deleting fails as it is told to."""

    namespace = "night"

    def __init__(self, *pods, deletion=(), events=()):
        self.pods, self.deletion, self.events = list(pods), list(deletion), list(events)
        self.deleted, self.logs, self.is_over = [], [], threading.Event()

    def get(self, path):
        if path.startswith("events?"):
            return {"items": self.events}
        found = self.pods.pop(0) if len(self.pods) > 1 else self.pods[0]
        if isinstance(found, ApiError):
            raise found
        return found

    def delete(self, path):
        if self.deletion:
            raise self.deletion.pop(0)
        self.deleted.append(path)
        self.is_over.set()

    def copy_log(self, pod, container, output, since_s=None):
        self.logs.append((pod, container, since_s))
        self.is_over.wait(0.2)


def pod(phase, *ends, containers=(DRIVER,), reason=None, meta=None, message=""):
    statuses = [
        {"name": name, "state": {"terminated": {"exitCode": code, "reason": why}} if why else {"running": {}}}
        for name, code, why in ends
    ]
    status = {"phase": phase, "containerStatuses": statuses, "message": message}
    return {
        "metadata": {"name": "a-driver", **(meta or {})},
        "spec": {"nodeName": "n1", "containers": list(containers)},
        "status": status | ({"reason": reason} if reason else {}),
    }


def follow(api):
    return driver_pod.follow(api, "a-driver", 0.0, None)


RUNS = pod("Running", (DRIVER["name"], 0, ""))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (pod("Succeeded", (DRIVER["name"], 0, "Completed")), 0),
        (pod("Failed", (DRIVER["name"], 2, "Error")), 2),
        (pod("Failed", (DRIVER["name"], 75, "Error")), 75),
        # What a service mesh adds is sorted before the driver, ends otherwise, or does not end at all.
        (pod("Failed", ("istio-proxy", 0, "Completed"), (DRIVER["name"], 75, "Error"), containers=(MESH, DRIVER)), 75),
        (pod("Failed", ("istio-proxy", 1, "Error"), (DRIVER["name"], 0, "Completed"), containers=(MESH, DRIVER)), 0),
        (pod("Running", ("istio-proxy", 0, ""), (DRIVER["name"], 0, "Completed"), containers=(MESH, DRIVER)), 0),
        (pod("Running", ("istio-proxy", 0, ""), (DRIVER["name"], 2, "Error"), containers=(MESH, DRIVER)), 2),
    ],
)
def test_the_exit_code_is_that_of_the_driver_s_own_container(end, code):
    api = Api(RUNS, RUNS, end)
    assert follow(api) == code
    assert api.deleted == ["pods/a-driver"]
    assert api.logs[0] == ("a-driver", DRIVER["name"], None)


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        (
            pod("Failed", (DRIVER["name"], 75, "Error"), reason="Terminated", message="node shutdown"),
            PreemptedError,
            "the driver was told to end: pod a-driver on node n1 was Terminated: node shutdown; the same command goes",
        ),
        (
            pod("Failed", (DRIVER["name"], 137, "Error"), reason="Evicted", message="low on memory"),
            ClusterError,
            "the driver was lost: pod a-driver on node n1 was Evicted: low on memory; the node ran out",
        ),
        (
            pod("Running", ("istio-proxy", 0, ""), (DRIVER["name"], 137, "OOMKilled"), containers=(MESH, DRIVER)),
            ClusterError,
            "the driver died: pod a-driver on node n1 was OOMKilled (exit code 137), over its memory limit: raise sp",
        ),
    ],
)
def test_a_driver_that_was_taken_away_is_told_by_what_took_it_and_is_preempted_if_it_has_saved(end, kind, said):
    api = Api(RUNS, end)
    with pytest.raises(kind) as told:
        follow(api)
    assert type(told.value) is kind
    assert str(told.value).startswith(said)
    assert api.deleted == ["pods/a-driver"]


def test_an_api_that_cannot_delete_at_the_end_hides_no_exit_code(caplog):
    end = pod("Succeeded", (DRIVER["name"], 0, "Completed"))
    api = Api(RUNS, end, deletion=[ApiError("too busy", 503), ApiError("cannot be reached")])
    assert follow(api) == 0
    assert api.deleted == ["pods/a-driver"]
    api = Api(RUNS, end, deletion=[ApiError("forbidden", 403)])
    with caplog.at_level(logging.WARNING):
        assert follow(api) == 0
    assert "pod a-driver is left in namespace night, kubectl delete it: forbidden" in caplog.text


def test_a_pod_whose_node_is_gone_is_not_waited_for_without_an_end():
    """It stays Running and deleted until somebody deletes the node."""
    told = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": -59}
    with pytest.raises(ClusterError, match=r"told to end, and its node does not say that it has: pod a-driver on node"):
        follow(Api(RUNS, pod("Running", (DRIVER["name"], 0, ""), meta=told)))


def event(reason, at, message=""):
    return {"reason": reason, "message": message, "lastTimestamp": at, "metadata": {}}


def test_a_volume_that_cannot_be_mounted_ends_the_wait_and_one_that_was_mounted_since_does_not():
    waits = pod("Pending")
    failed = event("FailedMount", "2026-01-01T00:00:05Z", 'secret "login"\nnot found')
    api = Api(waits, events=[event("Scheduled", "2026-01-01T00:00:01Z"), failed])
    with pytest.raises(ClusterError) as told:
        follow(api)
    said = 'the driver has not started: pod a-driver on node n1 does not start (FailedMount: secret "login" not found)'
    assert str(told.value).startswith(said)
    assert api.deleted == ["pods/a-driver"]
    end = pod("Succeeded", (DRIVER["name"], 0, "Completed"))
    assert follow(Api(waits, waits, RUNS, end, events=[failed, event("Pulling", "2026-01-01T00:00:06Z")])) == 0
