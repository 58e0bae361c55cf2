"""ResNet v1 and v2 with 50, 101 and 152 layers, as TF-Slim has them."""

from typing import Any

from sparkcv.nets.slim import slim, slim_nets, tf

__all__ = ["build"]

_BATCH_NORM_DECAY = 0.997
_BUILDERS = {
    "resnet_v1_50": slim_nets.resnet_v1.resnet_v1_50,
    "resnet_v1_101": slim_nets.resnet_v1.resnet_v1_101,
    "resnet_v1_152": slim_nets.resnet_v1.resnet_v1_152,
    "resnet_v2_50": slim_nets.resnet_v2.resnet_v2_50,
    "resnet_v2_101": slim_nets.resnet_v2.resnet_v2_101,
    "resnet_v2_152": slim_nets.resnet_v2.resnet_v2_152,
}


def build(
    name: str,
    images: Any,
    num_classes: int,
    *,
    is_training: bool,
    weight_decay: float,
    batch_norm_decay: float | None,
    reuse: bool | None,
) -> tuple[Any, dict[str, Any]]:
    """Add ResNet ``name`` (https://arxiv.org/abs/1512.03385, 1603.05027); see ``nets.Net.build``.

    tf_slim's logits are ``[batch, 1, 1, num_classes]``; they are squeezed as research/slim does.
    """
    scope = slim_nets.resnet_utils.resnet_arg_scope(
        weight_decay=weight_decay,
        batch_norm_decay=_BATCH_NORM_DECAY if batch_norm_decay is None else batch_norm_decay,
    )
    with tf.variable_scope(tf.get_variable_scope(), reuse=reuse), slim.arg_scope(scope):
        maps, end_points = _BUILDERS[name](images, num_classes, is_training=is_training)
    logits = tf.squeeze(maps, [1, 2], name="SpatialSqueeze")
    return logits, {**end_points, "Logits": logits, "Predictions": tf.squeeze(end_points["predictions"], [1, 2])}
