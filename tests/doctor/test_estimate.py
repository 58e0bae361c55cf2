"""The rule for memory and disk: pinned to the nets and update rules as they are, and to what was measured."""

import json

import pytest

from sparkcv import nets
from sparkcv.config.train import OPTIMIZERS
from sparkcv.doctor import estimate
from sparkcv.doctor.facts import Spark
from sparkcv.doctor.sizes import container_mb
from sparkcv.spark.memory import executor_memory, megabytes
from tests.doctor.cases import config, dataset
from tests.nets import goldens


def test_every_net_is_in_the_table_with_the_weights_that_its_golden_counts():
    assert estimate.NETS.keys() == set(nets.names())
    for name, golden in json.loads(goldens.PATH.read_text()).items():
        assert estimate.NETS[name].trainable == pytest.approx(golden["trainable_values"] / 1e6, abs=0.06), name


@pytest.mark.tensorflow
def test_every_update_rule_is_in_the_table_with_its_slots():
    from sparkcv.train import optimizers

    assert estimate.SLOTS.keys() == set(OPTIMIZERS)
    for name in OPTIMIZERS:
        assert estimate.SLOTS[name] == optimizers.num_slots(config(optimizer=name)), name


# What `python -m tests.doctor.measure` and its kind saw: net, size, batch, optimizer, num_ps, MiB resident.
SEEN_OF_WORKERS = [
    ("alexnet_v2", 224, 12, "rmsprop", 0, 1941),
    ("alexnet_v2", 224, 12, "momentum", 0, 1621),
    ("alexnet_v2", 224, 4, "sgd", 0, 1193),
    ("inception_v1", 224, 32, "rmsprop", 0, 2204),
    ("inception_v2", 224, 32, "rmsprop", 0, 2515),
    ("inception_v3", 75, 16, "rmsprop", 0, 1469),
    ("inception_v3", 75, 64, "rmsprop", 0, 1616),
    ("inception_v3", 299, 8, "rmsprop", 0, 2180),
    ("inception_v3", 299, 32, "rmsprop", 0, 4954),
    ("inception_v3", 299, 16, "momentum", 0, 3051),
    ("overfeat", 231, 12, "rmsprop", 0, 4854),
    ("resnet_v1_50", 224, 32, "rmsprop", 0, 3772),
    ("resnet_v1_101", 224, 12, "rmsprop", 0, 3277),
    ("resnet_v1_152", 224, 12, "rmsprop", 0, 4340),
    ("vgg_16", 224, 12, "rmsprop", 0, 5237),
    ("vgg_19", 224, 12, "rmsprop", 0, 5472),
    ("vgg_a", 224, 12, "rmsprop", 0, 4850),
    ("cifarnet", 32, 32, "rmsprop", 1, 814),
    ("inception_v3", 75, 16, "rmsprop", 1, 1267),
    ("inception_v3", 299, 16, "rmsprop", 1, 2676),
    ("resnet_v1_101", 224, 8, "rmsprop", 1, 2333),
    ("alexnet_v2", 224, 8, "rmsprop", 1, 1504),
    ("overfeat", 231, 4, "rmsprop", 1, 3531),
]
SEEN_OF_PS = [
    ("cifarnet", 32, 32, "rmsprop", 721),
    ("inception_v3", 75, 16, "rmsprop", 1186),
    ("inception_v3", 75, 16, "momentum", 1021),
    ("inception_v3", 75, 16, "sgd", 816),
    ("resnet_v1_101", 224, 8, "rmsprop", 1641),
    ("alexnet_v2", 224, 8, "rmsprop", 1902),
    ("overfeat", 231, 4, "rmsprop", 4481),
    ("overfeat", 231, 4, "sgd", 2332),
]


def run_of(net, size, batch, optimizer, num_ps):
    flags = {"model_name": net, "train_image_size": size, "batch_size": batch, "optimizer": optimizer}
    return config(**flags, num_ps_tasks=num_ps, cluster_size=1 + num_ps)


@pytest.mark.parametrize(("net", "size", "batch", "optimizer", "num_ps", "seen_mb"), SEEN_OF_WORKERS)
def test_the_rule_for_a_worker_is_within_a_quarter_of_what_was_seen(net, size, batch, optimizer, num_ps, seen_mb):
    memory = estimate.worker(
        run_of(net, size, batch, optimizer, num_ps), dataset(num_bytes=1000)
    )  # no queue of records
    assert memory.likely / 2**20 == pytest.approx(seen_mb, rel=0.25)
    assert memory.least / 2**20 < seen_mb


@pytest.mark.parametrize(("net", "size", "batch", "optimizer", "seen_mb"), SEEN_OF_PS)
def test_the_rule_for_a_ps_is_within_a_quarter_of_what_was_seen(net, size, batch, optimizer, seen_mb):
    memory = estimate.ps(run_of(net, size, batch, optimizer, 1))
    assert memory.likely / 2**20 == pytest.approx(seen_mb, rel=0.25)
    assert memory.least / 2**20 < seen_mb * 1.05


def test_what_takes_more_is_estimated_at_more():
    def worker(**flags):
        return estimate.worker(config(**flags)).likely

    assert worker(batch_size=64) > worker(batch_size=32)
    assert worker(train_image_size=299) > worker(train_image_size=150)
    assert worker(num_clones=2, clone_on_cpu=True) > worker()
    assert estimate.ps(config(num_ps_tasks=2)).likely < estimate.ps(config()).likely
    assert estimate.ps(config(moving_average_decay=0.9)).likely > estimate.ps(config()).likely
    assert estimate.largest(config(batch_size=64, train_image_size=299))[0] == "worker"
    assert estimate.largest(config(model_name="vgg_16", train_image_size=224, batch_size=1))[0] == "ps"
    least_of_all = estimate.largest(config(standby=False))[1]
    assert estimate.largest(config())[1].likely > least_of_all.likely
    assert estimate.largest(config(max_restarts=0))[1] == least_of_all
    assert estimate.disk(config()) > estimate.disk(config(), dataset(num_bytes=1000))


@pytest.mark.parametrize(
    ("text", "mib"), [("2g", 2048), ("512m", 512), ("1024", 1024), ("3GB", 3072), ("9437184b", 9), ("x", 0)]
)
def test_sizes_are_read_as_spark_reads_them(text, mib):
    assert megabytes(text) == mib


@pytest.mark.parametrize(
    ("conf", "overhead", "container"),
    [
        ({}, 384, 1408),
        ({"spark.executor.memory": "8g"}, 819, 9011),
        ({"spark.executor.memory": "2g", "spark.executor.memoryOverheadFactor": "0.5"}, 1024, 3072),
        ({"spark.executor.minMemoryOverhead": "600m"}, 600, 1624),
        ({"spark.executor.memoryOverhead": "3000"}, 3000, 4024),
        ({"spark.executor.pyspark.memory": "1g"}, 384, 2432),
        ({"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": "1073741824"}, 384, 2432),
    ],
)
def test_a_container_is_what_sparks_properties_add_up_to_in_yarns_steps(conf, overhead, container):
    assert executor_memory(conf).overhead_mb == overhead
    assert container_mb(Spark(conf=conf)) == container
    assert container_mb(Spark(conf=conf, limits_mb=(1024, 8192))) == -(-container // 1024) * 1024
