"""A model's preprocessing by Pillow and numpy: the pixels that TensorFlow would decode, without its 0.6 GB."""

import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv.errors import ImageError
from sparkcv.preprocess import numpy_eval, picture_file
from sparkcv.preprocess.normalization import OWN_RANGE, Normalization

__all__ = ["PillowDecoder"]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_NOT_DECODED = "not decodable"


class PillowDecoder:
    """Decodes and prepares as evaluation does; see :class:`sparkcv.predict.engines.Decoder`.

    JPEG is decoded as every reader but TensorFlow's default does (``jpeg_arithmetic`` ``accurate``), which Pillow can
    do in no other way.

    Args:
        preprocessing: a name that :func:`sparkcv.preprocess.get` knows.
        size: side of the square that comes out, in pixels.
        use_grayscale: one channel comes out, not three.
        normalization: applied to the pixels.
        num_threads: pictures decoded at the same time.
    """

    def __init__(
        self,
        preprocessing: str,
        size: int,
        *,
        use_grayscale: bool = False,
        normalization: Normalization = OWN_RANGE,
        num_threads: int = 1,
    ) -> None:
        self._preprocessing = preprocessing
        self._size = size
        self._use_grayscale = use_grayscale
        self._normalization = normalization
        self._pool = ThreadPoolExecutor(num_threads, "decode") if num_threads > 1 else None

    def decode(self, pictures: Sequence[tuple[bytes, int]]) -> list[NDArray[Any] | ImageError]:
        """Turn each picture, bytes and orientation, into float32 ``[size, size, channels]``, or into an ImageError."""
        return list(self._pool.map(self._decode, pictures) if self._pool else map(self._decode, pictures))

    def close(self) -> None:
        """End the threads; calling it again does nothing."""
        if self._pool:
            self._pool.shutdown()

    def _decode(self, item: tuple[bytes, int]) -> NDArray[Any] | ImageError:
        encoded, orientation = item
        try:
            pixels = numpy_eval.turn(_pixels(encoded), orientation)
        except ImageError as err:
            return err
        return numpy_eval.for_eval(
            self._preprocessing,
            pixels,
            self._size,
            use_grayscale=self._use_grayscale,
            normalization=self._normalization,
        )


def _pixels(encoded: bytes) -> NDArray[np.uint8]:
    try:
        return _first_frame(encoded)
    except MemoryError:
        raise
    except Exception as err:  # Pillow's decoders raise whatever broke in them
        words = " ".join(str(err).split())[:120]
        raise ImageError(f"{_NOT_DECODED}: {words or type(err).__name__}") from err


def _first_frame(encoded: bytes) -> NDArray[np.uint8]:
    """Return uint8 ``[height, width, 3]`` of the first frame, transparency left out, 16 bits by their upper 8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, and of sizes that were looked at before
        with Image.open(io.BytesIO(picture_file.bare(encoded)), formats=_FORMATS) as opened:
            opened.load()
            if opened.mode.startswith("I;16"):
                grey = (np.asarray(opened).astype(np.uint16) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            pixels = np.asarray(opened.convert("RGB"))
            clear = opened.info.get("transparency") if opened.format == "GIF" else None
            if clear is not None:  # TensorFlow has black there, not the colour beneath as of a PNG
                pixels = np.where((np.asarray(opened) == clear)[..., None], np.uint8(0), pixels)
            return pixels
