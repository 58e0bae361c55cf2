"""The one Predictor: bytes of pictures in, labels and scores out, for scoring and for whoever else asks."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv import storage
from sparkcv.errors import ImageError, ModelError, ShardError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import Decoder, Engine, NetSpec
from sparkcv.predict.engines.choice import EngineChoice, choose_engine
from sparkcv.predict.engines.loading import LocalModel, load_decoder, load_engine
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.rows import InputRow, load
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules, SeenPicture
from sparkcv.records import image_header, labels
from sparkcv.records.image_header import NATIVE_FORMATS, NOT_NATIVE

__all__ = ["Prediction", "Predictor", "RecordPicture", "Reject", "check_top_k"]

_RULES = PictureRules(compress_level=0)  # of a PNG that is decoded at once, and kept nowhere


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says of one picture: ``top_k`` is ``((label, score), ...)``, best first, scores in [0, 1].

    ``label_id`` is the label's line in labels.txt, from 0. ``features`` are the end point's that were asked for,
    float32 ``[channels]``. ``damaged`` says that the picture lost pixels inside, None that it is not known;
    ``has_more_frames`` that its file holds others behind the one scored.
    """

    label: str
    score: float
    top_k: tuple[tuple[str, float], ...]
    label_id: int = -1
    features: NDArray[np.float32] | None = dataclasses.field(default=None, compare=False, repr=False)
    damaged: bool | None = None
    has_more_frames: bool = False


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


Picture = bytes | str | os.PathLike[str] | NDArray[Any] | RecordPicture


class Predictor:
    """An exported model that scores pictures. It is a context manager, and one thread at a time may use it.

    Args:
        model_dir: URL of the exported model's folder.
        engine: ``auto``, ``tf`` or ``openvino``, in float32, or a :class:`NetSpec` that says more; ``auto`` is OpenVINO
            where it is installed.
        cache_dir: local folder that keeps the model for the next process; None: a temporary one, while it is loaded.
        num_threads: threads of one operation, and pictures decoded at once; 0 counts as 1.
        rules: how files of pictures are read; what they do not allow is rejected before it is decoded.

    Raises:
        MissingFileError: there is no model.
        ModelError: naming the file that is not as exported.
        UsageError: an engine that there is not or that is not installed, or features that the net has not.
    """

    manifest: ModelManifest
    engine: EngineChoice

    def __init__(
        self,
        model_dir: str,
        engine: str | NetSpec = "auto",
        *,
        cache_dir: str | None = None,
        num_threads: int = 0,
        rules: PictureRules = _RULES,
    ) -> None:
        net = _spec(engine)
        choice = choose_engine(net.engine, net.precision)
        with contextlib.ExitStack() as stack:
            cache = cache_dir or stack.enter_context(tempfile.TemporaryDirectory(prefix="sparkcv-model-"))
            manifest, folder = fetch_model(storage.resolve(model_dir), cache)
            self._open(LocalModel(manifest, folder, cache_dir is not None), choice, net, num_threads, rules)

    @classmethod
    def load(
        cls,
        model_url: str,
        cache_dir: str,
        *,
        digest: str | None = None,
        engine: str | NetSpec = "tf",
        num_threads: int = 1,
        rules: PictureRules = _RULES,
    ) -> Predictor:
        """Load an exported model, every byte of it checked against its ``model.json``.

        Args:
            model_url: the model's folder.
            cache_dir: local folder that keeps the model, for the next process to find.
            digest: the only model that will do; None: whichever lies there.
            engine: as of the class.
            num_threads: threads of one operation, and pictures decoded at once; 0 counts as 1.
            rules: how files of pictures are read; what they do not allow is rejected before it is decoded.

        Raises:
            MissingFileError: there is no model.
            ModelError: naming the file that is not as exported, or the digest that is not the one wanted.
        """
        net = _spec(engine)
        choice = choose_engine(net.engine, net.precision)
        manifest, folder = fetch_model(model_url, cache_dir, digest=digest)
        made = cls.__new__(cls)
        made._open(LocalModel(manifest, folder), choice, net, num_threads, rules)
        return made

    @classmethod
    def open(
        cls, folder: str, manifest: ModelManifest, *, num_threads: int = 1, rules: PictureRules = _RULES
    ) -> Predictor:
        """Load a model that lies in a local folder in TensorFlow; raises as :meth:`load`."""
        made = cls.__new__(cls)
        made._open(LocalModel(manifest, folder, False), choose_engine("tf"), NetSpec("tf"), num_threads, rules)
        return made

    @classmethod
    def of_parts(
        cls, manifest: ModelManifest, names: Sequence[str], engine: Engine, decoder: Decoder, *, rules: PictureRules
    ) -> Predictor:
        """Return a predictor of a loaded engine and decoder."""
        made = cls.__new__(cls)
        made.engine, made._net_spec = EngineChoice(type(engine).__name__, "given"), NetSpec()
        made._set(manifest, names, engine, decoder, rules)
        return made

    def _open(
        self, model: LocalModel, choice: EngineChoice, net: NetSpec, num_threads: int, rules: PictureRules
    ) -> None:
        names, threads = _read_labels(model.folder, model.manifest), max(1, num_threads)
        self.engine, self._net_spec = choice, net
        engine = load_engine(model, choice, net, threads)
        self._set(model.manifest, names, engine, load_decoder(model, choice, threads), rules)

    def _set(
        self, manifest: ModelManifest, names: Sequence[str], engine: Engine, decoder: Decoder, rules: PictureRules
    ) -> None:
        self.manifest = manifest
        self._names = tuple(names)
        self._engine = engine
        self._decoder = decoder
        self._rules = rules

    def predict(self, pictures: Sequence[Picture], top_k: int = 5) -> list[Prediction | Reject]:
        """Score pictures as one batch; one answer each, in their order.

        A picture is the bytes of its file, the file's path or URL, its pixels (uint8 ``[height, width, 3]`` or
        ``[height, width]``), or a record's picture. One that cannot be used costs itself only. Raises UsageError for a
        ``top_k`` that the model has not.
        """
        check_top_k(top_k, self.manifest)
        seen = [self._try_read(picture) for picture in pictures]
        decoded = self._decode(seen)
        images = [image for image in decoded if not isinstance(image, Reject)]
        answers = iter(self._answer(np.stack(images), top_k) if images else ())
        return [
            image if isinstance(image, Reject) else _described(next(answers), picture)
            for image, picture in zip(decoded, seen, strict=True)
        ]

    def decode(self, pictures: Sequence[Picture]) -> list[NDArray[np.float32] | Reject]:
        """Turn each picture into what the net takes, float32 ``[size, size, channels]``, or say why that cannot be.

        Several threads may do it at once.
        """
        return self._decode([self._try_read(picture) for picture in pictures])

    def _decode(self, seen: Sequence[SeenPicture | Reject]) -> list[NDArray[np.float32] | Reject]:
        usable = [(one.encoded, one.orientation) for one in seen if not isinstance(one, Reject)]
        decoded = iter(self._decoder.decode(usable))
        images = [one if isinstance(one, Reject) else next(decoded) for one in seen]
        return [Reject(str(image)) if isinstance(image, ImageError) else image for image in images]

    def score(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities ``[batch, classes]`` of decoded pictures ``[batch, size, size, channels]``."""
        return self._engine.probabilities(images)

    def _answer(self, images: NDArray[np.float32], top_k: int) -> Iterator[Prediction | Reject]:
        if self._net_spec.features is None:
            yield from (self.rank(scores, top_k) for scores in self.score(images))
            return
        for scores, features in zip(*self._engine.with_features(images), strict=True):
            answer = self.rank(scores, top_k)
            if isinstance(answer, Prediction) and not np.isfinite(features).all():
                answer = Reject("not scored: the model's features are not numbers")
            yield answer if isinstance(answer, Reject) else dataclasses.replace(answer, features=features)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities' columns."""
        return self._names

    @property
    def net(self) -> Engine:
        """The loaded net."""
        return self._engine

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

    def _try_read(self, picture: Picture) -> SeenPicture | Reject:
        try:
            return self._read(picture)
        except ImageError as err:
            return Reject(str(err))

    def _read(self, picture: Picture) -> SeenPicture:
        """Return what the decoder takes; raises ImageError. TensorFlow would decode 48 kB into a gigabyte unasked."""
        if isinstance(picture, str | os.PathLike):
            found = load(InputRow("", url=storage.resolve(os.fspath(picture))))
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

    def rank(self, scores: NDArray[np.float32], top_k: int) -> Prediction | Reject:
        """Return the best classes of one picture's probabilities ``[classes]``; a Reject if they are not finite."""
        if not np.isfinite(scores).all():
            return Reject("not scored: the model's output is not a number")
        best = np.argsort(-scores, kind="stable")[:top_k]  # stable: equal scores keep the order of the classes
        ranked = tuple((self._names[index], float(scores[index])) for index in best)
        return Prediction(ranked[0][0], ranked[0][1], ranked, int(best[0]))


def _described(answer: Prediction | Reject, seen: SeenPicture | Reject) -> Prediction | Reject:
    """Say of a prediction what is known of its picture."""
    if isinstance(answer, Reject) or isinstance(seen, Reject):
        return answer
    return dataclasses.replace(answer, damaged=seen.is_damaged, has_more_frames=seen.has_more_frames)


def check_top_k(top_k: int, manifest: ModelManifest) -> None:
    """Raise UsageError unless the model has ``top_k`` classes."""
    if not 1 <= top_k <= manifest.num_classes:
        raise UsageError(f"--top_k: got {top_k}, wanted 1 to {manifest.num_classes}, the classes of the model")


def _to_png(pixels: NDArray[Any]) -> bytes:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ImageError(
            f"unusable pixels: {pixels.dtype} {list(pixels.shape)}, wanted uint8 [height, width, 3] or [height, width]"
        )
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def _spec(engine: str | NetSpec) -> NetSpec:
    return engine if isinstance(engine, NetSpec) else NetSpec(engine)


def _read_labels(folder: str, manifest: ModelManifest) -> tuple[str, ...]:
    where = f"{folder}/{manifests.LABELS}"
    try:
        names = labels.parse_labels(manifests.read_file(folder, manifest, manifests.LABELS).decode("utf-8"), where)
    except (ShardError, UnicodeDecodeError) as err:
        raise ModelError(f"{where!r} is no list of labels: {err}") from err
    if len(names) != manifest.num_classes:
        raise ModelError(f"{where!r} has {len(names)} labels, the model has {manifest.num_classes} classes")
    return names
