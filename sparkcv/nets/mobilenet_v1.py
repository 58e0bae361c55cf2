"""MobileNet v1 at four widths, which tf_slim has not: from its paper, with slim's names."""

from typing import Any

from sparkcv.nets.heads import Head, pool_and_classify
from sparkcv.nets.mobilenet import arg_scope
from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_WIDTHS = {"mobilenet_v1": 1.0, "mobilenet_v1_075": 0.75, "mobilenet_v1_050": 0.5, "mobilenet_v1_025": 0.25}
_MIN_FILTERS = 8
_FIRST_FILTERS = 32
# Stride and filters of each pair of a depthwise and a pointwise convolution.
_PAIRS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *((1, 512),) * 5,
    (2, 1024),
    (1, 1024),
)
_HEAD = Head("AvgPool_1a", "AvgPool_1a", 7, "Dropout_1b", "Conv2d_1c_1x1", keep=0.999, has_pre_logits=False)


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add MobileNet v1 (https://arxiv.org/abs/1704.04861); see ``nets.Net.build``."""
    width = _WIDTHS[options.name]
    with (
        slim.arg_scope(arg_scope(options, tf.nn.relu6)),
        tf.variable_scope("MobilenetV1", reuse=options.reuse) as scope,
        slim.arg_scope([slim.dropout], is_training=options.is_training),
    ):
        points: dict[str, Any] = {}
        with tf.variable_scope(scope):  # once more, as in slim: its nodes are called MobilenetV1/MobilenetV1/...
            net = points["Conv2d_0"] = slim.conv2d(
                images, _filters(_FIRST_FILTERS, width), [3, 3], stride=2, scope="Conv2d_0"
            )
            for number, (stride, filters) in enumerate(_PAIRS, 1):
                depthwise, pointwise = f"Conv2d_{number}_depthwise", f"Conv2d_{number}_pointwise"
                net = points[depthwise] = slim.separable_conv2d(
                    net, None, [3, 3], depth_multiplier=1, stride=stride, scope=depthwise
                )
                net = points[pointwise] = slim.conv2d(net, _filters(filters, width), [1, 1], scope=pointwise)
        return pool_and_classify(net, options, points, _HEAD), points


def _filters(filters: int, width: float) -> int:
    return max(int(filters * width), _MIN_FILTERS)
