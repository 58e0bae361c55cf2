"""Training by the Job of conf/kubernetes/train-job.yaml, under its service account; then evaluation and scoring."""

import copy
import re

import psutil
import pytest

from sparkcv import storage
from tests.faults.conftest import put_dataset
from tests.faults.running import nodes_among
from tests.hadoop import wait_until
from tests.kubernetes import manifests
from tests.kubernetes.cluster import PLANES, kubernetes
from tests.kubernetes.kubelet import NAMESPACE, pids
from tests.yarn.test_train import FLAGS, TARGET, newest_step

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]


@pytest.fixture(scope="module", params=PLANES)
def k8s(request):
    with kubernetes(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def flags(k8s, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data = put_dataset(folder, f"file://{k8s.root}/data")
    return FLAGS | {"dataset_dir": data, "train_dir": f"file://{k8s.root}/run"}


def words(flags):
    return [f"--{name}={value}" for name, value in flags.items()]


def test_a_job_of_kubernetes_resumes_after_its_driver_and_outlives_an_executor(k8s, flags):
    """The driver's pod is killed: the Job starts another, which goes on; then an executor's pod is killed, too."""
    job = copy.deepcopy(manifests.objects()["Job", "train"])
    container = job["spec"]["template"]["spec"]["containers"][0]
    given = container["args"][: container["args"].index("train") + 1]
    master = {"--master=k8s://https://kubernetes.default.svc": f"--master=k8s://{k8s.plane.pod_master}"}
    container["args"] = [*(master.get(word, word) for word in given), *words(flags)]
    container["env"] += [{"name": "SPARK_CONF_DIR", "value": str(k8s.root / "conf")}]
    k8s.client.create("jobs", NAMESPACE, job)
    wait_until(lambda: newest_step(flags["train_dir"]) >= 25, "a checkpoint", 300)
    first = k8s.pods("driver")[0]
    k8s.kubelet.kill(first["metadata"]["name"])
    assert first["metadata"]["ownerReferences"][0]["name"] == "train"

    def second() -> str:
        names = [one["metadata"]["name"] for one in k8s.pods("driver")]
        return next((name for name in names if name != first["metadata"]["name"]), "")

    def is_at_work() -> bool:
        log = k8s.kubelet.log(second()) if second() else ""
        return re.search(r"worker:0 .*step \d+", log) is not None

    wait_until(is_at_work, "the second driver to train", 300)
    name = second()
    k8s.kubelet.kill(k8s.pods()[-1]["metadata"]["name"])
    wait_until(lambda: phase(k8s, name) in ("Succeeded", "Failed"), "the end of the second driver", 300)
    said = k8s.kubelet.log(name)
    assert phase(k8s, name) == "Succeeded", said[-6000:]
    assert "starting all roles anew, with new addresses" in said
    assert TARGET <= newest_step(flags["train_dir"]) <= TARGET + 2
    assert storage.read_json(f"{flags['train_dir']}/run.json")["resumed_from_step"] >= 25
    assert re.search(r"trained to step \d+: .*read back and whole", said)
    k8s.client.delete("jobs", NAMESPACE, "train")
    k8s.assert_nothing_is_left()


def phase(k8s, name):
    return k8s.client.get("pods", NAMESPACE, name)["status"]["phase"]


def kill_in_its_pod(k8s, running, role, train_dir):
    """SIGKILL a role's process, which its pod outlives, and wait until the run has gone on behind that."""
    names = [one["metadata"]["name"] for one in k8s.pods()]
    of_pods = [psutil.Process(pid) for pod in k8s.pods() for pid in pids(pod) if psutil.pid_exists(pid)]
    nodes_among(of_pods)[role].kill()
    wait_until(lambda: f"{role} was killed by signal 9 (SIGKILL)" in running.output, "the driver's word of it", 120)
    step = newest_step(train_dir)
    wait_until(lambda: newest_step(train_dir) > step, "a checkpoint behind that", 120)
    assert [one["metadata"]["name"] for one in k8s.pods()] == names


@pytest.fixture(scope="module")
def deleted(k8s, flags):
    """A run in cluster mode, whose worker and ps were killed in their pods, and whose driver's pod was deleted then.

    Who submitted it, and its train_dir.
    """
    train_dir = f"file://{k8s.root}/deleted"
    running = k8s.sparkcv("train", *words(flags | {"train_dir": train_dir, "max_number_of_steps": 100_000}))
    wait_until(lambda: running.process.poll() is not None or newest_step(train_dir) >= 25, "a checkpoint", 300)
    assert running.process.poll() is None, running.output[-6000:]
    for role in ("worker:0", "ps:0"):
        kill_in_its_pod(k8s, running, role, train_dir)
    k8s.client.delete("pods", NAMESPACE, k8s.pods("driver")[0]["metadata"]["name"])
    running.wait()
    return running, train_dir


def test_a_driver_in_cluster_mode_that_is_deleted_saves_its_run_and_ends_with_75(k8s, deleted):
    running, train_dir = deleted
    assert running.process.returncode == 75, running.output[-6000:]
    assert "the driver was told to end by SIGTERM: the run is saved and ends" in running.output
    assert "starting all roles anew" not in running.output, "what died in a pod was started again there"
    assert storage.read_json(f"{train_dir}/status.json")["state"] == "preempted", running.output[-3000:]
    k8s.assert_nothing_is_left()


def test_its_run_is_evaluated_in_cluster_mode_and_pictures_are_scored(k8s, deleted, flags, color_model, pictures):
    _, train_dir = deleted
    data = ["--dataset_name=shapes", "--dataset_split_name=train", f"--dataset_dir={flags['dataset_dir']}"]
    evaluate = k8s.sparkcv(
        "evaluate",
        *data,
        f"--checkpoint_path={train_dir}",
        f"--eval_dir=file://{k8s.root}/eval",
        "--model_name=lenet",
        "--eval_image_size=12",
        "--batch_size=4",
        "--cluster_size=1",
    )
    assert evaluate.wait() == 0, evaluate.output[-6000:]
    out = f"file://{k8s.root}/scores"
    score = k8s.sparkcv(
        "score",
        f"--input={k8s.for_pods(pictures)}",
        f"--model_dir={k8s.for_pods(color_model)}",
        f"--output_dir={out}",
        "--date=2026-11-29",
        "--top_k=3",
    )
    assert score.wait() == 0, score.output[-6000:]
    assert storage.exists(f"{out}/dt=2026-11-29")
    k8s.assert_nothing_is_left()
    # Exactly the verbs that were used: those of a driver by its account, and those of who submits.
    account, user = (k8s.plane.used(who) for who in ("account", "user"))
    assert account == manifests.pairs("sparkcv-driver")
    # Only where the log is not there at once, and where a deleted pod is gone before its end was seen.
    sometimes = {("watch", "pods"), ("list", "events")}
    assert user | sometimes == manifests.pairs("sparkcv-submit")
