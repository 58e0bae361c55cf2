"""The one Predictor: bytes of pictures in, labels and scores out, for scoring and for whoever else asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import ImageError, ModelError, ShardError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import Decoder, Engine
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.manifest import ModelManifest
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import image_header, labels
from sparkcv.records.image_header import NATIVE_FORMATS, NOT_NATIVE

__all__ = ["Prediction", "Predictor", "RecordPicture", "Reject", "check_top_k"]

_RULES = PictureRules(compress_level=0)  # of a PNG that is decoded at once, and kept nowhere


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says of one picture: ``top_k`` is ``((label, score), ...)``, best first, scores in [0, 1].

    ``label_id`` is the label's line in labels.txt, from 0.
    """

    label: str
    score: float
    top_k: tuple[tuple[str, float], ...]
    label_id: int = -1


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


class Predictor:
    """A loaded model. Use :meth:`load`; it is a context manager, and one thread at a time may use it."""

    def __init__(
        self, manifest: ModelManifest, names: Sequence[str], engine: Engine, decoder: Decoder, *, rules: PictureRules
    ) -> None:
        self.manifest = manifest
        self._names = tuple(names)
        self._engine = engine
        self._decoder = decoder
        self._rules = rules

    @classmethod
    def load(
        cls,
        model_url: str,
        cache_dir: str,
        *,
        digest: str | None = None,
        num_threads: int = 1,
        rules: PictureRules = _RULES,
    ) -> Predictor:
        """Load an exported model, every byte of it checked against its ``model.json``.

        Args:
            model_url: the model's folder.
            cache_dir: local folder that keeps the model, for the next process to find.
            digest: the only model that will do; None: whichever lies there.
            num_threads: threads of one operation, and pictures decoded at once; 0 counts as 1.
            rules: how files of pictures are read; what they do not allow is rejected before it is decoded.

        Raises:
            MissingFileError: there is no model.
            ModelError: naming the file that is not as exported, or the digest that is not the one wanted.
        """
        manifest, folder = fetch_model(model_url, cache_dir, digest=digest)
        return cls.open(folder, manifest, num_threads=num_threads, rules=rules)

    @classmethod
    def open(
        cls, folder: str, manifest: ModelManifest, *, num_threads: int = 1, rules: PictureRules = _RULES
    ) -> Predictor:
        """Load a model that lies in a local folder; raises as :meth:`load`."""
        # TensorFlow takes seconds to import, and a process that only reads manifests must not pay for it.
        from sparkcv.predict.engines.decoding import TFDecoder
        from sparkcv.predict.engines.tf import TFEngine

        names = _read_labels(folder, manifest)
        graph = manifests.read_file(folder, manifest, manifests.FROZEN_GRAPH)
        threads = max(1, num_threads)
        engine = TFEngine(graph, f"{folder}/{manifests.FROZEN_GRAPH}", num_threads=threads)
        decoder = TFDecoder(
            manifest.preprocessing,
            manifest.image_size,
            use_grayscale=manifest.use_grayscale,
            jpeg_arithmetic=manifest.jpeg_arithmetic,
            normalization=manifests.normalization(folder, manifest),
            num_threads=threads,
        )
        return cls(manifest, names, engine, decoder, rules=rules)

    def predict(self, pictures: Sequence[bytes | RecordPicture], top_k: int = 5) -> list[Prediction | Reject]:
        """Score pictures (the bytes of files, or records' pictures) as one batch; one answer each, in their order.

        A picture that cannot be used costs itself only. Raises UsageError for a ``top_k`` that the model has not.
        """
        check_top_k(top_k, self.manifest)
        answers: list[Prediction | Reject | None] = [None] * len(pictures)
        usable: dict[int, tuple[bytes, int]] = {}
        for index, picture in enumerate(pictures):
            try:
                usable[index] = self._read(picture)
            except ImageError as err:
                answers[index] = Reject(str(err))
        images: dict[int, NDArray[np.float32]] = {}
        for index, image in zip(usable, self._decoder.decode(list(usable.values())), strict=True):
            if isinstance(image, ImageError):
                answers[index] = Reject(str(image))
            else:
                images[index] = image
        if images:
            scores = self._engine.probabilities(np.stack(list(images.values())))
            for index, row in zip(images, scores, strict=True):
                answers[index] = self._rank(row, top_k)
        return [answer for answer in answers if answer is not None]

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""
        self._decoder.close()
        self._engine.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, picture: bytes | RecordPicture) -> tuple[bytes, int]:
        """Return what the decoder takes; raises ImageError. TensorFlow would decode 48 kB into a gigabyte unasked."""
        if isinstance(picture, bytes):
            seen = picture_file.read(picture, self._rules)
            return seen.encoded, seen.orientation
        header = image_header.probe(picture.encoded, max_pixels=self._rules.max_pixels, formats=NATIVE_FORMATS)
        if not header.is_native:
            raise ImageError(NOT_NATIVE.format(header.format))
        return picture.encoded, header.orientation if picture.orientation is None else picture.orientation

    def _rank(self, scores: NDArray[np.float32], top_k: int) -> Prediction | Reject:
        if not np.isfinite(scores).all():
            return Reject("not scored: the model's output is not a number")
        best = np.argsort(-scores, kind="stable")[:top_k]  # stable: equal scores keep the order of the classes
        ranked = tuple((self._names[index], float(scores[index])) for index in best)
        return Prediction(ranked[0][0], ranked[0][1], ranked, int(best[0]))


def check_top_k(top_k: int, manifest: ModelManifest) -> None:
    """Raise UsageError unless the model has ``top_k`` classes."""
    if not 1 <= top_k <= manifest.num_classes:
        raise UsageError(f"--top_k: got {top_k}, wanted 1 to {manifest.num_classes}, the classes of the model")


def _read_labels(folder: str, manifest: ModelManifest) -> tuple[str, ...]:
    where = f"{folder}/{manifests.LABELS}"
    try:
        names = labels.parse_labels(manifests.read_file(folder, manifest, manifests.LABELS).decode("utf-8"), where)
    except (ShardError, UnicodeDecodeError) as err:
        raise ModelError(f"{where!r} is no list of labels: {err}") from err
    if len(names) != manifest.num_classes:
        raise ModelError(f"{where!r} has {len(names)} labels, the model has {manifest.num_classes} classes")
    return names
