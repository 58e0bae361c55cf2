"""Pictures of texts by a trained generator: the same texts and random numbers give the same pictures, in any batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.nets.slim import model_variables, tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import container
from sparkcv.errors import CheckpointError
from sparkcv.inputs.graph_error import gist
from sparkcv.text2image import gan_nets, text_encoder
from sparkcv.text2image.gan_spec import GENERATOR, GanSpec
from sparkcv.text2image.picture_task import Row

__all__ = ["PictureMaker", "draw_z"]

_BATCH = 64
_AVERAGE = "/ExponentialMovingAverage"


def draw_z(spec: GanSpec, seed: int, draw: int) -> NDArray[np.float32]:
    """Return the random numbers of a picture, float32 ``[z_size]``."""
    return np.random.default_rng((seed, draw)).normal(size=spec.z_size).astype(np.float32)


class PictureMaker:
    """A generator, and the encoder of its texts, in a session; ``close`` ends that.

    ``prefix`` is a checkpoint on this machine, ``source`` what the user calls it. Moving averages of the weights are
    taken where the training kept them; ``num_threads`` is of an operation, 0: all cores. Raises CheckpointError for a
    checkpoint of other nets, or other sizes.
    """

    def __init__(self, prefix: str, source: str, spec: GanSpec, num_threads: int = 0) -> None:
        self._spec = spec
        self._graph = tf.Graph()
        with self._graph.as_default():
            texts = tf.int64 if spec.has_encoder else tf.float32
            self._texts = tf.placeholder(texts, [None, spec.text_size])
            self._others = tf.placeholder(texts, [None, spec.text_size])
            self._share = tf.placeholder(tf.float32, [None, 1])
            self._z = tf.placeholder(tf.float32, [None, spec.z_size])
            first = text_encoder.encode(spec, self._texts)
            second = text_encoder.encode(spec, self._others, reuse=True if spec.has_encoder else None)
            encoded = first + self._share * (second - first)
            made = gan_nets.generate(spec, encoded, self._z, is_training=False)
            self._pixels = tf.cast(tf.round((made + 1.0) * 127.5), tf.uint8)
            saver = tf.train.Saver(_names(prefix, source, spec, model_variables()))
            config = tf.ConfigProto(intra_op_parallelism_threads=num_threads or container.cores())
            self._session = tf.Session(graph=self._graph, config=config)
            try:
                saver.restore(self._session, prefix)
            except (tf.errors.OpError, ValueError) as err:
                self.close()
                raise CheckpointError(f"the checkpoint {source!r} cannot be restored: {gist(str(err))}") from err

    def make(self, rows: Sequence[Row], seed: int) -> NDArray[np.uint8]:
        """Return pictures, uint8 ``[rows, size, size, 3]``."""
        given = [self.prepare(row, seed) for row in rows]
        parts = [self.run(np.stack(given[start : start + _BATCH])) for start in range(0, len(given), _BATCH)]
        return (
            np.concatenate(parts) if parts else np.zeros((0, self._spec.image_size, self._spec.image_size, 3), np.uint8)
        )

    def prepare(self, row: Row, seed: int) -> NDArray[np.float32]:
        """Return what :meth:`run` makes a picture of: both texts, the share, and random numbers, as one vector."""
        texts = [*self._padded(row.text), *self._padded(row.other or row.text), row.share]
        return np.concatenate([np.asarray(texts, np.float32), draw_z(self._spec, seed, row.draw)])

    def run(self, given: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the pictures of a batch ``[batch, numbers]``, uint8 ``[batch, size, size, 3]``."""
        size = self._spec.text_size
        texts, others, share, z = np.split(given, (size, 2 * size, 2 * size + 1), axis=1)
        feeds: dict[Any, Any] = {self._texts: texts, self._others: others, self._share: share, self._z: z}
        pixels: NDArray[np.uint8] = self._session.run(self._pixels, feeds)
        return pixels

    def close(self) -> None:
        """End the session. Twice is fine."""
        self._session.close()

    def _padded(self, text: tuple[float, ...]) -> tuple[float, ...]:
        return (*text, *(-1,) * (self._spec.text_size - len(text)))


def _names(prefix: str, source: str, spec: GanSpec, variables: list[Any]) -> dict[str, Any]:
    """Return the variables by their names in the checkpoint."""
    try:
        shapes = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as err:
        raise CheckpointError(f"the checkpoint {source!r} cannot be read: {str(err).splitlines()[0][:300]}") from err
    text = shapes.get(f"{GENERATOR}/text/weights")
    if not spec.has_encoder and text and text[0] != spec.text_size:
        raise CheckpointError(
            f"got vectors of {spec.text_size} numbers, the nets were trained on vectors of {text[0]}: {source!r}"
        )
    found = {}
    for variable in variables:
        name = variable.op.name
        if name not in shapes:
            raise CheckpointError(
                f"the checkpoint {source!r} has no {name}; wanted that of a training of pictures from captions"
            )
        if shapes[name] != variable.shape.as_list():
            raise CheckpointError(
                f"the checkpoint {source!r} has {name} of {shapes[name]}, its run's flags say"
                f" {variable.shape.as_list()}"
            )
        found[name + _AVERAGE if name + _AVERAGE in shapes else name] = variable
    return found
