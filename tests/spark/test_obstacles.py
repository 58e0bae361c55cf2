"""What keeps executors from starting, by their pods: asked of an API with these pods and events."""

from types import SimpleNamespace

import pytest

from sparkcv.errors import ClusterError
from sparkcv.spark.kubernetes import start
from sparkcv.spark.kubernetes.client import ApiError

FAILED_MOUNT = {"reason": "FailedMount", "message": "no such folder", "lastTimestamp": "2026-01-01T00:00:05Z"}


class Api:
    """An API with some executors' pods, which lets further ones in."""

    def __init__(self, *pods, events=None):
        self.pods, self.events = pods, events or {}

    def get(self, path):
        if path.startswith("events?"):
            return {"items": [{**one, "metadata": {}} for one in self.events.get(path.rpartition("%3D")[2], ())]}
        if isinstance(self.pods[0], ApiError):
            raise self.pods[0]
        return {"items": list(self.pods)}

    def create(self, path, body):
        assert path == "pods?dryRun=All"
        return body


def pod(number, phase, *, node="n1", meta=None, **status):
    spec = {"containers": [{"args": ["executor"]}]} | ({"nodeName": node} if node else {})
    labels = {"spark-exec-id": str(number)}
    return {
        "metadata": {"name": f"exec-{number}", "labels": labels, **(meta or {})},
        "spec": spec,
        "status": {"phase": phase, **status},
    }


@pytest.fixture
def spark_of(monkeypatch):
    """Make a session of three executors, of which some have registered, over an API."""

    def make(api, registered=0, **conf):
        conf = {"spark.executor.instances": "3", start.PATIENCE: "0s", **conf}
        store = SimpleNamespace(executorList=lambda _: SimpleNamespace(size=lambda: registered + 1))
        java = SimpleNamespace(sc=lambda: SimpleNamespace(statusStore=lambda: store))
        given = SimpleNamespace(get=conf.get, getAll=lambda: list(conf.items()))
        context = SimpleNamespace(applicationId="app", master="k8s://h", getConf=lambda: given, _jsc=java)
        monkeypatch.setitem(start._clients, "app", api)
        return SimpleNamespace(sparkContext=context)

    return make


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}


@pytest.mark.parametrize(
    ("pods", "registered", "said", "starting", "placed"),
    [
        ([pod(1, "Running"), pod(2, "Pending"), pod(3, "Pending")], 1, "", 3, 3),
        (
            [pod(1, "Running"), pod(2, "Pending"), pod(3, "Pending", node="", conditions=[UNSCHEDULABLE])],
            1,
            "pod exec-3 has no node (Unschedulable: 0/1 nodes)",
            2,
            2,
        ),
        # One that is being deleted starts no more.
        ([pod(1, "Running"), pod(2, "Running", meta={"deletionTimestamp": "x"}), pod(3, "Pending")], 1, "", 2, 2),
        ([ApiError("the API has not answered")], 0, "the API has not answered", 0, None),
    ],
)
def test_what_keeps_executors_and_how_many_have_a_node(spark_of, pods, registered, said, starting, placed):
    found = start.Obstacles(spark_of(Api(*pods), registered))
    assert found.look(2) == said
    assert (found.num_starting, found.num_placed) == (starting, placed)


def test_a_node_that_cannot_mount_a_volume_is_told_of_and_one_that_still_fetches_the_image_is_waited_for(spark_of):
    pods = [pod(number, "Pending") for number in (1, 2, 3)]
    found = start.Obstacles(spark_of(Api(*pods, events={f"exec-{number}": [FAILED_MOUNT] for number in (1, 2, 3)})))
    assert found.look(3).startswith("pod exec-1 on node n1 does not start (FailedMount: no such folder): see its vol")
    assert found.num_starting == 0
    pulling = {"reason": "Pulling", "lastTimestamp": "2026-01-01T00:00:06Z"}
    found = start.Obstacles(spark_of(Api(*pods, events={"exec-1": [FAILED_MOUNT, pulling]})))
    assert found.look(3) == ""
    assert (found.num_starting, found.num_placed) == (3, 3)


def test_executors_that_end_as_soon_as_they_start_are_told_of_once_all_have_done_so_several_times(spark_of):
    ended = {"containerStatuses": [{"state": {"terminated": {"exitCode": 127, "reason": "StartError"}}}]}
    for newest, said in ((9, ""), (10, "executors end as soon as they start, the last that was seen: pod exec-8 on")):
        api = Api(pod(8, "Failed", **ended), pod(newest, "Running"))
        spark = spark_of(api)
        found = start.Obstacles(spark)
        assert found.look(3).startswith(said)
        assert bool(said) == (found.num_starting == 0)
        assert (found.num_placed is None) == bool(said)
    assert "ended with exit code 127 (StartError); see the image" in found.look(3)
    with pytest.raises(ClusterError, match=r"^no executor has started: executors end as soon as they start"):
        start.await_executors(spark)


def test_a_job_goes_on_with_the_executors_that_are_there(spark_of):
    pods = [pod(1, "Running"), pod(2, "Pending", node="", conditions=[UNSCHEDULABLE])]
    start.await_executors(spark_of(Api(*pods), 1))
