"""From a picture to what the net takes: read as a file or a record, decoded, sized; a bad one costs itself only."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv import storage
from sparkcv.errors import ImageError, UsageError
from sparkcv.predict.engines import Decoder
from sparkcv.predict.rows import InputRow, load
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules, SeenPicture
from sparkcv.records import image_header
from sparkcv.records.image_header import NATIVE_FORMATS, NOT_NATIVE

__all__ = ["Picture", "PicturePreparer", "PreparedPicture", "RecordPicture", "Reject"]


@dataclasses.dataclass(frozen=True)
class RecordPicture:
    """A picture out of a record, which is decoded as training decodes it, not looked at as a file is.

    ``orientation`` is the record's, 1 to 8 as EXIF counts; None for the picture's own.
    """

    encoded: bytes
    orientation: int | None = 1


@dataclasses.dataclass(frozen=True)
class Reject:
    """Why there is no prediction: a short reason with a fixed head, so that reports can count it."""

    reason: str


@dataclasses.dataclass(frozen=True)
class PreparedPicture:
    """A picture as the net takes it.

    Attributes:
        pixels: float32 ``[size, size, channels]``.
        damaged: the picture lost pixels inside; None: not known.
        has_more_frames: its file holds others behind this one.
    """

    pixels: NDArray[np.float32]
    damaged: bool | None = None
    has_more_frames: bool = False


Picture = bytes | str | os.PathLike[str] | NDArray[Any] | RecordPicture


class PicturePreparer:
    """Prepares pictures by one model's preprocessing; several threads may do it at once.

    Args:
        decoder: the model's preprocessing.
        rules: how files of pictures are read; what they do not allow is rejected before it is decoded.
    """

    def __init__(self, decoder: Decoder, rules: PictureRules) -> None:
        self._decoder, self._rules = decoder, rules

    def prepare(self, pictures: Sequence[Picture]) -> list[PreparedPicture | Reject]:
        """Prepare each picture, or say why that cannot be."""
        seen = [self._try_read(picture) for picture in pictures]
        usable = [(one.encoded, one.orientation) for one in seen if not isinstance(one, Reject)]
        decoded = iter(self._decoder.decode(usable))
        return [one if isinstance(one, Reject) else _prepared(next(decoded), one) for one in seen]

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""
        self._decoder.close()

    def _try_read(self, picture: Picture) -> SeenPicture | Reject:
        try:
            return self._read(picture)
        except ImageError as err:
            return Reject(str(err))

    def _read(self, picture: Picture) -> SeenPicture:
        """Return what the decoder takes; raises ImageError. TensorFlow would decode 48 kB into a gigabyte unasked."""
        if isinstance(picture, str | os.PathLike):
            try:
                url = storage.resolve(os.fspath(picture))
            except UsageError as err:
                raise ImageError(f"no path: {err}") from err
            found = load(InputRow("", url=url))
            if isinstance(found, str):
                raise ImageError(found)
            picture = found
        elif isinstance(picture, np.ndarray):
            picture = _to_png(picture)
        if isinstance(picture, bytes):
            return picture_file.read(picture, self._rules)
        header = image_header.probe(picture.encoded, max_pixels=self._rules.max_pixels, formats=NATIVE_FORMATS)
        if not header.is_native:
            raise ImageError(NOT_NATIVE.format(header.format))
        return SeenPicture(
            picture.encoded,
            header.format,
            header.height,
            header.width,
            header.orientation if picture.orientation is None else picture.orientation,
            picture_file.is_damaged(picture.encoded, header, self._rules),
            header.has_more_frames,
        )


def _prepared(image: NDArray[Any] | ImageError, seen: SeenPicture) -> PreparedPicture | Reject:
    if isinstance(image, ImageError):
        return Reject(str(image))
    return PreparedPicture(image, seen.is_damaged, seen.has_more_frames)


def _to_png(pixels: NDArray[Any]) -> bytes:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ImageError(
            f"unusable pixels: {pixels.dtype} {list(pixels.shape)}, wanted uint8 [height, width, 3] or [height, width]"
        )
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()
