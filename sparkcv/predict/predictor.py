"""The one Predictor: bytes of pictures in, labels and scores out, for scoring and for whoever else asks."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import ModelError, ShardError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import Decoder, Engine, NetSpec
from sparkcv.predict.engines.choice import EngineChoice, choose_engine
from sparkcv.predict.engines.loading import LocalModel, load_decoder, load_engine
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.preparing import Picture, PicturePreparer, PreparedPicture, RecordPicture, Reject
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import labels

__all__ = ["Picture", "Prediction", "Predictor", "RecordPicture", "Reject", "check_top_k"]

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
        self._preparer = PicturePreparer(decoder, rules)

    def predict(self, pictures: Sequence[Picture], top_k: int = 5) -> list[Prediction | Reject]:
        """Score pictures as one batch; one answer each, in their order.

        A picture is the bytes of its file, the file's path or URL, its pixels (uint8 ``[height, width, 3]`` or
        ``[height, width]``), or a record's picture. One that cannot be used costs itself only. Raises UsageError for a
        ``top_k`` that the model has not.
        """
        check_top_k(top_k, self.manifest)  # before any picture is read
        return self.predict_prepared(self._preparer.prepare(pictures), top_k)

    def predict_prepared(self, prepared: Sequence[PreparedPicture | Reject], top_k: int) -> list[Prediction | Reject]:
        """Score what this model's preparer gave, as one batch; raises as :meth:`predict`."""
        check_top_k(top_k, self.manifest)
        images = [one.pixels for one in prepared if not isinstance(one, Reject)]
        answers = iter(self._answer(np.stack(images), top_k) if images else ())
        return [one if isinstance(one, Reject) else _described(next(answers), one) for one in prepared]

    def decode(self, pictures: Sequence[Picture]) -> list[NDArray[np.float32] | Reject]:
        """Turn each picture into what the net takes, float32 ``[size, size, channels]``, or say why that cannot be.

        Several threads may do it at once.
        """
        return [one if isinstance(one, Reject) else one.pixels for one in self._preparer.prepare(pictures)]

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
    def preparer(self) -> PicturePreparer:
        """What makes the net's input of pictures."""
        return self._preparer

    @property
    def net(self) -> Engine:
        """The loaded net."""
        return self._engine

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""
        self._preparer.close()
        self._engine.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rank(self, scores: NDArray[np.float32], top_k: int) -> Prediction | Reject:
        """Return the best classes of one picture's probabilities ``[classes]``; a Reject if they are not finite."""
        if not np.isfinite(scores).all():
            return Reject("not scored: the model's output is not a number")
        best = np.argsort(-scores, kind="stable")[:top_k]  # stable: equal scores keep the order of the classes
        ranked = tuple((self._names[index], float(scores[index])) for index in best)
        return Prediction(ranked[0][0], ranked[0][1], ranked, int(best[0]))


def _described(answer: Prediction | Reject, picture: PreparedPicture) -> Prediction | Reject:
    """Say of a prediction what is known of its picture."""
    if isinstance(answer, Reject):
        return answer
    return dataclasses.replace(answer, damaged=picture.damaged, has_more_frames=picture.has_more_frames)


def check_top_k(top_k: int, manifest: ModelManifest) -> None:
    """Raise UsageError unless the model has ``top_k`` classes."""
    if not 1 <= top_k <= manifest.num_classes:
        raise UsageError(f"--top_k: got {top_k}, wanted 1 to {manifest.num_classes}, the classes of the model")


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
