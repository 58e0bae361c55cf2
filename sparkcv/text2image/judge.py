"""A trained classifier that looks at pictures: its probabilities, and the features that they follow from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.nets.slim import model_variables, tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import nets, preprocess
from sparkcv.errors import CheckpointError, ImageError
from sparkcv.inputs.graph_error import gist
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules

__all__ = ["Seen", "look"]

_BATCH = 64

Seen = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Probabilities ``[pictures, classes]`` and features ``[pictures, features]``."""


def look(
    prefix: str, model_name: str, num_classes: int, pictures: Sequence[str], *, family: str | None, size: int | None
) -> Seen:
    """Return what the classifier of a checkpoint sees in picture files of this machine.

    They are read as a conversion reads them, upright and on white, and prepared as an evaluation does. ``family`` and
    ``size`` are the preprocessing and the side of its input, None: the net's own. With 0 for ``num_classes`` the
    probabilities are of none. Raises CheckpointError for a checkpoint of something else, and ImageError for a file that
    is no picture.
    """
    net = nets.get(model_name)
    prepare = preprocess.get(family or net.preprocessing)
    side = size or net.default_image_size
    with tf.Graph().as_default():
        encoded, orientation = tf.placeholder(tf.string, []), tf.placeholder(tf.int64, [])
        image = prepare.for_eval(preprocess.EncodedPicture(encoded, orientation), side)
        images = tf.placeholder(tf.float32, [None, *image.shape.as_list()])
        features, _ = net.build(images, None, is_training=False)
        probabilities = tf.zeros([tf.shape(images)[0], 0])
        if num_classes:
            logits, _ = net.build(images, num_classes, is_training=False, reuse=tf.AUTO_REUSE)
            probabilities = tf.nn.softmax(logits)
        flat = tf.reshape(features, [tf.shape(images)[0], -1])
        _check_variables(prefix, model_name, model_variables())
        saver = tf.train.Saver(model_variables())
        with tf.Session() as session:
            try:
                saver.restore(session, prefix)
            except (tf.errors.OpError, ValueError) as err:
                raise CheckpointError(f"the net {model_name} cannot be restored: {gist(str(err))}") from err

            def prepared(name: str) -> NDArray[np.float32]:
                with open(name, "rb") as file:
                    data = file.read()
                try:
                    seen = picture_file.read(data, PictureRules())
                    fed = {encoded: seen.encoded, orientation: seen.orientation}
                    pixels: NDArray[np.float32] = session.run(image, fed)
                except (ImageError, tf.errors.OpError) as err:
                    raise ImageError(f"{name!r} cannot be decoded: {gist(str(err))}") from err
                return pixels

            found = []
            for start in range(0, len(pictures), _BATCH):
                batch = [prepared(name) for name in pictures[start : start + _BATCH]]
                found.append(session.run([probabilities, flat], {images: np.stack(batch)}))
    return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])


def _check_variables(prefix: str, model_name: str, variables: Sequence[Any]) -> None:
    """Raise CheckpointError where a checkpoint lacks some of a net's variables: it is of another net."""
    try:
        saved = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as err:
        raise CheckpointError(
            f"the checkpoint of {model_name} cannot be read: {str(err).splitlines()[0][:300]}"
        ) from err
    missing = [variable.op.name for variable in variables if variable.op.name not in saved]
    if missing:
        raise CheckpointError(
            f"the checkpoint lacks {len(missing)} of {len(variables)} variables of {model_name}, such as {missing[0]}:"
            f" it is of another net"
        )
