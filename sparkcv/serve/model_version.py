"""One version of a model: loaded, checked, asked for scores, drained and unloaded."""

import asyncio
import contextlib
import dataclasses
import enum
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from typing import Any

from sparkcv import nets, synthetic
from sparkcv.caption import caption_model
from sparkcv.errors import ModelError, SparkcvError
from sparkcv.predict import evaluation, scored_picture
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest
from sparkcv.records import labels as label_files
from sparkcv.serve import generating, stylizing
from sparkcv.serve.answers import Answers
from sparkcv.serve.background import in_background
from sparkcv.serve.errors import RequestError
from sparkcv.serve.model_kinds import answers_of
from sparkcv.serve.model_process import ModelProcess, ScoreReply, WorkerOrder
from sparkcv.serve.protocols.values import Interface, ModelInput
from sparkcv.serve.statistics import RequestStatistics
from sparkcv.style.transformer_spec import LEAST_SIDE
from sparkcv.text2image.picture_task import Row
from sparkcv.text2image.trained_gan import TrainedGan

__all__ = ["ModelVersion", "State", "digest_now"]

_WARM_UP_S = 120.0
_TOLERANCE = 1e-4


class State(enum.Enum):
    """Where a version stands, by TensorFlow Serving's names; FAILED is its END with an error."""

    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"
    FAILED = "FAILED"


@dataclasses.dataclass(frozen=True)
class ServedNet:
    """Which net a version is: what it answers with, its digest, its name; ``generator`` is what its training left."""

    answers: Answers
    digest: str
    name: str
    generator: TrainedGan | None = None


class ModelVersion:
    """One version; ``load`` and ``unload`` once each.

    Attributes:
        name, version, url: which it is.
        state, error: where it stands, and why it failed.
        net: which net it is, once its description was read.
        manifest: what its model.json says, of one that gives scores.
        interface: what it takes and gives, once it is loaded.
        loaded_s: seconds that loading and checking took.
        accuracy: of the evaluation that its export carried along; None for none.
    """

    def __init__(self, name: str, version: int, url: str) -> None:
        self.name, self.version, self.url = name, version, url
        self.state, self.error = State.LOADING, ""
        self.manifest: ModelManifest | None = None
        self.net: ServedNet | None = None
        self.interface: Interface | None = None
        self.process: ModelProcess | None = None
        self.statistics = RequestStatistics()
        self.loaded_s = 0.0
        self.accuracy: float | None = None
        self.num_running = 0
        self._copies = ""  # the local folder of the process's copies
        self._idle = asyncio.Event()
        self._idle.set()

    def __str__(self) -> str:
        """Return what log lines call it."""
        return f"{self.name} version {self.version}"

    @property
    def is_available(self) -> bool:
        """Whether it takes requests."""
        return self.state is State.AVAILABLE

    async def load(self, order: WorkerOrder, max_batch: int) -> None:
        """Read, start and check it; raises SparkcvError, and is FAILED then."""
        begin_s = time.monotonic()
        try:
            load = {
                Answers.CAPTIONS: self._load_captions,
                Answers.PICTURES: self._load_style,
                Answers.DRAWINGS: self._load_generator,
            }
            kind = await in_background(answers_of, self.url)
            await load.get(kind or Answers.SCORES, self._load_classifier)(order, max_batch)
        except (SparkcvError, RequestError, OSError, TimeoutError) as err:
            await self._fail(str(err) or type(err).__name__)
            raise ModelError(f"{self} is not loaded: {self.error}") from err
        except Exception as err:  # one version's bug holds up no other, nor the looking for new ones
            await self._fail(f"a bug of the service: {err!r}")
            raise ModelError(f"{self} is not loaded: {self.error}") from err
        self.loaded_s = time.monotonic() - begin_s
        self.state = State.AVAILABLE

    async def _load_classifier(self, order: WorkerOrder, max_batch: int) -> None:
        manifest = await in_background(manifests.read_manifest, self.url)
        names = await in_background(_labels, self.url, manifest)
        self.manifest, self.net = manifest, ServedNet(Answers.SCORES, manifest.digest, manifest.model_name)
        self.accuracy = evaluation.accuracy(await in_background(evaluation.read, self.url, manifest))
        self.interface = Interface(manifest.image_size, manifest.channels, names, max_batch)
        await self._check(manifest, await self._start(order))

    async def _load_captions(self, order: WorkerOrder, max_batch: int) -> None:
        """Load a net of captions, and have it tell a drawn picture before any request does."""
        found = await in_background(caption_model.read_model, self.url)
        self.net = ServedNet(Answers.CAPTIONS, found.digest, found.model_name)
        size = found.image_size or nets.get(found.model_name).default_image_size
        self.interface = Interface(size, 3, (), max_batch)
        process = await self._start(order)
        if not (await process.score_picture(_drawn(size), time.monotonic() + _WARM_UP_S)).captions:
            raise ModelError("it tells no caption of a picture")

    async def _load_style(self, order: WorkerOrder, max_batch: int) -> None:
        """Load a style net, and have it stylize a drawn picture before any request does."""
        weights = await in_background(stylizing.read_net, self.url)
        self.net = ServedNet(Answers.PICTURES, weights.digest, "style transformer")
        self.interface = Interface(LEAST_SIDE, 3, (), max_batch)
        process = await self._start(order)
        await process.score_picture(_drawn(LEAST_SIDE), time.monotonic() + _WARM_UP_S)

    async def _load_generator(self, order: WorkerOrder, max_batch: int) -> None:
        """Load a generator of pictures from captions, and have it make one before any request does."""
        found = await in_background(generating.find, self.url)
        self.net = ServedNet(Answers.DRAWINGS, found.digest, "GAN-CLS", found)
        self.interface = Interface(found.spec.image_size, 3, (), max_batch)
        process = await self._start(generating.order_of(order, found))
        asked = generating.asked(Row(found.texts.vocabulary.encode(()), 0), seed=0)
        await process.score_picture(asked, time.monotonic() + _WARM_UP_S)

    async def _start(self, order: WorkerOrder) -> ModelProcess:
        """Start the process of the net that was read."""
        if self.net is not None:
            order = dataclasses.replace(order, digest=self.net.digest, answers=self.net.answers)
        # A folder of its own, that goes with it: a version every night would fill the disk.
        self._copies = os.path.join(order.cache_dir, f"{self.name}-{self.version}-{secrets.token_hex(4)}")
        order = dataclasses.replace(order, cache_dir=self._copies)
        self.process = ModelProcess(str(self), order)
        await self.process.start()
        return self.process

    @property
    def digest(self) -> str:
        """The model's digest; "" before it was read."""
        return self.net.digest if self.net is not None else ""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have an unload wait, as long as it may, for the end of the block."""
        self.num_running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.num_running -= 1
            if not self.num_running:
                self._idle.set()

    async def score(self, given: ModelInput, deadline_s: float) -> list[ScoreReply | RequestError]:
        """Score pictures; each costs only itself. Raises RequestError (503) if all were lost with the process."""
        if self.process is None:
            raise RequestError(503, f"{self} is not loaded", retry_after_s=1)
        with self.running():
            process = self.process
            if given.pixels is not None:
                asked = [process.score_pixels(row, deadline_s) for row in given.pixels]
            else:
                wanted = given.file_format
                asked = [process.score_picture(picture, deadline_s, wanted) for picture in given.pictures]
            tasks = [asyncio.ensure_future(one) for one in asked]
            try:
                found = await asyncio.gather(*tasks, return_exceptions=True)
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
                raise
        answers: list[ScoreReply | RequestError] = []
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, RequestError):
                raise one
            answers.append(one)
        return answers

    async def explain(self, picture: bytes, label_id: int | None) -> dict[str, Any]:
        """Return what :meth:`.ModelProcess.explain` does; raises as :meth:`score`."""
        if self.process is None:
            raise RequestError(503, f"{self} is not loaded", retry_after_s=1)
        with self.running():
            return await self.process.explain(picture, label_id)

    async def unload(self, drain_s: float) -> None:
        """Take no more requests, answer those that run, and give the memory and the disk back."""
        self.state = State.UNLOADING
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), drain_s)
        await self._end()
        self.state = State.END

    async def _check(self, manifest: ModelManifest, process: ModelProcess) -> None:
        """Score a picture before any request does: the first run of a graph takes longest, and may fail.

        It is the one that the export has scored, whose scores must be those of then; else a drawn one.
        """
        kept = await in_background(scored_picture.read, self.url, manifest)
        picture = kept.picture if kept else _drawn(manifest.image_size)
        reply = await process.score_picture(picture, time.monotonic() + _WARM_UP_S)
        if reply.scores.shape != (manifest.num_classes,):
            raise ModelError(f"it gives {reply.scores.shape[0]} scores, model.json says {manifest.num_classes}")
        if not abs(float(reply.scores.sum()) - 1) <= _TOLERANCE:
            raise ModelError(f"its scores of a picture add up to {float(reply.scores.sum()):.6f}, wanted 1")
        if kept is not None:
            kept.check(reply.scores)

    async def _fail(self, reason: str) -> None:
        self.state, self.error = State.FAILED, reason
        await self._end()

    async def _end(self) -> None:
        if self.process is not None:
            await self.process.close()
            self.process = None
        if self._copies:
            await asyncio.to_thread(shutil.rmtree, self._copies, ignore_errors=True)


def digest_now(url: str) -> str:
    """Return the digest of the net of a folder as it is now; raises SparkcvError where it cannot be told."""
    kind = answers_of(url)
    if kind is Answers.CAPTIONS:
        return caption_model.read_model(url).digest
    if kind is Answers.PICTURES:
        return stylizing.read_net(url).digest
    return generating.find(url).digest if kind is Answers.DRAWINGS else manifests.read_manifest(url).digest


def _drawn(size: int) -> bytes:
    return synthetic.encode(synthetic.draw(0, seed=0, size=max(32, size)), "png")


def _labels(url: str, manifest: ModelManifest) -> tuple[str, ...]:
    where = f"{url}/{manifests.LABELS}"
    try:
        names = label_files.parse_labels(manifests.read_file(url, manifest, manifests.LABELS).decode("utf-8"), where)
    except UnicodeDecodeError as err:
        raise ModelError(f"{where!r} is no list of labels: {err}") from err
    if len(names) != manifest.num_classes:
        raise ModelError(f"labels.txt has {len(names)} labels, the model has {manifest.num_classes} classes")
    return tuple(names)
