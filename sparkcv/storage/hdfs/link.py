"""The connection to one HDFS: every call to it goes through here, has a time limit, and is retried."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from hdfs_native import Client

from sparkcv.errors import AccessError, UnavailableError
from sparkcv.storage.hadoop import load_conf, user_name
from sparkcv.storage.hdfs import address, identity, tokens
from sparkcv.storage.hdfs.bounded_calls import PendingCall, submit
from sparkcv.storage.hdfs.defaults import folder_mode, write_options
from sparkcv.storage.hdfs.errors import CredentialError, KdcError, TransientError, from_native
from sparkcv.storage.hdfs.retry import LOG_EVERY_S, Outage, Retry, wait_s
from sparkcv.storage.hdfs.sasl_probe import probe
from sparkcv.storage.translate import FileSystemError

_LEAST_TRY_S = 2.0
_NOTHING = "nothing came"
_Result = TypeVar("_Result")
_links: weakref.WeakSet[Link] = weakref.WeakSet()


class Link:
    """The clients of one ``hdfs://authority``, and how calls are made on it.

    hdfs-native is configured to ask each NameNode once and to give up; the retries are ours, so that they last as
    long as the user wants and are logged.

    Attributes:
        name: the file system's name in messages.
        folder_mode: the permissions of new folders.
    """

    def __init__(self, prefix: str) -> None:
        self._conf = load_conf()
        self._address = address.find(prefix, self._conf)
        self.name = self._address.url
        self._new_file, self.folder_mode = write_options(self._conf), folder_mode(self._conf)
        self._is_secured = self._conf.values.get("hadoop.security.authentication", "simple").lower() != "simple"
        self._lock = threading.Lock()
        self._clients: dict[bool, Client] = {}
        self._first = 0  # which NameNode to ask first
        self._outages = {False: Outage(), True: Outage()}
        _links.add(self)

    def run(
        self,
        function: Callable[[Client], _Result],
        *,
        changes: bool = False,
        moves_data: bool = False,
        again: Callable[[Client], _Result] | None = None,
    ) -> _Result:
        """Make a call with the client; while its error is a transient one, make it again.

        ``changes`` says that it changes HDFS, which safe mode forbids; ``moves_data`` that DataNodes take part, which
        are given more time. ``again`` is called for every try but the first, which may have been carried out all the
        same; without it the call must be one that may be repeated. Raise FileSystemError.
        """
        retry = Retry(self.name, self._outages[changes])
        while True:
            client = self._connected(changes)
            call = self._wait_for(functools.partial(function, client), retry, self._most_s(changes, moves_data))
            if call.error is None:
                retry.succeeded(*(self._outages.values() if changes else [self._outages[False]]))
                return call.result
            error = call.error if isinstance(call.error, FileSystemError) else from_native(call.error)
            if isinstance(error, CredentialError):
                error = FileSystemError(error.kind, identity.advice(error.text, self._address.url))
            if isinstance(error, TransientError) and "disconnected" in error.reason and not self._is_secured:
                error = self._refusal() or error
            if not isinstance(error, TransientError):
                raise error from (call.error if error is not call.error else error.__cause__)
            words = functools.partial(self._words, error)
            if not retry.pause(words):
                text = f"{self.name} {words()}; waited {time.monotonic() - retry.start_s:.0f} s"
                raise FileSystemError(UnavailableError, text) from call.error
            function = again or function

    def create(self, path: str, client: Client) -> Any:
        """Create a file, in place of one of that name, and return hdfs-native's bare writer.

        Not its FileWriter: that ends the file whenever Python collects it, with a call to the NameNode which nothing
        bounds, on whatever thread that happens to be.
        """
        return client.inner.create(path, self._new_file)

    def _most_s(self, changes: bool, moves_data: bool) -> float:
        """Return how many seconds a try may go without a sign of progress."""
        if changes and not moves_data and len(self._address.namenodes) == 1:
            return math.inf  # given up, it may still happen, late; asking the same one again gains nothing
        # A reader passes by a silent DataNode by itself, and takes a quarter of the wait for it. A writer whose
        # DataNode dies may hang in hdfs-native for good, and must have time to begin again.
        return wait_s() / (2 if moves_data and not changes else 4)

    def _wait_for(self, function: Callable[[], Any], retry: Retry, most_s: float) -> PendingCall:
        """Wait for a call on another thread; give up one that makes no progress, and the clients with it."""
        limit_s = retry.limit_s(max(most_s, _LEAST_TRY_S))
        call = submit(function)
        while not call.wait(min(LOG_EVERY_S, call.beat_s + limit_s - time.monotonic())):
            if time.monotonic() >= call.beat_s + limit_s:
                with self._lock:
                    self._clients = {}
                    self._first += 1
                given_up = PendingCall(function)
                given_up.error = TransientError("does not answer", f"{_NOTHING} within {limit_s:.0f} s")
                return given_up
            if time.monotonic() >= call.beat_s + LOG_EVERY_S:
                retry.log(lambda: f"does not answer ({self._address.state()})")
        return call

    def _refusal(self) -> FileSystemError | None:
        """Return the error of a NameNode that hung up because it wants Kerberos; None if that is not the reason."""
        for namenode in self._address.namenodes.values():
            offer = probe(namenode)
            if offer is not None and offer.is_secured:
                wants = "Kerberos and privacy" if offer.is_encrypted else "Kerberos"
                principal = identity.wanted_principal()
                text = (
                    f"{self.name} wants {wants}, while hadoop.security.authentication is simple by {self._conf.place};"
                    f" set HADOOP_CONF_DIR to the cluster's own configuration, then run kinit {principal}"
                )
                return FileSystemError(AccessError, text)
        return None

    def _words(self, error: TransientError) -> str:
        reason = error.reason
        if isinstance(error, KdcError):
            return f"{error.text} ({identity.kdc_state(reason)})"
        if self._is_secured and reason.startswith(_NOTHING) and identity.is_kdc_silent(self._address.url):
            return f"does not answer ({identity.kdc_state()})"
        if not reason or error.text == "does not answer":
            state = self._address.state()
            reason = state if not reason or "refused" in state else f"{state}; {reason}"
        return f"{error.text} ({reason})"

    def _connected(self, changes: bool) -> Client:
        """Return the client for reading, or the one for changes, which waits longer for DataNodes."""
        with self._lock:
            client = self._clients.get(changes)
            if client is None:
                if self._is_secured:
                    tokens.check()
                name = user_name()
                if name is not None:
                    os.environ["HADOOP_USER_NAME"] = name  # the only way to tell hdfs-native
                values = self._conf.values | self._address.settings(self._first) | self._bounds(changes)
                client = self._clients[changes] = Client(self._address.url, values, self._conf.folder)
            return client

    def _bounds(self, changes: bool) -> dict[str, str]:
        """Return what makes hdfs-native give up in time: ours is the waiting."""
        # A silent DataNode costs a reader two of these before it asks the next one. A writer has to wait longer: a
        # block ends with a sync of the DataNode's disk.
        timeout_s = wait_s() / (4 if changes else 8)
        given = self._conf.values.get("dfs.client.socket-timeout", "")
        if given.isdigit() and int(given) > 0:
            timeout_s = min(timeout_s, int(given) / 1000)
        return {
            "dfs.client.failover.max.attempts": str(len(self._address.namenodes) - 1),
            "dfs.client.failover.sleep.base.millis": "100",
            "dfs.client.failover.sleep.max.millis": "500",
            "dfs.client.socket-timeout": str(int(1000 * max(1.0, timeout_s))),
        }


def _keep_inherited() -> None:
    """Keep the parent's clients alive in a forked child: ending them waits for threads that are not here."""
    for link in list(_links):
        for client in link._clients.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(client.inner))


os.register_at_fork(after_in_child=_keep_inherited)
