"""Which records the decoder refused: found beside the training, by decoding the spooled shards once more.

The pipeline counts its losses exactly but cannot name them. So when the count rises, a thread of low priority decodes
what lies in the spool, with the same operations, until it has seen every shard; each record that fails is quarantined
with file, offset and reason, and left out from the next epoch on. A run without losses pays nothing.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

import tensorflow.compat.v1 as tf

from sparkcv import logs
from sparkcv.errors import DataError, SparkcvError, StorageError
from sparkcv.inputs.graph_error import gist
from sparkcv.inputs.spool import Spool, SpooledShard
from sparkcv.inputs.validate import map_file
from sparkcv.preprocess import Preprocessing
from sparkcv.preprocess.decode import decode
from sparkcv.records import example, tfrecord
from sparkcv.records.example import SLIM_FEATURES, FeatureNames

__all__ = ["Refuses", "TrialDecoder", "UndecodableCheck"]

_POLL_S = 1.0
_JOIN_S = 10.0
_NICENESS = 10
_log = logs.get(__name__)


class Refuses(Protocol):
    """Tells why a picture's bytes cannot be decoded, or None; closed by its user."""

    def __call__(self, encoded: bytes) -> str | None:
        """Return the reason, or None."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class TrialDecoder:
    """Decodes whole pictures, and prepares them as for training, in a session of its own and on one thread."""

    def __init__(self, preprocessing: Preprocessing, image_size: int, use_grayscale: bool = False) -> None:
        graph = tf.Graph()
        with graph.as_default(), tf.device("/cpu:0"):
            self._encoded = tf.placeholder(tf.string, [])
            image = preprocessing.for_train(self._encoded, image_size, use_grayscale=use_grayscale)
            self._results = tf.group(decode(self._encoded), image)
        threads = {"intra_op_parallelism_threads": 1, "inter_op_parallelism_threads": -1}  # -1: in the caller's thread
        self._session = tf.Session(graph=graph, config=tf.ConfigProto(**threads))

    def __call__(self, encoded: bytes) -> str | None:
        """Return why TensorFlow cannot decode the picture, or None."""
        try:
            self._session.run(self._results, {self._encoded: encoded})
        except tf.errors.OpError as err:
            return f"TensorFlow cannot decode the picture: {gist(err.message)}"
        return None

    def close(self) -> None:
        """End the session."""
        self._session.close()


class UndecodableCheck:
    """A thread that waits for losses and then decodes every shard of ``spool`` once, as they come by.

    ``make_decoder`` is called in that thread, at the first loss. ``in_flight`` is how many records the pipeline holds
    at most: if the spool gave out more than that beyond what batches told of, those were lost with no batch to tell.
    ``names`` are the features that hold picture and label.
    """

    def __init__(
        self,
        spool: Spool,
        make_decoder: Callable[[], Refuses],
        in_flight: int,
        names: FeatureNames = SLIM_FEATURES,
    ) -> None:
        self._spool = spool
        self._names = names
        self._make_decoder = make_decoder
        self._in_flight = in_flight
        self._changed = threading.Condition()
        self._lost = self._tried = self._found = 0
        self._seen_sources: set[int] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sparkcv-undecodable", daemon=True)
        self._thread.start()

    def notice(self, lost: int, tried: int) -> None:
        """Tell how many records were lost, of how many that were tried; both only grow."""
        with self._changed:
            if lost > self._lost:
                self._changed.notify_all()
            self._lost, self._tried = max(lost, self._lost), max(tried, self._tried)

    @property
    def unnamed(self) -> int:
        """Estimate the records that the decoder refuses and that were not found yet.

        The same record is lost again each epoch until it is dropped; the rate of losses tells how many there are.
        """
        total = self._spool.quarantine.total
        with self._changed:
            return max(0, -(-self._lost * total // max(1, total, self._tried)) - self._found)

    @property
    def is_complete(self) -> bool:
        """Whether every shard was decoded: what is unnamed then cannot be named."""
        with self._changed:
            return len(self._seen_sources) == self._spool.num_sources

    def drain(self, timeout_s: float) -> None:
        """Wait, at a run's end, until the losses so far are traced, as far as their shards are still on disk."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._lost and self._thread.is_alive() and self._spool.has_other(self._seen_sources):
                left = deadline - time.monotonic()
                if left <= 0 or self._spool.error is not None:
                    return
                self._changed.wait(min(left, _POLL_S))

    def close(self) -> None:
        """End the thread. Twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_JOIN_S)

    def _work(self) -> None:
        decoder: Refuses | None = None
        try:
            with contextlib.suppress(OSError, AttributeError):  # only Linux has a priority for each thread
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
            while self._wait():
                shard = self._spool.hold(self._seen_sources)
                if shard is None:
                    continue
                try:
                    decoder = decoder or self._make_decoder()
                    self._decode(shard, decoder)
                finally:
                    self._spool.release(shard.ticket)
        except SparkcvError as err:
            self._spool.fail(err)
        except OSError as err:
            if not self._closed:
                error = StorageError(f"cannot read a spooled shard again: {err}")
                error.__cause__ = err
                self._spool.fail(error)
        except BaseException as err:
            self._spool.fail(DataError(f"the search for lost records failed: {type(err).__name__}: {err}"))
            raise
        finally:
            if decoder is not None:
                decoder.close()

    def _wait(self) -> bool:
        """Wait until there are losses and shards to look at; False when closed."""
        with self._changed:
            while not self._closed:
                untold = self._spool.num_read - self._tried - self._in_flight
                waiting = len(self._seen_sources) < self._spool.num_sources
                if waiting and (self._lost or untold > 0) and self._spool.has_other(self._seen_sources):
                    return True
                self._changed.wait(_POLL_S)
        return False

    def _decode(self, shard: SpooledShard, refuses: Refuses) -> None:
        """Decode one shard's records and drop those that fail."""
        reasons: dict[int, str] = {}
        opened: contextlib.AbstractContextManager[mmap.mmap | bytes]
        opened = map_file(shard.path) if shard.num_records else contextlib.nullcontext(b"")
        with opened as data:
            for ordinal, record in enumerate(tfrecord.read_records(memoryview(data), shard.path)):
                if self._closed:
                    return
                reason = refuses(example.decode(record.payload, names=self._names).encoded)
                if reason is not None:
                    reasons[ordinal] = reason
        with self._changed:
            self._seen_sources.add(shard.source)
            self._changed.notify_all()
            self._found += len(reasons)
            if len(self._seen_sources) == self._spool.num_sources and not self._found and self._lost:
                _log.warning("%d records were lost to the decoder, and none could be found again", self._lost)
        if reasons:
            self._spool.drop(shard, reasons)
