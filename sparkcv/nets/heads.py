"""What Inception v1 to v3 and MobileNet v1 end in: a pool, dropout, and a 1x1 convolution to the classes."""

from dataclasses import dataclass
from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["Head", "pool_and_classify", "window"]


@dataclass(frozen=True)
class Head:
    """The names and numbers of one net's end.

    ``pool`` is the layer of a pool of ``extent`` x ``extent``, and ``pool_point`` its end point. ``dropout`` and
    ``layer`` are layers, too; ``keep`` is the share of features that dropout keeps in training.
    """

    pool: str
    pool_point: str
    extent: int
    dropout: str
    layer: str
    keep: float = 0.8
    stride: int = 2
    has_pre_logits: bool = True
    global_pool: str = "global_pool"
    predictions: str = "Predictions"


def window(features: Any, extent: int) -> list[int]:
    """Return height and width of a window of ``extent`` that fits into features ``[batch, h, w, channels]``."""
    _, height, width, _ = features.shape.as_list()
    return [min(height, extent), min(width, extent)]


def pool_and_classify(features: Any, options: Options, points: dict[str, Any], head: Head) -> Any:
    """Add the head to the current variable scope; return logits ``[batch, num_classes]``, or features without classes.

    ``Logits`` and ``Predictions`` join ``points``, and what is named before them.
    """
    with tf.variable_scope("Logits"):
        if options.global_pool:
            net = tf.reduce_mean(features, [1, 2], keepdims=True, name=head.global_pool)
            points["global_pool"] = net
        else:
            size = window(features, head.extent)
            scope = head.pool.format(*size)
            net = slim.avg_pool2d(features, size, stride=head.stride, padding="VALID", scope=scope)
            points[head.pool_point] = net
        if options.num_classes is None:
            return net
        net = slim.dropout(net, head.keep, scope=head.dropout)
        if head.has_pre_logits:
            points["PreLogits"] = net
        maps = slim.conv2d(net, options.num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope=head.layer)
        logits = tf.squeeze(maps, [1, 2], name="SpatialSqueeze")
    points["Logits"] = logits
    points["Predictions"] = slim.softmax(logits, scope=head.predictions)
    return logits
