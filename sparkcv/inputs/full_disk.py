"""What a fetch does when the disk turns out to be full, though the shard's bytes were within the budget.

Others write to that disk too: checkpoints, Spark, other jobs. So the spool goes on with less before it gives up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sparkcv import logs
from sparkcv.errors import FullError
from sparkcv.inputs.filename_queue import FilenameQueue, Slot
from sparkcv.inputs.shard_cache import ShardCache

__all__ = ["FullDisk"]

_POLL_S = 1.0  # what a lost notification would cost
_GIVE_UP_S = 500.0  # the reader may be long over what it holds
_TRIES_ALONE = 3  # with all the room there is: another fetch that failed at the same moment may have been in its way
_log = logs.get(__name__)

Fetched = TypeVar("Fetched")


class FullDisk:
    """Tries fetches again as room comes free; safe to call from any thread.

    ``changed`` is the lock of ``cache`` and ``queue``, notified at each change of theirs; ``ended`` ends every wait.
    """

    def __init__(
        self, changed: threading.Condition, cache: ShardCache, queue: FilenameQueue, ended: threading.Event
    ) -> None:
        self._changed, self._cache, self._queue, self._ended = changed, cache, queue, ended
        self._num_waiting = 0

    @property
    def is_waited_for(self) -> bool:
        """Whether a fetch waits for room: nothing new is begun then."""
        return self._num_waiting > 0

    def fetch(self, slot: Slot, num_bytes: int, bring: Callable[[], Fetched]) -> Fetched:
        """Return what ``bring`` does, called again, once there is room, when it raises FullError.

        ``num_bytes`` were claimed for the slot. Raises FullError if nothing comes free, or if all of it is too little.
        """
        tries_alone = 0
        while True:
            try:
                return bring()
            except FullError as err:
                tries_alone += self._make_room(slot, num_bytes, err, is_last_try=tries_alone >= _TRIES_ALONE - 1)

    def _make_room(self, slot: Slot, wanted: int, error: FullError, *, is_last_try: bool) -> bool:
        """Claim a shard's bytes anew, within what the disk turned out to take; raises ``error`` if nothing comes free.

        What nobody holds goes, what is ready behind it is read first, nothing new is begun until it has its room.
        Return whether it has all the room that there is for itself.
        """
        give_up_s = time.monotonic() + _GIVE_UP_S
        with self._changed:
            held = self._cache.give_back(wanted)
            _log.warning("the spool is held to %d bytes of shards from now on: %s", held, error)
            self._queue.put_last(slot)
            self._num_waiting += 1
            try:
                while not self._ended.is_set():
                    self._cache.clear_idle()
                    is_alone = not self._cache.used_bytes
                    if (is_alone and is_last_try) or time.monotonic() > give_up_s:
                        told = f"{error}; wanted {wanted} bytes for one shard: free room, or use smaller shards"
                        raise FullError(told) from error
                    has_shrunk = is_alone or self._cache.used_bytes < held
                    if has_shrunk and self._cache.claim(wanted, urgent=self._queue.is_first(slot)):
                        return is_alone
                    self._changed.wait(_POLL_S)
            finally:
                self._num_waiting -= 1
                self._changed.notify_all()
        raise error
