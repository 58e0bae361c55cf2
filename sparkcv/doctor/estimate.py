"""What a role of a run takes of memory and disk, by its flags: a rule, fitted to measured processes.

``python -m tests.doctor.measure`` measures: real steps on a CPU (TensorFlow 2.21, float32, 2 threads), and the
highest resident memory after a few of them. What was seen, over all nets but two, at batches of 4 to 32, fits these
within a quarter, with ``pictures`` growing with the area of a picture::

    worker without ps   650 MiB + (3.25 + 2 x slots) x weights + batch x pictures
    worker with ps      650 MiB + 5 x weights + batch x pictures
    ps                  720 MiB + (2.5 + 2 x slots) x its share of the weights

Weights are held more than once: as variable, gradient, in the update, and on the way between processes.
"""

import dataclasses
from collections.abc import Mapping

from sparkcv import nets
from sparkcv.config import EvalConfig, TrainConfig
from sparkcv.config.train import PRELOADED
from sparkcv.records.shards import Dataset

__all__ = [
    "Memory",
    "NETS",
    "SLOTS",
    "address_space",
    "disk",
    "evaluator",
    "exporter",
    "largest",
    "net_bytes",
    "ps",
    "scorer",
    "worker",
]

_MB = 2.0**20
_IMPORTED = 650 * _MB  # TensorFlow, the graph, the session
_SERVING = 720 * _MB
# A standby has 40 MiB of its own and shares the rest with its role; YARN counts that twice, cgroups do not.
_STANDBY, _STANDBY_OF_PS = 200 * _MB, 60 * _MB
_MAPPED = 2700 * _MB  # address space beyond what is used, with 2 threads
_COMMON_QUEUE_BYTES = 512 * _MB  # inputs/batches.py
_COMMON_QUEUE_BATCHES = 20
_RECORD_BYTES = 110e3  # of ImageNet, where no dataset is given
_DECODED_TIMES = 10  # pixels to a JPEG's bytes
_EXPORT_TIMES = 19  # of the weights: two graphs as protocol buffers, each loaded again; 2.1 GB seen for Inception v3
_FORWARD_SHARE = 1 / 8  # of what a picture adds to a step: nothing is kept for gradients
_NUM_SAVED = 2  # a checkpoint that is restored, and one that is being saved


@dataclasses.dataclass(frozen=True)
class NetSize:
    """A net's values: ``trainable`` ones in millions, and MiB a picture of its default size adds to a step."""

    trainable: float
    picture_mb: float


# Nets that were not measured count 0.55 of their layers' outputs a picture, which is Inception v3's share; those of a
# ResNet of 200 layers follow from that of 152.
NETS: Mapping[str, NetSize] = {
    "alexnet_flowers": NetSize(87.7, 7.0),
    "alexnet_v2": NetSize(46.2, 3.1),
    "charnet": NetSize(17.1, 3.4),
    "cifarnet": NetSize(1.8, 3.4),
    "gan_cls": NetSize(4.4, 2.0),
    "inception_resnet_v2": NetSize(56.9, 395.0),
    "inception_v1": NetSize(5.6, 43.7),
    "inception_v2": NetSize(10.2, 49.5),
    "inception_v3": NetSize(22.0, 115.5),
    "inception_v4": NetSize(43.7, 225.0),
    "lenet": NetSize(3.3, 3.4),
    "mobilenet_edgetpu": NetSize(2.8, 45.0),
    "mobilenet_edgetpu_075": NetSize(1.7, 34.0),
    "mobilenet_v1": NetSize(3.2, 45.0),
    "mobilenet_v1_025": NetSize(0.2, 9.0),
    "mobilenet_v1_050": NetSize(0.8, 19.0),
    "mobilenet_v1_075": NetSize(1.8, 31.0),
    "mobilenet_v2": NetSize(2.2, 50.0),
    "mobilenet_v2_035": NetSize(0.4, 19.0),
    "mobilenet_v2_140": NetSize(4.3, 77.0),
    "mobilenet_v3_large": NetSize(4.2, 55.0),
    "mobilenet_v3_large_minimalistic": NetSize(2.7, 38.0),
    "mobilenet_v3_small": NetSize(1.5, 20.0),
    "mobilenet_v3_small_minimalistic": NetSize(1.0, 13.0),
    "nasnet_cifar": NetSize(5.0, 85.0),
    "nasnet_large": NetSize(88.6, 1135.0),
    "nasnet_mobile": NetSize(5.9, 76.0),
    "overfeat": NetSize(141.6, 4.8),
    "pnasnet_large": NetSize(85.6, 1100.0),
    "pnasnet_mobile": NetSize(5.7, 76.0),
    "resnet_v1_50": NetSize(23.5, 77.0),
    "resnet_v1_101": NetSize(42.5, 121.0),
    "resnet_v1_152": NetSize(58.2, 173.0),
    "resnet_v1_200": NetSize(62.7, 255.0),
    "resnet_v2_50": NetSize(23.5, 78.0),
    "resnet_v2_101": NetSize(42.5, 121.0),
    "resnet_v2_152": NetSize(58.2, 173.0),
    "resnet_v2_200": NetSize(62.7, 255.0),
    "scenenet": NetSize(0.6, 1.2),
    "vgg_16": NetSize(134.3, 73.0),
    "vgg_19": NetSize(139.6, 80.0),
    "vgg_a": NetSize(128.8, 45.0),
}
# Variables of its own shape that an update rule keeps beside each weight: train/optimizers.py, without TensorFlow.
SLOTS: Mapping[str, int] = {
    "adadelta": 2,
    "adagrad": 1,
    "adam": 2,
    "ftrl": 2,
    "momentum": 1,
    "rmsprop": 2,
    "sgd": 0,
}


@dataclasses.dataclass(frozen=True)
class Memory:
    """Resident bytes of a role's process: ``least`` is TensorFlow and the weights alone."""

    least: float
    likely: float


def worker(config: TrainConfig, dataset: Dataset | None = None) -> Memory:
    """Return the memory of a worker, which without ps holds the weights and the update rule's slots itself."""
    net, size = nets.get(config.model_name), NETS[config.model_name]
    side = config.train_image_size or net.default_image_size
    weights, slots = _weights(config), _slots(config)
    times = 5.0 if config.num_ps else 3.25 + 2 * slots
    pictures = config.batch_size * config.num_clones * size.picture_mb * _MB * (side / net.default_image_size) ** 2
    least = _IMPORTED + (2 if config.num_ps else 2 + slots) * weights
    return Memory(least, _IMPORTED + times * weights + pictures + inputs(config, dataset, side))


def ps(config: TrainConfig) -> Memory:
    """Return the memory of one ps: its share of weights and slots, and gradients on their way in."""
    share, slots = _weights(config) / max(1, config.num_ps), _slots(config)
    another = config.num_workers - 1  # whose gradients may come at the same time
    return Memory(_SERVING + (1 + slots) * share, _SERVING + (2.5 + 2 * slots + another / 2) * share)


def largest(config: TrainConfig, dataset: Dataset | None = None) -> tuple[str, Memory]:
    """Return the role that takes the most, which any executor may get; the exporter comes when the others are gone.

    A role's standby counts with it.
    """
    is_kept = config.standby and config.max_restarts > 0
    roles = [("worker", _with(worker(config, dataset), _STANDBY if is_kept else 0.0))]
    if config.num_ps:
        roles.append(("ps", _with(ps(config), _STANDBY_OF_PS if is_kept else 0.0)))
    if config.num_evaluators:
        forward = _forward(config.model_name, config.train_image_size, config.batch_size)
        evaluating = Memory(_IMPORTED + _weights(config), forward)
        roles.append(("evaluator", _with(evaluating, _STANDBY if is_kept else 0.0)))
    if config.export_dir:
        roles.append(("exporter", Memory(_IMPORTED + 2 * _weights(config), exporter(config.model_name))))
    return max(roles, key=lambda role: role[1].likely)


def evaluator(config: EvalConfig) -> float:
    """Return the resident bytes of an evaluation's process."""
    return _forward(config.model_name, config.eval_image_size, config.batch_size)


def scorer(model_name: str, image_size: int, batch_size: int) -> float:
    """Return the resident bytes of a scoring task's Python process, which has the model's files in memory, too."""
    return _forward(model_name, image_size, batch_size) + 2 * _net(model_name).trainable * 4e6


def exporter(model_name: str) -> float:
    """Return the resident bytes of an export's process."""
    return _IMPORTED + _EXPORT_TIMES * _net(model_name).trainable * 4e6


def disk(config: TrainConfig, dataset: Dataset | None = None) -> float:
    """Return the bytes that a role may take in its scratch folder: spooled shards and the chief's checkpoints."""
    shards = float(config.spool_bytes)
    if dataset is not None:
        shards = min(shards, float(sum(shard.num_bytes for shard in dataset.shards)))
    return shards + _NUM_SAVED * (1 + _slots(config)) * _weights(config)


def net_bytes(model_name: str) -> float:
    """Return the bytes of a net's trainable weights in float32."""
    return NETS[model_name].trainable * 4e6


def address_space(config: TrainConfig) -> float:
    """Return the bytes of address space that a worker maps, far more than it uses."""
    return worker(config).likely + _MAPPED


def _forward(model_name: str, image_size: int | None, batch_size: int) -> float:
    """Return the bytes of weights, the largest layers of a batch, and the batches before them."""
    size = _net(model_name)
    default = nets.get(model_name).default_image_size if model_name in NETS else image_size or 1
    side = image_size or default
    layers = batch_size * size.picture_mb * _MB * _FORWARD_SHARE * (side / default) ** 2
    return _IMPORTED + 3 * size.trainable * 4e6 + layers + 4 * batch_size * side * side * 12.0


def _with(memory: Memory, more: float) -> Memory:
    return Memory(memory.least + more, memory.likely + more)


def _net(model_name: str) -> NetSize:
    """Return a net's size; one of another origin counts as Inception v3."""
    return NETS.get(model_name, NETS["inception_v3"])


def _weights(config: TrainConfig) -> float:
    return NETS[config.model_name].trainable * 1e6 * 4


def _slots(config: TrainConfig) -> int:
    """Return the number of variables beside each weight, the moving average among them."""
    return SLOTS[config.optimizer] + (1 if config.moving_average_decay else 0)


def inputs(config: TrainConfig, dataset: Dataset | None, side: int) -> float:
    """Return the bytes of the common queue, of batches in and behind the prefetch queue, and of preloaded pictures."""
    record = _RECORD_BYTES
    if dataset is not None:
        record = sum(shard.num_bytes for shard in dataset.shards) / max(1, dataset.num_records)
    held = 0.0
    if dataset is not None and config.input_mode == PRELOADED:
        share = sum(shard.num_bytes for shard in dataset.shards) / max(1, config.num_workers)
        held = min(float(config.cache_bytes), _DECODED_TIMES * share)
    queued = min(_COMMON_QUEUE_BYTES, _COMMON_QUEUE_BATCHES * config.batch_size * record)
    return held + queued + (max(2, 2 * config.num_clones) + 2) * config.batch_size * side * side * 12.0
