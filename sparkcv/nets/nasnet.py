"""NASNet-A and PNASNet-5, which tf_slim has not: from their papers, with slim's names.

A net is a row of cells that a search found. Each cell sees the outputs of the two cells before it, its five pairs of
operations add up two earlier states each, and what no pair took is concatenated.
"""

from typing import Any, NamedTuple

from sparkcv.nets.heads import window
from sparkcv.nets.nasnet_cells import NASNET_NORMAL, NASNET_REDUCTION, PNASNET, Cell, add_cell
from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_STEM_CELLS = 2
_REDUCTIONS = 2


class _Design(NamedTuple):
    """One net: ``cells`` after the stem, ``filters`` of its first cells, which double at each of two reductions.

    ``keep_path`` is the share of paths that is kept in the last cell at the last of ``steps`` of a training.
    ``stem`` is the filters of the first convolution; ``small`` is a stem for small pictures, without cells that halve
    them. ``skips`` has the cell after a reduction see what was before it, and not what the reduction saw.
    """

    cells: int
    filters: int
    stem: int
    keep_path: float
    keep_features: float = 0.5
    small: bool = False
    skips: bool = False
    steps: int = 250_000
    normal: Cell = NASNET_NORMAL
    reduction: Cell | None = NASNET_REDUCTION


_DESIGNS = {
    "nasnet_cifar": _Design(18, 32, 96, 0.6, 1.0, small=True, steps=937_500),
    "nasnet_mobile": _Design(12, 44, 32, 1.0),
    "nasnet_large": _Design(18, 168, 96, 0.7, skips=True),
    "pnasnet_mobile": _Design(9, 54, 32, 1.0, skips=True, normal=PNASNET, reduction=None),
    "pnasnet_large": _Design(12, 216, 96, 0.6, skips=True, normal=PNASNET, reduction=None),
}


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add NASNet-A (https://arxiv.org/abs/1707.07012) or PNASNet-5 (1712.00559); see ``nets.Net.build``.

    There are auxiliary logits only in training, as in slim. Large nets leave out paths at random then, ever more of
    them as the global step grows.
    """
    design = _DESIGNS[options.name]
    with (
        slim.arg_scope(_arg_scope(options)),
        tf.variable_scope(tf.get_variable_scope(), reuse=options.reuse),
        slim.arg_scope([slim.dropout, slim.batch_norm], is_training=options.is_training),
    ):
        points: dict[str, Any] = {}
        net = _cells(images, design, options, points)
        with tf.variable_scope("final_layer"):
            net = points["global_pool"] = tf.reduce_mean(tf.nn.relu(net), [1, 2])
            if options.num_classes is None:
                return net, points
            net = slim.dropout(net, design.keep_features, scope="dropout")
            logits = points["Logits"] = slim.fully_connected(net, options.num_classes, scope="FC")
            points["Predictions"] = tf.nn.softmax(logits, name="predictions")
    return logits, points


class _Row:
    """The cells of a net so far; each one added sees the two before it."""

    def __init__(self, net: Any, design: _Design, options: Options) -> None:
        self.net = net
        self.outputs = [None, net]
        self._design = design
        stems = 0 if design.small else _STEM_CELLS
        # slim counts two cells for reductions; and the stem's, which are reductions, once more where it has others.
        self._total = design.cells + _REDUCTIONS + (stems if design.reduction else 0)
        self._progress = None
        if options.is_training and design.keep_path < 1:
            step = tf.cast(tf.train.get_or_create_global_step(), tf.float32)
            self._progress = tf.minimum(1.0, step / design.steps)

    def add(self, scope: str, cell: Cell, scaling: float, stride: int, before: Any, number: int) -> Any:
        """Add one cell, ``number`` from 0 among all, with ``scaling`` times the filters of the design."""
        keep = None
        if self._progress is not None:
            depth = (number + 1) / self._total
            keep = 1 - self._progress * (depth * (1 - self._design.keep_path))
        self.net = add_cell(self.net, before, scope, cell, int(self._design.filters * scaling), stride, keep)
        return self.net


def _cells(images: Any, design: _Design, options: Options, points: dict[str, Any]) -> Any:
    """Add stem and cells; return the output of the last one."""
    row = _stem(images, design, options)
    points["Stem"] = row.net
    reductions = [int(number / (_REDUCTIONS + 1) * design.cells) for number in range(1, _REDUCTIONS + 1)]
    scaling, number = 1.0, 0 if design.small else _STEM_CELLS
    for index in range(design.cells):
        before, stride = row.outputs[-2], 1
        if index in reductions:
            scaling *= 2
            if design.reduction is None:
                stride = 2
            else:
                reduction = reductions.index(index)
                net = row.add(f"reduction_cell_{reduction}", design.reduction, scaling, 2, before, number)
                points[f"Reduction_Cell_{reduction}"] = net
                row.outputs.append(net)
                number += 1
                before = before if design.skips else row.outputs[-2]
        net = points[f"Cell_{index}"] = row.add(f"cell_{index}", design.normal, scaling, stride, before, number)
        number += 1
        if index == reductions[-1] - 1 and options.is_training and options.num_classes is not None:
            points["AuxLogits"] = _aux_head(tf.nn.relu(net), options.num_classes, f"aux_{index}")
        row.outputs.append(net)
    return row.net


def _stem(images: Any, design: _Design, options: Options) -> _Row:
    if design.small:
        net = slim.conv2d(images, design.stem, 3, scope="l1_stem_3x3")
        return _Row(slim.batch_norm(net, scope="l1_stem_bn"), design, options)
    net = slim.conv2d(images, design.stem, [3, 3], stride=2, padding="VALID", scope="conv0")
    row = _Row(slim.batch_norm(net, scope="conv0_bn"), design, options)
    for index in range(_STEM_CELLS):
        scaling = 2.0 ** (index - _STEM_CELLS)
        cell = design.reduction or design.normal
        row.outputs.append(row.add(f"cell_stem_{index}", cell, scaling, 2, row.outputs[-2], index))
    return row


def _aux_head(net: Any, num_classes: int, scope: str) -> Any:
    """Add auxiliary logits ``[batch, num_classes]``; features of small pictures are pooled as a whole."""
    with tf.variable_scope(scope), tf.variable_scope("aux_logits"):
        net = slim.avg_pool2d(net, window(net, 5), stride=3, padding="VALID")
        net = slim.batch_norm(slim.conv2d(net, 128, [1, 1], scope="proj"), scope="aux_bn0")
        net = slim.conv2d(tf.nn.relu(net), 768, net.shape[1:3], padding="VALID", scope="Conv")
        net = slim.flatten(tf.nn.relu(slim.batch_norm(net, scope="aux_bn1")))
        return slim.fully_connected(net, num_classes, scope="FC")


def _arg_scope(options: Options) -> Any:
    """Return slim's arg scope: convolutions have neither biases nor activations, and are normalised by name."""
    norm = {"decay": options.batch_norm.decay, "epsilon": options.batch_norm.epsilon, "scale": True, "fused": True}
    weights = {
        "weights_regularizer": slim.l2_regularizer(options.weight_decay),
        "weights_initializer": slim.variance_scaling_initializer(mode="FAN_OUT"),
        "activation_fn": None,
    }
    with (
        slim.arg_scope([slim.fully_connected, slim.conv2d, slim.separable_conv2d], **weights),
        slim.arg_scope([slim.conv2d, slim.separable_conv2d], biases_initializer=None),
        slim.arg_scope([slim.batch_norm], **norm) as scope,
    ):
        return scope
