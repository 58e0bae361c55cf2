"""The nets of before batch normalisation: VGG, AlexNet v2 and OverFeat, as TF-Slim has them.

Their fully connected layers are convolutions of a fixed extent, which is why they take pictures of few sizes.
"""

from typing import Any

from sparkcv.nets.slim import slim, slim_nets, tf

__all__ = ["build"]

_BUILDERS = {
    "alexnet_v2": (slim_nets.alexnet.alexnet_v2, slim_nets.alexnet.alexnet_v2_arg_scope),
    "overfeat": (slim_nets.overfeat.overfeat, slim_nets.overfeat.overfeat_arg_scope),
    "vgg_16": (slim_nets.vgg.vgg_16, slim_nets.vgg.vgg_arg_scope),
    "vgg_19": (slim_nets.vgg.vgg_19, slim_nets.vgg.vgg_arg_scope),
    "vgg_a": (slim_nets.vgg.vgg_a, slim_nets.vgg.vgg_arg_scope),
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
    """Add VGG (https://arxiv.org/abs/1409.1556), AlexNet v2 (1404.5997) or OverFeat (1312.6229); see ``Net.build``."""
    del batch_norm_decay  # There is no batch normalisation in them.
    builder, arg_scope = _BUILDERS[name]
    with tf.variable_scope(tf.get_variable_scope(), reuse=reuse), slim.arg_scope(arg_scope(weight_decay=weight_decay)):
        logits, end_points = builder(images, num_classes, is_training=is_training)
    return logits, {**end_points, "Logits": logits, "Predictions": tf.nn.softmax(logits, name="Predictions")}
