"""Clusters whose daemons the tests of faults stop and kill, and datasets on them."""

import pytest

from sparkcv import storage
from tests.hadoop import hadoop
from tests.inputs import data

SMALL_BLOCKS = {"dfs.blocksize": str(1 << 20)}


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """An HDFS of three DataNodes, two replicas and small blocks; each test leaves it as it found it."""
    logs = tmp_path_factory.mktemp("faults", numbered=True)
    with hadoop(num_datanodes=3, replication=2, conf=SMALL_BLOCKS) as one:
        yield one
        if request.session.testsfailed:
            one.copy_logs(logs)


@pytest.fixture
def on_cluster(cluster, monkeypatch):
    """The cluster, which this process finds by HADOOP_CONF_DIR."""
    for key, value in cluster.env.items():
        monkeypatch.setenv(key, value)
    return cluster


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """A small dataset on this machine."""
    folder = tmp_path_factory.mktemp("shapes") / "data"
    data.write_dataset(folder, data.drawn_shards(4, 24, 32))
    return folder


@pytest.fixture
def flags(shapes, tmp_path):
    """A run of a ps and two workers that trains until it is stopped."""
    roles = {"num_ps_tasks": 1, "cluster_size": 3}
    return {"dataset_dir": shapes, "train_dir": tmp_path / "train", **roles}


def put_dataset(folder, url, *, num_shards=4, per_shard=24, size=32):
    """Write a dataset of drawn pictures to a folder of this machine, and to ``url``."""
    data.write_dataset(folder, data.drawn_shards(num_shards, per_shard, size))
    for path in sorted(folder.iterdir()):
        storage.publish(path, storage.join(url, path.name))
    return url
