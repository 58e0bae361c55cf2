"""A worker process: one version of one model, loaded by digest, behind a socket pair.

It is started as ``python -m sparkcv.serve.worker_program FD``. The first message says what to load; from then on each
picture is a message, and so is each answer, in any order. It ends when the front process closes its end.
"""

import contextlib
import dataclasses
import functools
import logging
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.errors import SparkcvError, StorageError
from sparkcv.imports import exit_now
from sparkcv.launchers import pipe_messages as frames
from sparkcv.predict.predictor import Predictor, Reject
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.serve.answers import Answers
from sparkcv.serve.batcher import Batcher, BatchModel, Item, Scored, failure
from sparkcv.serve.errors import RequestError

if TYPE_CHECKING:
    from sparkcv.serve.stylizing import Stylizer

__all__ = ["PredictorModel", "main"]

_log = logs.get(__name__)


class PredictorModel:
    """A Predictor as the batcher drives it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._scoring = threading.Lock()  # one thread at a time may use an engine

    def decode(self, picture: bytes) -> NDArray[np.float32]:
        """Return a picture's pixels ``[size, size, channels]``; raises RequestError (400) where it cannot be used."""
        (pixels,) = self._predictor.decode([picture])
        if isinstance(pixels, Reject):
            raise RequestError(400, pixels.reason)
        return pixels

    def score(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch, from any thread."""
        with self._scoring:
            return self._predictor.score(pixels)


class _Worker:
    """One end of the socket pair: takes messages, and sends answers from the batcher's threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._source = connection.makefile("rb")
        self._sending = threading.Lock()
        self._items: dict[int, Item] = {}

    def receive(self) -> dict[str, Any] | None:
        """Return the next message; None at the end."""
        return frames.read(self._source)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; a front process that is gone is noticed by who receives."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.sendall(frames.pack(message))

    def answer(self, scored: Scored) -> None:
        """Send the answer to an item."""
        item = scored.item
        self._items.pop(item.number, None)
        self.send(
            {
                "id": item.number,
                "status": scored.status,
                "scores": _bytes(scored.scores) if isinstance(scored.scores, np.ndarray) else b"",
                "captions": scored.scores if isinstance(scored.scores, list) else [],
                "picture": scored.scores if isinstance(scored.scores, bytes) else b"",
                "format": item.file_format,
                "reason": scored.reason,
                "batch": scored.batch_size,
                "times": [item.decode_s, scored.wait_s, scored.model_s],
            }
        )

    def serve(self, order: dict[str, Any]) -> None:
        """Load the model and answer until the front process is gone; raises SparkcvError if it cannot be loaded."""
        rules = PictureRules(compress_level=0, max_pixels=order["max_pixels"], background=tuple(order["background"]))
        serve = {
            Answers.SCORES: self._serve_scores,
            Answers.CAPTIONS: self._serve_captions,
            Answers.PICTURES: self._serve_pictures,
            Answers.DRAWINGS: self._serve_drawings,
        }
        serve[Answers(order["answers"])](order, rules)

    def _serve_scores(self, order: dict[str, Any], rules: PictureRules) -> None:
        predictor = Predictor.load(
            order["model_url"],
            order["cache_dir"],
            digest=order["digest"],
            engine=order["engine"],
            num_threads=order["num_threads"],
            rules=rules,
        )
        with predictor:
            model = PredictorModel(predictor)
            explain = functools.partial(self._explain, predictor, model)
            self._follow(self._batcher(order, model), predictor.engine.name, explain)

    def _serve_captions(self, order: dict[str, Any], rules: PictureRules) -> None:
        from sparkcv.serve.captioning import CaptionerModel, kept_model

        folder = kept_model(order["model_url"], order["digest"], order["cache_dir"])
        model = CaptionerModel(folder, rules, order["num_threads"])
        with contextlib.closing(model):
            self._follow(self._batcher(order, model), "tf", self._explain_nothing)

    def _serve_pictures(self, order: dict[str, Any], rules: PictureRules) -> None:
        from sparkcv.serve.stylizing import Stylizer, kept_net

        weights = kept_net(order["model_url"], order["digest"], order["cache_dir"])
        rules = dataclasses.replace(rules, max_pixels=min(rules.max_pixels, order["max_stylized_pixels"]))
        stylizer = Stylizer(weights, rules, order["num_threads"], self.answer)
        self._follow(stylizer, "tf", self._explain_nothing)

    def _serve_drawings(self, order: dict[str, Any], rules: PictureRules) -> None:
        from sparkcv.serve.generating import GeneratorModel

        model = GeneratorModel(order)
        with contextlib.closing(model):
            self._follow(self._batcher(order, model), "tf", self._explain_nothing)

    def _batcher(self, order: dict[str, Any], model: BatchModel) -> Batcher:
        return Batcher(
            model,
            self.answer,
            max_batch_size=order["max_batch_size"],
            max_delay_s=order["max_delay_s"],
            num_threads=order["num_threads"],
        )

    def _follow(self, answering: "Batcher | Stylizer", engine: str, explain: Callable[[Any], None]) -> None:
        """Answer what comes until the front process is gone.

        Explanations are made one after the other: one may take a hundred scores.
        """
        explaining = ThreadPoolExecutor(1)
        explanations: dict[int, Future[None]] = {}
        self.send({"ready": True, "engine": engine})
        while (message := self.receive()) is not None:
            if message["kind"] == "cancel":
                item = self._items.get(message["id"])
                if item is not None:
                    item.is_cancelled = True
                elif message["id"] in explanations:
                    explanations[message["id"]].cancel()
            elif message["kind"] == "explain":
                explanations = {number: one for number, one in explanations.items() if not one.done()}
                explanations[message["id"]] = explaining.submit(explain, message)
            else:
                item = _item(message)
                self._items[item.number] = item
                answering.put(item)
        answering.close()
        explaining.shutdown(wait=False, cancel_futures=True)

    def _explain_nothing(self, message: dict[str, Any]) -> None:
        self.send({"id": message["id"], "status": 400, "reason": "it gives no scores, so there is no map of them"})

    def _explain(self, predictor: Predictor, model: PredictorModel, message: dict[str, Any]) -> None:
        from sparkcv.serve.explaining import explain

        try:
            found = explain(predictor, model.score, message["picture"], message["label_id"])
            self.send({"id": message["id"], "status": 200, **found})
        except RequestError as err:
            self.send({"id": message["id"], "status": err.status, "reason": err.message})
        except Exception as err:  # noqa: BLE001 - the client waits for an answer
            status, reason = failure(err)
            self.send({"id": message["id"], "status": status, "reason": reason})


def _bytes(scores: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(scores, "<f4").tobytes()


def _item(message: dict[str, Any]) -> Item:
    if message["kind"] == "pixels":
        pixels = np.frombuffer(message["data"], "<f4").reshape(message["shape"])
        return Item(message["id"], pixels=pixels, deadline_s=message["deadline_s"])
    data, file_format = message["data"], message["format"]
    return Item(message["id"], picture=data, deadline_s=message["deadline_s"], file_format=file_format)


def main(argv: list[str]) -> int:
    """Serve on the socket whose file descriptor is ``argv[0]``; return the exit code."""
    logs.setup("model")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its warnings of old functions of its own, at each load
    worker = _Worker(socket.socket(fileno=int(argv[0])))
    order = worker.receive()
    if order is None:
        return 0
    try:
        worker.serve(order)
    except SparkcvError as err:
        worker.send({"ready": False, "error": str(err), "is_storage": isinstance(err, StorageError)})
        return err.exit_code
    return 0


if __name__ == "__main__":
    exit_now(main(sys.argv[1:]))  # TensorFlow's threads have nothing left to do
