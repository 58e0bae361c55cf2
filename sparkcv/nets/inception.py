"""Inception v1, v2 and v3, as TF-Slim has them."""

from typing import Any

from sparkcv.nets.slim import slim, slim_nets, tf

__all__ = ["build"]

_BATCH_NORM_DECAY = 0.9997
_AUX_MIN_IMAGE_SIZE = 107
_BUILDERS = {
    "inception_v1": slim_nets.inception.inception_v1,
    "inception_v2": slim_nets.inception.inception_v2,
    "inception_v3": slim_nets.inception.inception_v3,
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
    """Add Inception ``name`` (https://arxiv.org/abs/1409.4842, 1502.03167, 1512.00567); see ``nets.Net.build``.

    All three use the arg scope of v3, as slim's factory does. The decay of batch normalisation goes in here because
    slim keeps it in ``normalizer_params``: an outer ``arg_scope([batch_norm], decay=...)`` has no effect.
    """
    scope = slim_nets.inception.inception_v3_arg_scope(
        weight_decay=weight_decay,
        batch_norm_decay=_BATCH_NORM_DECAY if batch_norm_decay is None else batch_norm_decay,
    )
    with tf.variable_scope(tf.get_variable_scope(), reuse=reuse), slim.arg_scope(scope):
        if name != "inception_v3" or images.shape[1] >= _AUX_MIN_IMAGE_SIZE:
            logits, end_points = _BUILDERS[name](images, num_classes, is_training=is_training)
        else:
            logits, end_points = slim_nets.inception.inception_v3(
                images, num_classes, is_training=is_training, create_aux_logits=False
            )
            end_points["AuxLogits"] = _small_aux_head(end_points["Mixed_6e"], num_classes, is_training)
    return logits, dict(end_points)


def _small_aux_head(features: Any, num_classes: int, is_training: bool) -> Any:
    """Add auxiliary logits ``[batch, num_classes]`` from ``Mixed_6e`` of a small picture.

    slim pools 5x5 there and cannot be built below 107 pixels, where the features are smaller. This is the same
    head, under the same variable names, pooling over all the features there are; what follows is then 1x1 as it is
    in slim just above.
    """
    _, height, width, _ = features.shape.as_list()
    with (
        tf.variable_scope("InceptionV3/AuxLogits"),
        slim.arg_scope([slim.batch_norm], is_training=is_training),
        slim.arg_scope([slim.conv2d, slim.avg_pool2d], stride=1, padding="VALID"),
    ):
        net = slim.avg_pool2d(features, [height, width], scope="AvgPool_1a_5x5")
        net = slim.conv2d(net, 128, [1, 1], scope="Conv2d_1b_1x1")
        net = slim.conv2d(
            net, 768, [1, 1], weights_initializer=tf.truncated_normal_initializer(stddev=0.01), scope="Conv2d_2a_1x1"
        )
        net = slim.conv2d(
            net,
            num_classes,
            [1, 1],
            activation_fn=None,
            normalizer_fn=None,
            weights_initializer=tf.truncated_normal_initializer(stddev=0.001),
            scope="Conv2d_2b_1x1",
        )
        return tf.squeeze(net, [1, 2], name="SpatialSqueeze")
