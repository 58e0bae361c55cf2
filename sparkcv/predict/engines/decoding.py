"""A model's preprocessing as a graph of its own, run picture by picture: a bad one costs itself only."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import preprocess
from sparkcv.errors import ImageError
from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.predict.engines.tf import session_config
from sparkcv.preprocess import EncodedPicture
from sparkcv.preprocess.normalization import OWN_RANGE, Normalization

__all__ = ["TFDecoder"]

_NOT_DECODED = "not decodable"


class TFDecoder:
    """Decodes with :meth:`sparkcv.preprocess.Preprocessing.for_eval`; see :class:`sparkcv.predict.engines.Decoder`.

    Args:
        preprocessing: a name that :func:`sparkcv.preprocess.get` knows.
        size: side of the square that comes out, in pixels.
        use_grayscale: one channel comes out, not three.
        jpeg_arithmetic: see :class:`sparkcv.preprocess.EncodedPicture`.
        normalization: applied to the pixels.
        num_threads: pictures decoded at the same time.
    """

    def __init__(
        self,
        preprocessing: str,
        size: int,
        *,
        use_grayscale: bool = False,
        jpeg_arithmetic: str = "accurate",
        normalization: Normalization = OWN_RANGE,
        num_threads: int = 1,
    ) -> None:
        graph = tf.Graph()
        with graph.as_default():
            encoded = tf.placeholder(tf.string, [], name="encoded")
            orientation = tf.placeholder(tf.int64, [], name="orientation")
            picture = EncodedPicture(encoded, orientation, jpeg_arithmetic)
            family = preprocess.get(preprocessing).normalized(normalization)
            image = family.for_eval(picture, size, use_grayscale=use_grayscale)
        self._session: Any = tf.Session(graph=graph, config=session_config(1))
        self._run = self._session.make_callable(image, feed_list=[encoded, orientation])
        self._pool = ThreadPoolExecutor(num_threads, "decode") if num_threads > 1 else None

    def decode(self, pictures: Sequence[tuple[bytes, int]]) -> list[NDArray[Any] | ImageError]:
        """Turn each picture, bytes and orientation, into float32 ``[size, size, channels]``, or into an ImageError."""
        return list(self._pool.map(self._decode, pictures) if self._pool else map(self._decode, pictures))

    def close(self) -> None:
        """Close threads and session; calling it again does nothing."""
        if self._pool:
            self._pool.shutdown()
        self._session.close()

    def _decode(self, item: tuple[bytes, int]) -> NDArray[Any] | ImageError:
        picture, orientation = item
        try:
            return np.asarray(self._run(np.array(picture, object), np.int64(orientation)), np.float32)
        except tf.errors.ResourceExhaustedError as err:
            raise MemoryError(f"decoding a picture of {len(picture)} bytes: {err.message}") from err
        except tf.errors.OpError as err:
            return ImageError(f"{_NOT_DECODED}: {_short(err.message)}")


def _short(message: str) -> str:
    """Take TensorFlow's first words only: behind them stand node names and a whole traceback."""
    return message.strip().split("\n")[0].split(" [[")[0].strip()[:120]
