"""What a step of GAN-CLS computes: texts and pictures of a batch to the losses of both nets."""

from __future__ import annotations

from typing import Any

from sparkcv.inputs import caption_labels
from sparkcv.nets.slim import tf
from sparkcv.records.example import FeatureNames
from sparkcv.text2image import gan_losses, gan_nets, text_encoder
from sparkcv.text2image.gan_losses import GanWeights
from sparkcv.text2image.gan_spec import DISCRIMINATOR, GENERATOR, GanSpec
from sparkcv.train import step

__all__ = ["build_tower"]

_ROWS = 4
_SEED = 1


def build_tower(spec: GanSpec, names: FeatureNames, weights: GanWeights = gan_losses.PAPER) -> step.OpposedLosses:
    """Return what builds one tower: from pictures, labels and whether variables are reused to its losses.

    Pictures are float32 ``[batch, size, size, 3]`` in -1 to 1, labels as ``names`` say. The discriminator's loss trains
    it and the encoder of texts, the generator's the generator, both from the same values of the variables. The
    collections of :mod:`sparkcv.train.step` get the four losses, and a grid of what is made of texts of the batch.
    """

    def tower(images: Any, labels: Any, reuse: bool | None) -> tuple[list[Any], dict[str, Any]]:
        if labels.shape.rank == 1:  # a graph that is built for the sizes of its variables has labels
            size = names.text_size + 1 + names.digests
            labels = tf.zeros([tf.shape(labels)[0], size], tf.int64)
        texts, own, of_pictures = caption_labels.divide(labels, names)
        encoded = text_encoder.encode(spec, texts, reuse=reuse)
        given = tf.stop_gradient(encoded)
        z = tf.random.normal([tf.shape(images)[0], spec.z_size])
        made = gan_nets.generate(spec, given, z, is_training=True, reuse=reuse)
        other, has_other = gan_losses.wrong_of(own, of_pictures)
        real = gan_nets.discriminate(spec, images, encoded, is_training=True, reuse=reuse)
        wrong = gan_nets.discriminate(spec, tf.gather(images, other), encoded, is_training=True, reuse=True)
        fake = gan_nets.discriminate(spec, made, encoded, is_training=True, reuse=True)
        found = gan_losses.losses(real, wrong, fake, has_other, weights)
        if not reuse:
            for name, value in found._asdict().items():
                tf.add_to_collection(step.RECORDED, tf.identity(value, name=f"{name}_loss"))
            tf.add_to_collection(step.SAMPLES, _grid(spec, given))
        of_discriminator = tf.add_n([found.real, found.wrong, found.fake], name="discriminator_loss")
        return [of_discriminator, tf.identity(found.generator, name="generator_loss")], {"made": made}

    return step.OpposedLosses(tower, (f"{DISCRIMINATOR}/", f"{GENERATOR}/"))


def _grid(spec: GanSpec, encoded: Any) -> Any:
    """Return the bytes of a PNG of what is made, as anyone would make it later, of the batch's first texts."""
    number = tf.minimum(tf.shape(encoded)[0], _ROWS * _ROWS)
    z = tf.random.stateless_normal([_ROWS * _ROWS, spec.z_size], [_SEED, _SEED])[:number]
    made = gan_nets.generate(spec, encoded[:number], z, is_training=False, reuse=True)
    made = tf.pad(made, [[0, _ROWS * _ROWS - number], [0, 0], [0, 0], [0, 0]], constant_values=-1.0)
    size = spec.image_size
    rows = tf.transpose(tf.reshape(made, [_ROWS, _ROWS, size, size, 3]), [0, 2, 1, 3, 4])
    whole = tf.reshape(rows, [1, _ROWS * size, _ROWS * size, 3])
    pixels = tf.cast(tf.round((whole + 1.0) * 127.5), tf.uint8)
    tf.summary.image("samples", pixels, max_outputs=1)
    return tf.image.encode_png(pixels[0])
