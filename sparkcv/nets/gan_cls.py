"""The discriminator of GAN-CLS as far as it sees a picture, which is that of DCGAN; with classes it is a classifier.

Reed et al. 2016, https://arxiv.org/abs/1605.05396; Radford et al. 2016, https://arxiv.org/abs/1511.06434.
"""

from typing import Any

from sparkcv.nets.options import BatchNorm, Options
from sparkcv.nets.slim import slim, tf

__all__ = ["LAST_SIZE", "NORM", "build", "layers", "leaky", "see"]

LAST_SIZE = 4
"""Side in positions of what the last convolution sees, where a text joins it, and of the generator's first layer."""

NORM = BatchNorm(decay=0.9, epsilon=0.00001)
_DEPTH = 64
_STDDEV = 0.02


def leaky(tensor: Any) -> Any:
    """Return the leaky ReLU of slope 0.2."""
    return tf.nn.leaky_relu(tensor, 0.2)


def layers(*, is_training: bool, norm: BatchNorm = NORM) -> Any:
    """Return the arg scope of both nets: 5x5 in steps of 2, batch normalisation, weights of standard deviation 0.02."""
    params = {
        "is_training": is_training,
        "decay": norm.decay,
        "epsilon": norm.epsilon,
        "scale": True,
        "param_initializers": {"gamma": tf.random_normal_initializer(1.0, _STDDEV)},
    }
    start = {"weights_initializer": tf.random_normal_initializer(stddev=_STDDEV)}
    own: dict[str, Any] = {"kernel_size": 5, "stride": 2, "padding": "SAME"}
    own |= {"normalizer_fn": slim.batch_norm, "normalizer_params": params, **start}
    with (
        slim.arg_scope([slim.fully_connected], activation_fn=None, **start),
        slim.arg_scope([slim.conv2d, slim.conv2d_transpose], **own),
        slim.arg_scope([slim.batch_norm], **params) as scope,
    ):
        return scope


def see(images: Any, depth: int) -> list[Any]:
    """Return what each convolution gives, the last of them ``[batch, 4, 4, 8 * depth]`` for pictures of 64 pixels.

    Each halves the side until it is at most 4; the filters double from ``depth`` on. The first does not normalise.
    """
    found = [slim.conv2d(images, depth, activation_fn=leaky, normalizer_fn=None, scope="conv0")]
    while int(found[-1].shape[1]) > LAST_SIZE:
        net = slim.conv2d(found[-1], depth * 2 ** len(found), activation_fn=leaky, scope=f"conv{len(found)}")
        found.append(net)
    return found


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add the net under ``GanCls/conv0`` ... ``GanCls/logits``; see ``nets.Net.build``."""
    points: dict[str, Any] = {}
    regularized = slim.l2_regularizer(options.weight_decay)
    with (
        tf.variable_scope("GanCls", reuse=options.reuse),
        slim.arg_scope(layers(is_training=options.is_training, norm=options.batch_norm)),
        slim.arg_scope([slim.conv2d, slim.fully_connected], weights_regularizer=regularized),
    ):
        points.update({f"conv{number}": net for number, net in enumerate(see(images, _DEPTH))})
        net = slim.flatten(points[f"conv{len(points) - 1}"])
        points["Flatten"] = net
        if options.num_classes is None:
            return net, points
        logits = slim.fully_connected(net, options.num_classes, scope="logits")
        points["Logits"] = logits
    points["Predictions"] = slim.softmax(logits, scope="Predictions")
    return logits, points
