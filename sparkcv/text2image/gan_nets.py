"""Generator and discriminator of GAN-CLS, as the paper and its TensorFlow form have them.

Reed et al. 2016, https://arxiv.org/abs/1605.05396. Texts are float32 ``[batch, features]``, z is float32
``[batch, z_size]``, pictures are float32 ``[batch, size, size, 3]`` in -1 to 1.
"""

from __future__ import annotations

from typing import Any

from sparkcv.nets import gan_cls
from sparkcv.nets.slim import quiet, slim, tf
from sparkcv.text2image.gan_spec import DISCRIMINATOR, GENERATOR, GanSpec

__all__ = ["discriminate", "generate"]


def generate(spec: GanSpec, texts: Any, z: Any, *, is_training: bool, reuse: bool | None = None) -> Any:
    """Return pictures of texts: 4x4 from z and the text, doubled layer by layer."""
    size, first = gan_cls.LAST_SIZE, spec.gf * 2 ** (spec.num_layers - 1)
    with quiet(), tf.variable_scope(GENERATOR, reuse=reuse), slim.arg_scope(gan_cls.layers(is_training=is_training)):
        said = gan_cls.leaky(slim.fully_connected(texts, spec.text_units, scope="text"))
        net = slim.fully_connected(tf.concat([z, said], 1), size * size * first, scope="project")
        net = tf.nn.relu(slim.batch_norm(tf.reshape(net, [-1, size, size, first]), scope="project_norm"))
        for number in range(1, spec.num_layers):
            net = slim.conv2d_transpose(net, first // 2**number, activation_fn=tf.nn.relu, scope=f"deconv{number}")
        return slim.conv2d_transpose(
            net, 3, activation_fn=tf.nn.tanh, normalizer_fn=None, scope=f"deconv{spec.num_layers}"
        )


def discriminate(
    spec: GanSpec,
    images: Any,
    texts: Any,
    *,
    is_training: bool,
    reuse: bool | None = None,
) -> Any:
    """Return the logits ``[batch]`` of a picture being real and of its text, which joins at 4x4.

    With ``reuse`` batch normalisation's averages are not updated: they are those of what it was first asked of.
    """
    scope, updates = gan_cls.layers(is_training=is_training), tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
    num_updates = len(updates)
    with quiet(), tf.variable_scope(DISCRIMINATOR, reuse=reuse), slim.arg_scope(scope):
        seen = gan_cls.see(images, spec.df)[-1]
        said = gan_cls.leaky(slim.fully_connected(texts, spec.text_units, scope="text"))
        said = tf.tile(said[:, None, None, :], [1, *seen.shape[1:3].as_list(), 1])
        depth = int(seen.shape[-1])
        both = slim.conv2d(
            tf.concat([seen, said], 3), depth, kernel_size=1, stride=1, activation_fn=gan_cls.leaky, scope="join"
        )
        logits = tf.squeeze(slim.fully_connected(slim.flatten(both), 1, scope="logit"), 1)
    if reuse:
        del updates[num_updates:]
    return logits
