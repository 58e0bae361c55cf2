"""What is said of pods, from what the API and Spark say of them; and a driver's last sentence."""

import json

import pytest
from py4j.protocol import Py4JError

from sparkcv.driver import job
from sparkcv.errors import UsageError
from sparkcv.launchers.barrier import own_host
from sparkcv.spark import kubernetes
from sparkcv.spark.kubernetes import pods, preflight, start
from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient, url_of
from sparkcv.spark.kubernetes.quantity import quantity
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
        return {"items": [{"reason": reason, "message": message, "metadata": {}} for reason, message in self.events]}


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
            (("FailedMount", "configmap not found, for a second, before it ran"),),
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
    kubernetes.report_end("x" + "ä" * 3000)
    assert told.read_bytes().decode() == "x" + "ä" * 1999  # no half of one
    monkeypatch.setenv("SPARKCV_TERMINATION_LOG", str(tmp_path))
    kubernetes.report_end("a folder is no file: that must not hide how the job ended")
    assert "job: it failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1536Mi", 1536 * 2**20),
        ("1.5Gi", 1536 * 2**20),
        ("1500M", 1_500_000_000),
        ("1e9", 10**9),
        ("2E3", 2000),
        ("1Ti", 2**40),
        ("20G", 2 * 10**10),
        ("128974848000m", 128_974_848),
        ("7", 7),
        ("1K", 0),
        ("", 0),
        ("much", 0),
        ("1e9Gi", 0),
    ],
)
def test_sizes_are_read_in_each_way_that_kubernetes_writes_them(text, number):
    assert quantity(text) == number


def limited(memory, *first):
    resources = {"limits": {"memory": memory}} if memory else {}
    return POD | {"spec": {"nodeName": "n1", "containers": [*first, {"args": ["executor"], "resources": resources}]}}


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (limited("1500M"), "over its memory limit of 1430 MB"),
        (limited("1Ti"), "over its memory limit of 1048576 MB"),
        (limited("2Gi", {"name": "agent", "resources": {"limits": {"memory": "64Mi"}}}), "limit of 2048 MB"),
        (limited(""), "over its memory limit"),
    ],
)
def test_the_limit_that_was_passed_is_that_of_spark_s_own_container(pod, said):
    assert pods.lost(Events(), pod, TOLD.format(137, "OOMKilled")).endswith(said)


def test_the_trial_asks_for_all_that_spark_will_ask_for():
    """A quota on cores, or a policy on labels, would refuse another pod than the executors'."""
    spark = "spark.kubernetes.executor."
    conf = {
        "spark.kubernetes.container.image": "i:1",
        "spark.executor.cores": "2",
        "spark.executor.resource.gpu.amount": "1",
        "spark.executor.resource.gpu.vendor": "nvidia.com",
        f"{spark}request.cores": "500m",
        f"{spark}limit.cores": "3",
        f"{spark}label.team": "vision",
        f"{spark}annotation.cost": "7",
        f"{spark}node.selector.disk": "ssd",
        f"{spark}volumes.hostPath.data.mount.path": "/data",
        f"{spark}volumes.hostPath.data.options.path": "/mnt/data",
        f"{spark}volumes.emptyDir.spark-local-dir-1.mount.path": "/var/data",
    }
    template = {
        "metadata": {"labels": {"team": "no", "app": "a"}},
        "spec": {"containers": [{"resources": {"limits": {"ephemeral-storage": "1Gi", "memory": "1Gi"}}}]},
    }
    found = preflight.trial_pod(conf, template)
    assert found["metadata"]["labels"] == {"team": "vision", "app": "a", "spark-role": "executor"}
    assert found["metadata"]["annotations"] == {"cost": "7"}
    assert found["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert found["spec"]["volumes"] == [{"name": "data", "hostPath": {"path": "/mnt/data"}}]
    assert found["spec"]["containers"][0]["resources"] == {
        "requests": {"memory": "1408Mi", "cpu": "500m"},
        "limits": {"memory": "1408Mi", "cpu": "3", "ephemeral-storage": "1Gi", "nvidia.com/gpu": "1"},
    }


class Refusal(Py4JError):
    """What Java's client throws for an answer of this code."""

    def __init__(self, code):
        self.java_exception, self.code = self, code

    def getClass(self):
        return self

    def getSimpleName(self):
        return "KubernetesClientException"

    getName = getSimpleName

    def getCode(self):
        return self.code

    def getMessage(self):
        return "slow down"

    def getStatus(self):
        return None

    def getCause(self):
        return None


class Java:
    """Java's client with the answers that it gets, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def getMasterUrl(self):
        return "https://h:6443/"

    def raw(self, *request):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_server_that_is_too_busy_is_asked_again_and_one_that_refuses_is_not():
    java = Java(Refusal(429), Refusal(503), '{"a": 1}')
    assert KubernetesClient(java, "night").get("pods") == {"a": 1}
    java = Java(Refusal(0), '{"a": 1}')  # no answer
    assert KubernetesClient(java, "night").get("pods") == {"a": 1}
    java = Java(Refusal(403), '{"a": 1}')
    with pytest.raises(ApiError, match=r"the Kubernetes API at https://h:6443 refused \(403\): .*slow down"):
        KubernetesClient(java, "night").get("pods")
    assert java.answers == ['{"a": 1}']


@pytest.mark.parametrize(
    ("pod_ip", "seen", "host"),
    [
        ("10.0.0.7", "192.0.2.1:7079", "10.0.0.7"),
        ("fd00::7", "192.0.2.1:7079", "[fd00::7]"),
        ("", "node-1:7079", "node-1"),
        ("", "[fd00::7]:7079", "[fd00::7]"),
    ],
)
def test_a_role_s_address_takes_a_port_whichever_protocol_it_is_of(monkeypatch, pod_ip, seen, host):
    monkeypatch.setenv("SPARK_EXECUTOR_POD_IP", pod_ip)
    assert own_host(seen) == host


@pytest.mark.parametrize(
    ("master", "url"),
    [
        ("k8s://h:6443", "https://h:6443"),
        ("k8s://https://h:6443", "https://h:6443"),
        ("k8s://http://h:80/x", "http://h:80/x"),
    ],
)
def test_a_master_without_a_scheme_is_asked_as_spark_asks_it(master, url):
    assert url_of(master) == url
