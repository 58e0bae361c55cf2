"""Training in cluster mode, by the service account of conf/kubernetes/rbac.yaml; nothing but the exit code is left."""

import re

import pytest

from sparkcv import storage
from tests.faults.conftest import put_dataset
from tests.hadoop import wait_until
from tests.kubernetes import manifests
from tests.kubernetes.cluster import kubernetes
from tests.yarn.test_train import FLAGS, newest_step

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


def test_training_in_cluster_mode_survives_its_executor_and_leaves_nothing(cluster, flags):
    running = cluster.sparkcv("--num_executors", "2", "train", *words(flags))
    wait_until(lambda: running.process.poll() is not None or newest_step(flags["train_dir"]) >= 25, "a checkpoint", 300)
    assert running.process.poll() is None, running.output[-6000:]
    cluster.kubelet.kill(cluster.pods()[0]["metadata"]["name"])
    assert running.wait() == 0, running.output[-6000:]
    assert 600 <= newest_step(flags["train_dir"]) <= 602
    assert re.search(r"trained to step \d+: .*read back and whole", running.output)
    cluster.assert_nothing_is_left()
    assert storage.read_json(f"{flags['train_dir']}/run.json")
