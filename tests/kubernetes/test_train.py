"""Training by the Job of conf/kubernetes/train-job.yaml, under its service account; then evaluation and scoring."""

import copy
import re

import pytest

from sparkcv import storage
from tests.faults.conftest import put_dataset
from tests.hadoop import wait_until
from tests.kubernetes import manifests
from tests.kubernetes.cluster import kubernetes
from tests.kubernetes.kubelet import NAMESPACE
from tests.yarn.test_train import FLAGS, TARGET, newest_step

pytestmark = [pytest.mark.hadoop, pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def cluster():
    with kubernetes() as found:
        found.api.load_rules(manifests.rules("sparkcv-driver"))
        yield found


@pytest.fixture(scope="module")
def flags(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data = put_dataset(folder, f"file://{cluster.root}/data")
    return FLAGS | {"dataset_dir": data, "train_dir": f"file://{cluster.root}/run"}


def words(flags):
    return [f"--{name}={value}" for name, value in flags.items()]


def test_a_job_of_kubernetes_resumes_after_its_driver_and_outlives_an_executor(cluster, flags):
    """The driver's pod is killed: the Job starts another, which goes on; then an executor's pod is killed, too."""
    job = copy.deepcopy(manifests.objects()["Job", "train"])
    container = job["spec"]["template"]["spec"]["containers"][0]
    given = container["args"][: container["args"].index("train") + 1]
    master = {"--master=k8s://https://kubernetes.default.svc": f"--master=k8s://{cluster.api.account_url}"}
    container["args"] = [*(master.get(word, word) for word in given), *words(flags)]
    container["env"] += [{"name": "SPARK_CONF_DIR", "value": str(cluster.root / "conf")}]
    cluster.api.store.create("jobs", NAMESPACE, job)
    wait_until(lambda: newest_step(flags["train_dir"]) >= 25, "a checkpoint", 300)
    first = cluster.pods("driver")[0]
    cluster.kubelet.kill(first["metadata"]["name"])
    assert first["metadata"]["ownerReferences"][0]["name"] == "train"

    def second() -> str:
        names = [one["metadata"]["name"] for one in cluster.pods("driver")]
        return next((name for name in names if name != first["metadata"]["name"]), "")

    def is_at_work() -> bool:
        log = cluster.kubelet.log(second()) if second() else ""
        return re.search(r"worker:0 .*step \d+", log) is not None

    wait_until(is_at_work, "the second driver to train", 300)
    name = second()
    cluster.kubelet.kill(cluster.pods()[-1]["metadata"]["name"])
    wait_until(lambda: phase(cluster, name) in ("Succeeded", "Failed"), "the end of the second driver", 300)
    said = cluster.kubelet.log(name)
    assert phase(cluster, name) == "Succeeded", said[-6000:]
    assert "starting all roles anew, with new addresses" in said
    assert TARGET <= newest_step(flags["train_dir"]) <= TARGET + 2
    assert storage.read_json(f"{flags['train_dir']}/run.json")["resumed_from_step"] >= 25
    assert re.search(r"trained to step \d+: .*read back and whole", said)
    cluster.api.store.delete("jobs", NAMESPACE, "train")
    cluster.assert_nothing_is_left()


def phase(cluster, name):
    return cluster.api.store.get("pods", NAMESPACE, name)["status"]["phase"]
