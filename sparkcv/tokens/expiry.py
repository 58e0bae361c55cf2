"""When this run can no longer log in to HDFS, if nothing renews its tokens, and the sentences about that."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from sparkcv import logs
from sparkcv.errors import AccessError, PreemptedError, SparkcvError
from sparkcv.storage.hadoop import load_conf, with_authority
from sparkcv.storage.hdfs import identity
from sparkcv.storage.translate import FileSystemError
from sparkcv.tokens import renewer

__all__ = ["ExpiryWatch", "STOP_S", "ends_s", "forget", "stopped_at_the_end", "tell", "told", "why_over"]

STOP_S = 45.0
"""So long before the end a run has to stop: the roles save within 30 s."""

_WARN_S = 1800.0
_WARN = 0.25  # of what was left at the start, if that is less
_POLL_S = 1.0
_log = logs.get(__name__)
_looked_s: float = float("-inf")
_seen_end_s: float | None = None


def ends_s() -> float | None:
    """Return when this process's credentials for HDFS end, in seconds since 1970; None: never, or nothing tells."""
    if renewer.renews() or not load_conf().is_kerberized:
        return None
    try:
        return identity.ends_s(with_authority("hdfs://"))
    except (FileSystemError, SparkcvError):  # no HDFS by default
        return None


def why_over() -> str:
    """Return why the run has to stop now; "" while it may go on. It may be asked all the time."""
    end_s = _lately()
    return _sentence(end_s) if end_s is not None and time.time() > end_s - STOP_S else ""


def forget() -> None:
    """Look anew at the next question: what this process logs in with has changed."""
    global _looked_s
    _looked_s = float("-inf")


def tell() -> None:
    """Say at the start of a run how long its credentials last, if they end."""
    end_s = ends_s()
    if end_s is not None:
        _log.warning("%s; the run stops before, saved, with exit code 75", _sentence(end_s))


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say of a refusal by HDFS that came with the end of this process's credentials that it is that, and can resume."""
    try:
        yield
    except AccessError as err:
        if why := why_over():
            raise PreemptedError(f"{why}; {err}") from err
        raise


class ExpiryWatch:
    """Says of a run how long its credentials last against how long it still takes, and warns before the end."""

    def __init__(self) -> None:
        self._start_s, self._end_s = time.time(), ends_s()
        self._has_told = self._has_warned = False

    def update(self, left_s: float | None) -> None:
        """Take the newest estimate of the seconds that the run still takes; None if there is none."""
        end_s = _lately()
        if end_s is None:
            return
        now_s = time.time()
        if not self._has_told and left_s is not None:
            self._has_told = True
            takes, lasts = logs.duration(left_s), logs.duration(max(0.0, end_s - STOP_S - now_s))
            level = _log.warning if now_s + left_s > end_s - STOP_S else _log.info
            level("the run still takes about %s, and may log in to HDFS for %s", takes, lasts)
        most_s = min(_WARN_S, _WARN * max(0.0, (self._end_s or end_s) - self._start_s))
        if not self._has_warned and now_s > end_s - STOP_S - most_s:
            self._has_warned = True
            _log.warning("%s; the run is saved and stops soon", _sentence(end_s))


@contextlib.contextmanager
def stopped_at_the_end(stop: Callable[[], None]) -> Iterator[Callable[[], str]]:
    """Call ``stop``, and again, once the credentials are about to end; what it gives tells why, "" before."""
    closing, why = threading.Event(), ""

    def watch() -> None:
        nonlocal why
        while not closing.wait(_POLL_S):
            if found := why_over():
                why = found
                stop()

    thread = threading.Thread(target=watch, name="sparkcv-token-end", daemon=True)
    thread.start()
    try:
        yield lambda: why
    finally:
        closing.set()
        thread.join()


def _lately() -> float | None:
    """Return what ``ends_s`` gave within the last second: it reads files, and every status of a role asks."""
    global _looked_s, _seen_end_s
    if time.monotonic() > _looked_s + _POLL_S:
        _seen_end_s, _looked_s = ends_s(), time.monotonic()
    return _seen_end_s


def _sentence(end_s: float) -> str:
    principal = identity.owner(with_authority("hdfs://"))
    when = time.strftime("%F %T %Z", time.localtime(end_s))
    failure = renewer.failure()
    how = f"as no new one could be had ({failure})" if failure else "as nothing renews it"
    submit = f"submit with --principal {principal} --keytab FILE for a run that takes longer"
    return f"what {principal} logs in to HDFS with ends at {when}, {how}; {submit}"
