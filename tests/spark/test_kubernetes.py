"""What is said of pods, from what the API and Spark say of them; and a driver's last sentence."""

import json

import pytest

from sparkcv.driver import job
from sparkcv.errors import UsageError
from sparkcv.spark import kubernetes
from sparkcv.spark.kubernetes import pods, start
from sparkcv.spark.kubernetes.client import ApiError
from sparkcv.spark.memory import overrun

POD = {
    "metadata": {"name": "a-exec-1"},
    "spec": {"nodeName": "n1", "containers": [{"resources": {"limits": {"memory": "2Gi"}}}]},
}


def pending(*conditions, waiting=None):
    container = {"image": "i:1", "state": {"waiting": waiting} if waiting else {}}
    return POD | {"status": {"phase": "Pending", "conditions": list(conditions), "containerStatuses": [container]}}


def unschedulable(message):
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (POD | {"status": {"phase": "Running"}}, ""),
        (pending(), ""),
        (pending(waiting={"reason": "ContainerCreating"}), ""),
        (
            pending(waiting={"reason": "ErrImagePull", "message": "denied"}),
            "has no image (ErrImagePull: denied): see --im",
        ),
        (pending(waiting={"reason": "InvalidImageName"}), "has no image (InvalidImageName: i:1): see --image"),
        (
            pending(waiting={"reason": "CreateContainerConfigError", "message": 'configmap "c" not found'}),
            'does not start (CreateContainerConfigError: configmap "c" not found)',
        ),
        (
            pending(unschedulable("0/3 nodes are available: 3 Insufficient cpu.")),
            "Insufficient cpu.): ask for smaller exe",
        ),
        (
            pending(unschedulable('0/3 nodes are available: persistentvolumeclaim "d" not found.')),
            'persistentvolumeclaim "d" not found.): create the claim in this namespace',
        ),
    ],
)
def test_what_keeps_a_pod_from_starting_is_said_with_what_to_change(pod, said):
    found = pods.waits_for(pod)
    assert said in found
    assert bool(said) == bool(found)
    assert not said or found.startswith("pod a-exec-1 on node n1 ")


class Events:
    """An API that knows the events of a pod, or may not be asked for them."""

    def __init__(self, *events):
        self.events = events

    def get(self, path):
        assert path == "events?fieldSelector=involvedObject.name%3Da-exec-1"
        if not self.events:
            raise ApiError("forbidden", 403)
        return {"items": [{"reason": reason, "message": message} for reason, message in self.events]}


TOLD = (
    "\nThe executor with id 1 exited\n\nThe API gave the following container statuses:\n\n"
    "\t exit code: {}\n\t termination reason: {}\n"
)


@pytest.mark.parametrize(
    ("reason", "events", "said"),
    [
        (TOLD.format(137, "OOMKilled"), (), "was OOMKilled (exit code 137), over its memory limit of 2048 MB"),
        (TOLD.format(137, "Error"), (), "ended with exit code 137, killed by signal 9"),
        (TOLD.format(1, "Error"), (), "ended with exit code 1"),
        (
            "was deleted by a user or the framework.",
            (("Preempted", "by pod x"),),
            "was deleted: Preempted: by pod x; pods of",
        ),
        (
            "was deleted by a user or the framework.",
            (("Pulled", "i:1"),),
            "was deleted, by a person or the cluster manager",
        ),
        (
            "The API gave the following brief reason: Evicted\nThe API gave the following message: low on memory\n",
            (),
            "was Evicted: low on memory; the node ran out of something",
        ),
    ],
)
def test_how_a_pod_was_lost_is_said_with_its_node(reason, events, said):
    found = pods.lost(Events(*events), POD, reason)
    assert found.startswith(f"its pod a-exec-1 on node n1 {said}")
    over = overrun(found)
    assert (over is not None) == ("OOMKilled" in said)
    assert over is None or over.limit_bytes == 2048 * 2**20


@pytest.mark.parametrize(("text", "seconds"), [("40s", 40), ("10min", 600), ("2m", 120), ("1h", 3600), ("7", 7)])
def test_the_patience_is_read_as_spark_spells_times(text, seconds):
    assert start.patience_s({start.PATIENCE: text}) == seconds


def test_a_patience_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"pendingTimeout: got 'soon', wanted a time such as 40s or 10min"):
        start.patience_s({start.PATIENCE: "soon"})


def test_a_driver_in_a_pod_writes_its_last_sentence_where_kubernetes_reads_it(tmp_path, monkeypatch, capsys):
    told = tmp_path / "termination-log"
    kubernetes.report_end("nowhere to write, and nothing is said")
    monkeypatch.setenv("SPARKCV_TERMINATION_LOG", str(told))
    assert job._failed("job: it failed", 1, may_retry=False) == 1
    assert told.read_text() == "job: it failed"
    kubernetes.report_end(json.dumps("long " * 2000))
    assert told.stat().st_size == 4000
    monkeypatch.setenv("SPARKCV_TERMINATION_LOG", str(tmp_path))
    kubernetes.report_end("a folder is no file: that must not hide how the job ended")
    assert "job: it failed" in capsys.readouterr().err
