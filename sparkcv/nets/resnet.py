"""ResNet v1 and v2 with 50, 101, 152 and 200 layers: TF-Slim's units, with the end that its published nets have."""

import contextlib
from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, slim_nets, tf

__all__ = ["build"]

_UNITS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3), "200": (3, 24, 36, 3)}


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add a ResNet (https://arxiv.org/abs/1512.03385, 1603.05027); see ``nets.Net.build``.

    ``global_pool`` says nothing here: slim's ResNets always average over the whole area.
    """
    _, version, depth = options.name.split("_")
    family = slim_nets.resnet_v1 if version == "v1" else slim_nets.resnet_v2
    with (
        slim.arg_scope(_arg_scope(options)),
        tf.variable_scope(options.name, reuse=options.reuse) as scope,
        slim.arg_scope([slim.batch_norm], is_training=options.is_training),
    ):
        collection = f"{scope.original_name_scope}_end_points"
        collecting = [slim.conv2d, family.bottleneck, slim_nets.resnet_utils.stack_blocks_dense]
        with slim.arg_scope(collecting, outputs_collections=collection):
            net = _features(images, version, _UNITS[depth])
        points = dict(slim.utils.convert_collection_to_dict(collection))
        net = points["global_pool"] = tf.reduce_mean(net, [1, 2], keepdims=True, name="pool5")
        if options.num_classes is None:
            return net, points
        maps = slim.conv2d(net, options.num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="logits")
        points[f"{options.name}/logits"] = maps
        logits = points[f"{options.name}/spatial_squeeze"] = tf.squeeze(maps, [1, 2], name="SpatialSqueeze")
        points["predictions"] = slim.softmax(logits, scope="predictions")
    return logits, {**points, "Logits": logits, "Predictions": points["predictions"]}


def _features(images: Any, version: str, units: tuple[int, ...]) -> Any:
    """Add all layers but the last; v2 normalises before its convolutions, and once more at the end."""
    first = version == "v1"
    block = slim_nets.resnet_v1.resnet_v1_block if first else slim_nets.resnet_v2.resnet_v2_block
    bare = slim.arg_scope([slim.conv2d], activation_fn=None, normalizer_fn=None)
    with contextlib.nullcontext() if first else bare:
        net = slim_nets.resnet_utils.conv2d_same(images, 64, 7, stride=2, scope="conv1")
    net = slim.max_pool2d(net, [3, 3], stride=2, scope="pool1")
    blocks = [
        block(f"block{index + 1}", base_depth=64 * 2**index, num_units=count, stride=1 if index == 3 else 2)
        for index, count in enumerate(units)
    ]
    net = slim_nets.resnet_utils.stack_blocks_dense(net, blocks)
    return net if first else slim.batch_norm(net, activation_fn=tf.nn.relu, scope="postnorm")


def _arg_scope(options: Options) -> Any:
    return slim_nets.resnet_utils.resnet_arg_scope(
        weight_decay=options.weight_decay,
        batch_norm_decay=options.batch_norm.decay,
        batch_norm_epsilon=options.batch_norm.epsilon,
    )
