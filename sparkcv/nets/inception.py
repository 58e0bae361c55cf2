"""Inception v1, v2 and v3: TF-Slim's layers, with the ends that its published nets have."""

from typing import Any

from sparkcv.nets.heads import Head, pool_and_classify, window
from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, slim_nets, tf

__all__ = ["arg_scope", "build"]

_SCOPES = {"inception_v1": "InceptionV1", "inception_v2": "InceptionV2", "inception_v3": "InceptionV3"}
_BASES = {
    "inception_v1": slim_nets.inception.inception_v1_base,
    "inception_v2": slim_nets.inception.inception_v2_base,
    "inception_v3": slim_nets.inception.inception_v3_base,
}
_HEADS = {
    "inception_v1": Head(
        "AvgPool_0a_7x7",
        "AvgPool_0a_7x7",
        7,
        "Dropout_0b",
        "Conv2d_0c_1x1",
        stride=1,
        has_pre_logits=False,
        predictions="Logits/Predictions",
    ),
    "inception_v2": Head("AvgPool_1a_{}x{}", "AvgPool_1a", 7, "Dropout_1b", "Conv2d_1c_1x1"),
    "inception_v3": Head("AvgPool_1a_{}x{}", "AvgPool_1a", 8, "Dropout_1b", "Conv2d_1c_1x1", global_pool="GlobalPool"),
}


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add an Inception (https://arxiv.org/abs/1409.4842, 1502.03167, 1512.00567); see ``nets.Net.build``."""
    name = options.name
    with (
        slim.arg_scope(arg_scope(options)),
        tf.variable_scope(_SCOPES[name], reuse=options.reuse) as scope,
        slim.arg_scope([slim.batch_norm, slim.dropout], is_training=options.is_training),
    ):
        features, points = _BASES[name](images, scope=scope)
        if name == "inception_v3" and options.num_classes is not None:
            points["AuxLogits"] = _aux_head(points["Mixed_6e"], options.num_classes)
        return pool_and_classify(features, options, points, _HEADS[name]), points


def arg_scope(options: Options) -> Any:
    """Return the arg scope of v3, which slim's factory takes for all of them.

    The decay of batch normalisation goes in here because slim keeps it in ``normalizer_params``: an outer
    ``arg_scope([batch_norm], decay=...)`` has no effect.
    """
    return slim_nets.inception.inception_v3_arg_scope(
        weight_decay=options.weight_decay,
        batch_norm_decay=options.batch_norm.decay,
        batch_norm_epsilon=options.batch_norm.epsilon,
    )


def _aux_head(features: Any, num_classes: int) -> Any:
    """Add auxiliary logits ``[batch, num_classes]``.

    slim pools 5x5 here and cannot be built below 107 pixels, where the features are smaller. This pools over all the
    features that there are then; what follows is 1x1, as it is in slim just above.
    """
    with (
        tf.variable_scope("AuxLogits"),
        slim.arg_scope([slim.conv2d, slim.avg_pool2d], padding="VALID"),
        slim.arg_scope([slim.conv2d], stride=1),
    ):
        net = slim.avg_pool2d(features, window(features, 5), stride=3, scope="AvgPool_1a_5x5")
        net = slim.conv2d(net, 128, [1, 1], scope="Conv2d_1b_1x1")
        size = window(net, 5)
        net = slim.conv2d(
            net,
            768,
            size,
            weights_initializer=tf.truncated_normal_initializer(stddev=0.01),
            scope="Conv2d_2a_{}x{}".format(*size),
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
