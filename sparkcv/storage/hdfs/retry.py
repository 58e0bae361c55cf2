"""Retries: how long to wait for a store that may come back, and what to log meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from sparkcv import logs
from sparkcv.errors import UsageError

WAIT_VARIABLE = "SPARKCV_STORAGE_WAIT_S"
LOG_EVERY_S = 10.0
_DEFAULT_WAIT_S = 120.0
_QUIET_S = 2.0  # a failover that is over by then is not logged
_STALE_S = 30.0
_LAST_TRY_S = 5.0
_MAX_PAUSE_S = 2.0

_log = logs.get(__name__)


def wait_s() -> float:
    """Return the seconds that one operation may wait in all; raise UsageError for a variable that is not a number."""
    text = os.environ.get(WAIT_VARIABLE, "")
    try:
        seconds = float(text) if text.strip() else _DEFAULT_WAIT_S
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{WAIT_VARIABLE} is {text!r}, wanted the seconds to wait for HDFS, such as 120")
    return seconds


class Outage:
    """An outage of one store, as all operations of this process see it: since when, and when it was last logged.

    They share one wait: when the first has waited in vain, those behind it (the clean-up, the next file) try once
    more each, instead of waiting as long again one after the other. An operation that succeeds ends it, though another
    may go on to fail: of many files one may have no DataNode left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._seen_s = self._over_s = self._logged_s = float("-inf")
        self._is_told = False

    def began(self, now_s: float) -> float:
        """Return when it began: now, if none is known or it was last seen too long ago."""
        with self._lock:
            if now_s - self._seen_s > _STALE_S:
                self._since_s = None
            return now_s if self._since_s is None else self._since_s

    def seen(self, since_s: float, now_s: float) -> bool:
        """Note that it goes on; return whether it is time to log it."""
        with self._lock:
            if self._since_s is None:
                self._since_s = max(since_s, self._over_s)
            self._seen_s = now_s
            is_due = now_s - min(since_s, self._since_s) >= _QUIET_S and now_s - self._logged_s >= LOG_EVERY_S
            if is_due:
                self._logged_s, self._is_told = now_s, True
            return is_due

    def over(self, now_s: float) -> float | None:
        """Note that an operation succeeded; return how long the outage lasted, None if it was short or not logged."""
        if self._since_s is None:  # the hot path takes no lock
            return None
        with self._lock:
            since_s, self._since_s, self._over_s = self._since_s, None, now_s
            was_told, self._is_told = self._is_told, False
            lasted_s = now_s - since_s if since_s is not None else 0.0
            return lasted_s if was_told and lasted_s >= _QUIET_S else None


class Retry:
    """The retries of one operation: pauses that double, up to a deadline that the store's outage shares."""

    def __init__(self, store: str, outage: Outage) -> None:
        self._store, self._outage = store, outage
        self.wait_s = wait_s()
        self.start_s = time.monotonic()
        self._deadline_s = max(outage.began(self.start_s) + self.wait_s, self.start_s)
        self._pause_s = 0.1

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, below 0 after it."""
        return self._deadline_s - time.monotonic()

    def limit_s(self, most_s: float) -> float:
        """Return how long one try may take: what is left, at least enough for an answer, at most ``most_s``."""
        return min(most_s, max(self.left_s, _LAST_TRY_S))

    def log(self, reason: Callable[[], str]) -> None:
        """Note that the outage goes on, and log it with its reason if it is time to."""
        if self._outage.seen(self.start_s, time.monotonic()) and self.left_s > 1:
            _log.warning("%s %s, waiting up to %.0f s more", self._store, reason(), self.left_s)

    def pause(self, reason: Callable[[], str]) -> bool:
        """Log, and sleep before the next try; return False at once if there is no time for one."""
        self.log(reason)
        if self.left_s <= 0:
            return False
        time.sleep(min(self._pause_s, self.left_s))
        self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S)
        return True

    def succeeded(self, *outages: Outage) -> None:
        """Note that the operation succeeded, which ends these outages."""
        for outage in outages:
            lasted_s = outage.over(time.monotonic())
            if lasted_s is not None:
                _log.info("%s does as asked again, after %.0f s", self._store, lasted_s)
