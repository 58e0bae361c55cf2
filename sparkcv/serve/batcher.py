"""Pictures that come one by one, decoded side by side and scored in batches: what a worker process does all day.

Small pictures are decoded by a pool of their own, so that large ones do not hold them up. A batch starts with the first
picture that is ready, and takes what becomes ready within ``max_delay_s``. A picture whose client is gone or whose
deadline has passed is neither decoded nor scored.
"""

import dataclasses
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.errors import SparkcvError
from sparkcv.serve.errors import RequestError

__all__ = ["BatchModel", "Batcher", "Item", "Scored", "TOO_LATE", "failure"]

# Of a client that went away nobody reads it.
TOO_LATE = "its turn did not come within --timeout_s, as the model had other pictures before it"
LARGE_BYTES = 1 << 20  # an encoded picture of more than that takes tens of milliseconds to decode
_log = logs.get(__name__)


@dataclasses.dataclass
class Item:
    """One picture on its way.

    Attributes:
        number: the front's number of it.
        picture: the bytes of its file; empty where ``pixels`` are given.
        pixels: float32 ``[size, size, channels]``.
        deadline_s: by ``time.monotonic()``, behind which nobody waits for it.
        is_cancelled: whether its client is gone.
        file_format: in which a picture is wanted back; "": in its own.
    """

    number: int
    picture: bytes = b""
    pixels: NDArray[np.float32] | None = None
    deadline_s: float = float("inf")
    is_cancelled: bool = False
    file_format: str = ""
    arrived_s: float = dataclasses.field(default_factory=time.monotonic)
    decode_s: float = 0.0
    ready_s: float = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.is_cancelled and time.monotonic() < self.deadline_s


@dataclasses.dataclass(frozen=True)
class Scored:
    """The answer to an item: ``scores`` float32 ``[classes]``, its captions, a picture's file, or why there is none.

    ``status`` is 200, 400 for a picture that cannot be used, 504 for one that came too late, and 503 or 500 where the
    model failed.
    """

    item: Item
    status: int
    scores: NDArray[np.float32] | list[tuple[str, float]] | bytes | None = None
    reason: str = ""
    batch_size: int = 0
    wait_s: float = 0.0
    model_s: float = 0.0


class BatchModel(Protocol):
    """What the batcher drives."""

    def decode(self, picture: bytes) -> NDArray[np.float32]:
        """Return a picture's pixels; raises RequestError where it cannot be used. Called from several threads."""

    def score(self, pixels: NDArray[np.float32]) -> Any:
        """Score a batch ``[batch, size, size, channels]``: ``[batch, classes]``, captions, or PNGs; from one thread."""


class Batcher:
    """Decodes and scores what is put into it; ``on_scored`` is called with each answer, from any thread."""

    def __init__(
        self,
        model: BatchModel,
        on_scored: Callable[[Scored], None],
        *,
        max_batch_size: int,
        max_delay_s: float,
        num_threads: int,
    ) -> None:
        self._model, self._on_scored = model, on_scored
        self._max_batch_size, self._max_delay_s = max_batch_size, max_delay_s
        self._small = ThreadPoolExecutor(num_threads, "decode")
        self._large = ThreadPoolExecutor(1, "decode-large")
        self._ready: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sparkcv-batches", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Take a picture; its answer comes by ``on_scored``."""
        if item.pixels is not None:
            self._make_ready(item)
            return
        pool = self._large if len(item.picture) > LARGE_BYTES else self._small
        pool.submit(self._decode, item)

    def close(self) -> None:
        """Answer what was put in, and end the threads."""
        self._small.shutdown()
        self._large.shutdown()
        self._ready.put(None)
        self._thread.join()

    def _decode(self, item: Item) -> None:
        if not item.is_wanted:
            self._on_scored(Scored(item, 504, reason=TOO_LATE))
            return
        begin_s = time.monotonic()
        try:
            item.pixels = self._model.decode(item.picture)
        except RequestError as err:
            self._on_scored(Scored(item, err.status, reason=err.message))
            return
        except Exception as err:  # noqa: BLE001 - the client waits for an answer
            status, reason = failure(err)
            self._on_scored(Scored(item, status, reason=reason))
            return
        item.picture, item.decode_s = b"", time.monotonic() - begin_s
        self._make_ready(item)

    def _make_ready(self, item: Item) -> None:
        item.ready_s = time.monotonic()
        self._ready.put(item)

    def _run(self) -> None:
        while (first := self._ready.get()) is not None:
            batch, is_over = self._gather(first)
            if batch:
                self._score(batch)
            if is_over:
                return

    def _gather(self, first: Item) -> tuple[list[Item], bool]:
        """Return a batch of what is still wanted, and whether the end has come behind it."""
        batch: list[Item] = []
        item: Item | None = first
        deadline_s = first.ready_s + self._max_delay_s
        while item is not None:
            if item.is_wanted:
                batch.append(item)
            else:
                self._on_scored(Scored(item, 504, reason=TOO_LATE))
            if len(batch) == self._max_batch_size:
                return batch, False
            try:
                item = self._ready.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                return batch, False
        return batch, True

    def _score(self, batch: list[Item]) -> None:
        begin_s = time.monotonic()
        pixels: list[Any] = [item.pixels for item in batch]
        try:
            scores = self._model.score(np.stack(pixels))
        except Exception as err:  # noqa: BLE001 - the clients wait for answers, and others wait behind them
            status, reason = failure(err)
            for item in batch:
                self._on_scored(Scored(item, status, reason=reason))
            return
        model_s = time.monotonic() - begin_s
        for item, row in zip(batch, scores, strict=True):
            item.pixels = None
            is_number = not isinstance(row, np.ndarray) or bool(np.isfinite(row).all())
            self._on_scored(
                Scored(
                    item,
                    200 if is_number else 400,
                    row if is_number else None,
                    "" if is_number else "not scored: the model's output is not a number",
                    len(batch),
                    begin_s - item.ready_s,
                    model_s,
                )
            )


def failure(err: Exception) -> tuple[int, str]:
    """Return status and reason for clients of what a model's code raised; the log has the rest."""
    if isinstance(err, (SparkcvError, MemoryError)):
        _log.error("%s", str(err) or "no memory left")
        return 503, "the server cannot compute it for the moment; see its log"
    _log.error("a bug of the service", exc_info=err)
    return 500, "a bug of the service; see its log"
