"""Renew the driver's tokens: a thread that puts newer ones where clients and agents find them."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol

from sparkcv import logs
from sparkcv.errors import ClusterError
from sparkcv.spark import yarn
from sparkcv.spark.scratch import scratch_dir, sweep
from sparkcv.storage.hadoop import load_conf
from sparkcv.storage.hdfs import tokens
from sparkcv.storage.hdfs.tokens import Token
from sparkcv.tokens.jvm import JavaSource
from sparkcv.tokens.store import TokenStore, token_store
from sparkcv.tokens.token_file import TokenFile

__all__ = ["TokenRenewer", "TokenSource", "kept", "renews"]

_LEFT = 0.2  # of a token's life, when Spark should have had a newer one long before
_LEFT_S = 10.0
_AGE_S = 12 * 3600.0  # nobody renews a token that Spark or we got; one that is not renewed ends after a day
_LEAST_POLL_S, _MOST_POLL_S, _POLLS = 1.0, 60.0, 50
_JOIN_S = 2.0

_log = logs.get(__name__)


class TokenSource(Protocol):
    """Where tokens come from."""

    @property
    def can_obtain(self) -> bool:
        """Whether ``obtain`` can give any."""

    @property
    def has_keytab(self) -> bool:
        """Whether it can for ever."""

    @property
    def file_systems(self) -> Sequence[str]:
        """URLs of the file systems that the user named, besides the default one."""

    def held(self) -> list[Token]:
        """Return those that are there."""

    def obtain(self) -> list[Token]:
        """Return new ones."""


class TokenRenewer:
    """A context manager; on entering, the tokens that there are have been put in ``folder`` and in ``store``.

    ``is_failing`` tells whether the last try to get new ones failed, ``failure`` why.
    """

    def __init__(self, source: TokenSource, folder: str, store: TokenStore = token_store) -> None:
        self._source, self._store, self._file = source, store, TokenFile(folder)
        self._obtained: list[Token] = []
        self._closing = threading.Event()
        self._pause_s = _MOST_POLL_S
        self._is_put = False  # the newest of the store, in the file
        self.failure = ""
        self._thread = threading.Thread(target=self._run, name="sparkcv-tokens", daemon=True)

    def __enter__(self) -> "TokenRenewer":
        self._file.__enter__()
        self.look()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._closing.set()
        self._thread.join(_JOIN_S)  # Java may hang at a KDC; then it is left behind
        self._store.clear()
        self._file.__exit__(kind, err, tb)

    @property
    def renews(self) -> bool:
        """Whether new tokens can be had for ever, as far as is known."""
        return self._source.has_keytab and not self.failure

    def look(self) -> None:
        """Take the newest tokens that there are, and get newer ones if these are old."""
        from py4j.protocol import Py4JError

        try:
            # What was obtained here is not among what Java holds.
            found = max(self._source.held(), self._obtained, key=_newest_s)
            try:
                if _is_old(found) and self._source.can_obtain:
                    self._obtained = self._source.obtain()
                    found = max(found, self._obtained, key=_newest_s)
            finally:
                self._put(found)  # without newer ones the old are of use for as long as they last
            self.failure = ""
        except (Py4JError, OSError, ValueError, ClusterError) as err:
            self._tell_failure(err)

    def _put(self, found: Sequence[Token]) -> None:
        found = [token for token in found if token.kind == tokens.HDFS_KIND]
        if not found or self._closing.is_set():
            return
        newest = max(found, key=lambda token: token.issued_s)
        self._pause_s = min(_MOST_POLL_S, max(_LEAST_POLL_S, (newest.max_date_s - newest.issued_s) / _POLLS))
        data = tokens.dump(tokens.aliased(found, load_conf(), self._source.file_systems))
        self._is_put = not self._store.put(data) and self._is_put
        if not self._is_put:
            self._file.put(data)
            self._is_put = True
            ends = time.strftime("%F %T %Z", time.localtime(newest.max_date_s))
            _log.info("the token of %s for %s is good until %s", newest.owner, newest.service, ends)

    def _tell_failure(self, err: Exception) -> None:
        words = logs.clean(_cause(err))
        if words != self.failure:
            _log.warning("no new token for HDFS could be had, which is tried again: %s", words)
        self.failure = words

    def _run(self) -> None:
        while not self._closing.wait(self._pause_s if not self.failure else min(self._pause_s, _LEFT_S)):
            self.look()


def _newest_s(held: Sequence[Token]) -> float:
    return max((token.issued_s for token in held if token.kind == tokens.HDFS_KIND), default=0.0)


def _is_old(held: Sequence[Token]) -> bool:
    if not held:
        return True
    newest = max(held, key=lambda token: token.issued_s)
    now_s = time.time()
    left_s = newest.max_date_s - tokens.LAST_S - now_s
    return left_s < _LEFT_S + _LEFT * (newest.max_date_s - newest.issued_s) or now_s - newest.issued_s > _AGE_S


def _cause(err: Exception) -> str:
    """Return the last cause in Java's trace, which says what is wrong with the keytab or the KDC."""
    lines = str(err).splitlines()
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or [line for line in lines if line.strip()] or [type(err).__name__])[-1 if causes else 0][:300]


_renewer: TokenRenewer | None = None


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep this driver's tokens fresh during the block: under spark-submit, where HDFS wants Kerberos; else nothing."""
    global _renewer
    source = _source()
    if _renewer is not None or source is None:
        yield
        return
    with _own_folder() as folder, TokenRenewer(source, folder) as _renewer:
        try:
            yield
        finally:
            _renewer = None


@contextlib.contextmanager
def _own_folder() -> Iterator[str]:
    """Give a folder for the tokens; the next driver here removes it where this process is killed.

    In a container its own folder goes with it in any case. Raises ClusterError where none can be made.
    """
    root = os.getcwd() if yarn.is_container() else tempfile.gettempdir()
    with contextlib.ExitStack() as stack:
        try:
            sweep(root)
            folder = stack.enter_context(scratch_dir(root))
        except OSError as err:
            raise ClusterError(f"the tokens for HDFS cannot be kept in {root!r}: {err}") from err
        yield folder


def renews() -> bool:
    """Tell whether a renewer runs that can get new tokens for ever."""
    return _renewer is not None and _renewer.renews


def failure() -> str:
    """Return why the renewer's last try failed; "" if it did not, or there is none."""
    return _renewer.failure if _renewer is not None else ""


def _source() -> JavaSource | None:
    if not load_conf().is_kerberized or "PYSPARK_GATEWAY_PORT" not in os.environ:
        return None
    from py4j.protocol import Py4JError

    try:
        source = JavaSource(yarn.java()[0])
        return source if source.is_wanted else None
    except (Py4JError, OSError, TypeError, AttributeError) as err:
        _log.warning("tokens for HDFS cannot be kept fresh, as Java does not give them: %s", logs.clean(_cause(err)))
        return None
