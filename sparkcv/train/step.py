"""One training step as a graph: towers, losses, gradients, updates, moving averages and summaries, as slim has them.

Building it runs nothing. Who feeds it (inputs), saves it (checkpoint) and drives it (loop) stands elsewhere.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkcv import nets
from sparkcv.config import TrainConfig
from sparkcv.config.number_lists import parse_scales
from sparkcv.nets.slim import fixed_batch_norm, model_variables, tf
from sparkcv.train import losses, optimizers, placement, replicas, scopes, warmstart, wire
from sparkcv.train.warmstart_plan import WarmStart

__all__ = ["BuildTower", "OpposedLosses", "RECORDED", "SAMPLES", "TrainGraph", "build", "variable_sizes"]

RECORDED, SAMPLES = "recorded", "samples"
"""Collections in which a tower leaves scalars for the run's curves, and the bytes of a PNG that shows where it is."""


@dataclass(frozen=True)
class TrainGraph:
    """What a training loop needs of the graph; tensors and operations belong to the graph that was default then.

    ``train_op`` runs one step and returns its total loss (float32 scalar). ``loss`` is that loss without a step: the
    sum of the towers' losses and the regularization. ``init_fn(session)`` fills the variables from
    ``--checkpoint_path``, as ``warm_start`` says; it must run after initialization, on the chief, and only when there
    is no checkpoint to resume from. ``sync_hook`` must be among the session's hooks with ``--sync_replicas``.
    ``summary_op`` is None on workers other than the chief. ``recorded`` and ``samples`` are what the first tower left
    in the collections of these names.
    """

    train_op: Any
    loss: Any
    learning_rate: Any
    global_step: Any
    saver_variables: tuple[Any, ...]
    images_per_step: int
    sync_hook: Any | None = None
    init_fn: Callable[[Any], None] | None = None
    warm_start: WarmStart | None = None
    summary_op: Any | None = None
    recorded: tuple[Any, ...] = ()
    samples: Any | None = None


BuildTower = Callable[[Any, Any, bool | None], tuple[list[Any], dict[str, Any]]]
"""From images, labels and whether variables are reused to a tower's losses, scalars, and what summaries show of it."""


@dataclass(frozen=True)
class OpposedLosses:
    """A tower each of whose losses trains its own variables only, all at once, as adversaries do.

    ``scopes`` are as many as ``build_tower`` returns losses: a loss changes what lies under its scope.
    """

    build_tower: BuildTower
    scopes: tuple[str, ...]

    def __call__(self, images: Any, labels: Any, reuse: bool | None) -> tuple[list[Any], dict[str, Any]]:
        """Build the tower."""
        return self.build_tower(images, labels, reuse)


@dataclass(frozen=True)
class _Tower:
    losses: list[Any]
    end_points: dict[str, Any]
    scope: str
    device: str


def build(
    config: TrainConfig,
    *,
    num_records: int,
    num_classes: int,
    next_batch: Callable[[], tuple[Any, Any]],
    topology: replicas.Topology | None = None,
    warm_start: warmstart.Source | None = None,
    build_tower: BuildTower | None = None,
) -> TrainGraph:
    """Add the training step of ``config`` to the default graph.

    ``num_classes`` is without the classes that ``--labels_offset`` drops. ``next_batch`` is called once a tower and
    adds what takes one batch: images float32 ``[batch, size, size, channels]`` (static but for the batch), labels
    int64 ``[batch]`` in ``[0, num_classes)``. ``warm_start`` is a checkpoint to start from.
    ``build_tower`` makes another net and loss than the classifier's.
    Summaries that are in the graph already are merged into ``summary_op``.

    Raise UsageError for flags that cannot work together and CheckpointError for a ``warm_start`` that does not fit.
    """
    if config.quantize_delay != -1:
        nets.refuse_quantization("quantize_delay", config.quantize_delay)
    topology = topology or replicas.Topology()
    # The chief's seed makes the initial weights; the others' differ so that their dropout does.
    tf.set_random_seed(config.seed + topology.task)
    placed = _placement(config, num_classes, topology, build_tower)
    setter = replicas.device_setter(topology, placed.places)
    # Each use of a variable that is on a ps would fetch it anew: convolution and weight decay are two. Cached, the
    # value is fetched once a step.
    cache = topology.worker_device if topology.num_ps else None
    with tf.device(setter):
        global_step = tf.train.get_or_create_global_step()
        root = tf.get_variable_scope()
        with (
            tf.variable_scope(
                root, use_resource=True, caching_device=cache, custom_getter=placement.custom_getter(placed)
            ),
            _wire_scope(config, topology),
        ):
            towers, update_ops, regularization = _build_towers(
                config, next_batch, build_tower or _classifier(config, num_classes)
            )
    with tf.device(f"{topology.worker_device}/device:CPU:0"):
        rate = optimizers.learning_rate(config, num_records, global_step)
        optimizer = optimizers.scale_rates(optimizers.optimizer(config, rate), _rate_scales(config))
        optimizer, average_op = _averaging(config, optimizer, global_step, topology, update_ops)
        apart = build_tower.scopes if isinstance(build_tower, OpposedLosses) else ()
        total_loss, gradients = _gradients(optimizer, towers, regularization, _trained(config), apart)
        gradients = optimizers.clipped(gradients, config.clip_gradient_norm)
        if _is_halved(config, topology):
            gradients = wire.push(gradients, topology.host_device)
        # The averages are of the values before the step's gradients, as slim has them wherever they are quick enough.
        with tf.control_dependencies(average_op):
            applied = optimizer.apply_gradients(gradients, global_step=global_step)
        with tf.control_dependencies([tf.group(*update_ops, *average_op, applied)]):
            train_op = tf.identity(total_loss, name="train_op")
        init_fn = done = None
        if warm_start is not None and topology.is_chief:
            init_fn, done = warmstart.init_fn(
                warm_start,
                model_variables(),
                exclude_scopes=config.checkpoint_exclude_scopes,
                ignore_missing_vars=config.ignore_missing_vars,
                ignore_missing_scopes=config.ignore_missing_scopes,
                frozen=_frozen(config),
                device=topology.host_device,
            )
        summary_op = _summaries(towers[0], regularization, total_loss, rate) if topology.is_chief else None
    return TrainGraph(
        train_op=train_op,
        loss=total_loss,
        learning_rate=rate,
        global_step=global_step,
        saver_variables=tuple(tf.global_variables()),
        images_per_step=config.batch_size * config.num_clones,
        sync_hook=optimizer.make_session_run_hook(topology.is_chief) if config.sync_replicas else None,
        init_fn=init_fn,
        warm_start=done,
        summary_op=summary_op,
        recorded=tuple(tf.get_collection(RECORDED)),
        samples=next(iter(tf.get_collection(SAMPLES)), None),
    )


def _rate_scales(config: TrainConfig) -> dict[str, float]:
    """Return the factor of the learning rate of each trained variable that ``--learning_rate_scales`` gives one."""
    names = [variable.op.name for variable in _trained(config)]
    return scopes.rate_scales(parse_scales(config.learning_rate_scales), names)


def _is_halved(config: TrainConfig, topology: replicas.Topology) -> bool:
    return bool(topology.num_ps) and config.wire_dtype == "bfloat16"


def _wire_scope(config: TrainConfig, topology: replicas.Topology) -> Any:
    """Return the scope in which variables are fetched as ``--wire_dtype`` says."""
    if not _is_halved(config, topology):
        return contextlib.nullcontext()
    return tf.variable_scope(tf.get_variable_scope(), custom_getter=wire.custom_getter(topology.worker_device))


def _placement(
    config: TrainConfig, num_classes: int, topology: replicas.Topology, build_tower: BuildTower | None
) -> placement.PsPlan:
    """Return the ps of each variable. Sizes come from a temporary graph, which a single ps does not need."""
    if topology.num_ps < 2:
        return placement.PsPlan({}, {}, ())
    return placement.plan(variable_sizes(config, num_classes, build_tower), topology.num_ps)


def variable_sizes(
    config: TrainConfig, num_classes: int, build_tower: BuildTower | None = None
) -> dict[str, placement.Size]:
    """Return the size of each variable of the net, and of its slots and average, by building it in a graph of its own.

    ``num_classes`` is without the classes that ``--labels_offset`` drops.
    """
    net = nets.get(config.model_name)
    size = config.train_image_size or net.default_image_size
    averaged = 1 if config.moving_average_decay else 0
    with tf.Graph().as_default():
        images = tf.zeros([1, size, size, 1 if config.use_grayscale else 3])
        if build_tower is None:
            net.build(images, num_classes, is_training=True)
        else:
            build_tower(images, tf.zeros([1], tf.int64), None)
        trained = {variable.op.name for variable in _trained(config)}
        sizes = {}
        for variable in model_variables():
            beside = averaged + (optimizers.num_slots(config) if variable.op.name in trained else 0)
            num_bytes = variable.shape.num_elements() * variable.dtype.base_dtype.size
            sizes[variable.op.name] = placement.Size(tuple(variable.shape.as_list()), num_bytes, num_bytes * beside)
    return sizes


def _trained(config: TrainConfig) -> list[Any]:
    return warmstart.variables_to_train(config.trainable_scopes, ignore_missing_scopes=config.ignore_missing_scopes)


def _is_fixed(config: TrainConfig, layer: str) -> bool:
    """Tell whether a layer of batch normalisation keeps its statistics: told so, or nothing of it is trained."""
    if config.freeze_batch_norm or config.trainable_scopes is None:
        return config.freeze_batch_norm
    chosen = scopes.split_scopes(config.trainable_scopes)
    return not any(scopes.trains(scope, f"{layer}/{name}") for scope in chosen for name in ("beta", "gamma"))


def _frozen(config: TrainConfig) -> set[str]:
    """Return the names of the model's variables that no step changes."""
    names = {placement.whole_name(each) for each in model_variables()}
    names -= {placement.whole_name(each) for each in _trained(config)}
    return {
        name
        for name in names
        if not name.endswith(("/moving_mean", "/moving_variance")) or _is_fixed(config, name.rpartition("/")[0])
    }


def _classifier(config: TrainConfig, num_classes: int) -> BuildTower:
    """Return what builds a tower of the net and the loss of ``config``."""

    def build_tower(images: Any, labels: Any, reuse: bool | None) -> tuple[list[Any], dict[str, Any]]:
        logits, end_points = nets.get(config.model_name).build(
            images,
            num_classes,
            is_training=True,
            weight_decay=config.weight_decay,
            batch_norm_decay=config.batch_norm_decay,
            reuse=reuse,
        )
        return losses.classifier_losses(config, logits, end_points, labels, num_classes), end_points

    return build_tower


def _build_towers(
    config: TrainConfig, next_batch: Callable[[], tuple[Any, Any]], build_tower: BuildTower
) -> tuple[list[_Tower], list[Any], list[Any]]:
    """Build towers that share variables; return them, the first one's update operations and regularization losses.

    One tower's statistics update batch normalisation's averages, and weight decay counts once: as in slim.
    """
    towers: list[_Tower] = []
    update_ops: list[Any] = []
    regularization: list[Any] = []
    devices = replicas.clone_devices(config.num_clones, config.clone_on_cpu, config.num_gpus)
    for index, device in enumerate(devices):
        scope = f"clone_{index}" if config.num_clones > 1 else ""
        with tf.name_scope(scope) if scope else contextlib.nullcontext(), tf.device(device):
            with tf.device("/device:CPU:0"):
                images, labels = next_batch()
            with fixed_batch_norm(functools.partial(_is_fixed, config)):
                tower_losses, end_points = build_tower(images, labels, True if index else None)
        towers.append(_Tower(tower_losses, end_points, scope, device))
        if index == 0:
            update_ops = list(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
            regularization = list(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
    return towers, update_ops, regularization


def _averaging(
    config: TrainConfig, optimizer: Any, global_step: Any, topology: replicas.Topology, update_ops: list[Any]
) -> tuple[Any, list[Any]]:
    """Wrap the optimizer for synchronous training; return it and the update of the moving averages, if any.

    The averages are taken after ``update_ops``: without an order the average of batch normalisation's statistics is
    of their old values in one step and of their new ones in the next, as the threads happen to run. With
    ``--sync_replicas`` the chief's queue runner updates the averages, once an aggregated step.
    """
    averages = None
    if config.moving_average_decay:
        averages = replicas.MovingAverages(config.moving_average_decay, global_step)
    if config.sync_replicas:
        synchronous = tf.train.SyncReplicasOptimizer(
            opt=optimizer,
            replicas_to_aggregate=config.replicas_to_aggregate,
            total_num_replicas=topology.num_workers,
            variable_averages=averages,
            variables_to_average=model_variables() if averages else None,
        )
        return synchronous, []
    if averages is None:
        return optimizer, []
    with tf.control_dependencies([tf.group(*update_ops, name="before_moving_averages")]):
        return optimizer, [averages.apply(model_variables())]


def _gradients(
    optimizer: Any, towers: list[_Tower], regularization: list[Any], variables: list[Any], apart: tuple[str, ...] = ()
) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return total loss and summed gradients; each tower counts 1/towers, and weight decay is in the first one's.

    With ``apart`` each of a tower's losses has gradients of the variables under its scope only.
    """
    tower_losses, tower_gradients = [], []
    for index, tower in enumerate(towers):
        with tf.name_scope(tower.scope) if tower.scope else contextlib.nullcontext(), tf.device(tower.device):
            loss = tf.add_n(tower.losses, name="clone_loss")
            if len(towers) > 1:
                loss = tf.divide(loss, float(len(towers)), name="scaled_clone_loss")
            if index == 0 and regularization:
                loss = loss + tf.add_n(regularization, name="regularization_loss")
            tower_losses.append(loss)
            if not apart:
                tower_gradients.append(optimizer.compute_gradients(loss, var_list=variables))
                continue
            pairs = []
            for scope, own in zip(apart, tower.losses, strict=True):
                under = [each for each in variables if scopes.trains(scope, each.op.name)]
                pairs += optimizer.compute_gradients(own / len(towers), var_list=under)
            # All of them before any is applied: else a loss could meet what the other's has changed already.
            values = tf.tuple([gradient for gradient, _ in pairs])
            tower_gradients.append([(value, variable) for value, (_, variable) in zip(values, pairs, strict=True)])
    return tf.add_n(tower_losses, name="sum_of_losses"), replicas.sum_gradients(tower_gradients)


def _summaries(tower: _Tower, regularization: list[Any], total_loss: Any, rate: Any) -> Any:
    """Merge slim's summaries of the first tower with those that the graph has already."""
    for name, end_point in tower.end_points.items():
        tf.summary.histogram(f"activations/{name}", end_point)
        tf.summary.scalar(f"sparsity/{name}", tf.nn.zero_fraction(end_point))
    for loss in tower.losses:
        tf.summary.scalar(f"losses/{loss.op.name}", loss)
    for variable in model_variables():
        tf.summary.histogram(variable.op.name, variable)
    if regularization:
        tf.summary.scalar("regularization_loss", tf.add_n(regularization))
    tf.summary.scalar("learning_rate", rate)
    tf.summary.scalar("total_loss", total_loss)
    return tf.summary.merge_all()
