"""The way to one HDFS: every call to it passes here, is bounded, and waits for a NameNode that may come back."""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hdfs_native import Client

from sparkcv.errors import UnavailableError
from sparkcv.storage.hadoop import load_conf, user_name
from sparkcv.storage.hdfs import address, tokens
from sparkcv.storage.hdfs.patience import TELL_EVERY_S, Outage, Patience, wait_s
from sparkcv.storage.hdfs.trouble import CredentialError, PassingError, explain
from sparkcv.storage.hdfs.workers import Ticket, submit
from sparkcv.storage.translate import TroubleError

_Result = TypeVar("_Result")


class Link:
    """The client of one ``hdfs://authority``, and how calls are made on it.

    hdfs-native is told to ask each NameNode once and to give up; the waiting is ours, so that it is as long as the
    user wants and is told. ``name`` is what messages call it.
    """

    def __init__(self, prefix: str) -> None:
        self._conf = load_conf()
        self._address = address.find(prefix, self._conf)
        self.name = self._address.url
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._first = 0  # which NameNode to ask first
        self._outages = {False: Outage(), True: Outage()}

    def run(
        self,
        function: Callable[[Client], _Result],
        *,
        changes: bool = False,
        again: Callable[[Client], _Result] | None = None,
    ) -> _Result:
        """Make a call with the client, again and again while its trouble is a passing one.

        ``changes`` says that it changes HDFS, which safe mode forbids. ``again`` is called instead when a try before
        may have been carried out; without it the call must be one that may be repeated. Raises TroubleError.
        """
        patience = Patience(self.name, self._outages[changes])
        while True:
            client = self._connected()
            ticket = self._wait_for(functools.partial(function, client), patience, changes)
            if ticket.error is None:
                patience.worked(*(self._outages.values() if changes else [self._outages[False]]))
                return ticket.result
            trouble = explain(ticket.error)
            if isinstance(trouble, CredentialError):
                trouble = TroubleError(trouble.error, tokens.advice(trouble.text, self._address.url))
            if not isinstance(trouble, PassingError):
                raise trouble from ticket.error
            words = functools.partial(self._words, trouble)
            if not patience.pause(words):
                text = f"{self.name} {words()}; waited {time.monotonic() - patience.start_s:.0f} s"
                raise TroubleError(UnavailableError, text) from ticket.error
            function = again or function

    def _wait_for(self, call: Callable[[], Any], patience: Patience, changes: bool) -> Ticket:
        """Wait for a call on another thread; one that does not end is given up, and its client with it."""
        # A change that was given up may still happen, late: with one NameNode asking again gains nothing.
        may_ask_again = len(self._address.namenodes) > 1 or not changes
        limit_s = patience.limit_s(patience.wait_s / 4 if may_ask_again else math.inf)
        give_up_s = time.monotonic() + limit_s
        ticket = submit(call)
        while not ticket.wait(min(TELL_EVERY_S, give_up_s - time.monotonic())):
            if time.monotonic() >= give_up_s:
                with self._lock:
                    self._client = None
                    self._first += 1
                given_up = Ticket(call)
                given_up.error = PassingError("does not answer", f"nothing came within {limit_s:.0f} s")
                return given_up
            patience.tell(lambda: f"does not answer ({self._address.state()})")
        return ticket

    def _words(self, trouble: PassingError) -> str:
        if not trouble.reason or trouble.text == "does not answer":
            state = self._address.state()
            reason = state if not trouble.reason or "refused" in state else f"{trouble.reason}; {state}"
            return f"{trouble.text} ({reason})"
        return f"{trouble.text} ({trouble.reason})"

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                name = user_name()
                if name is not None:
                    os.environ["HADOOP_USER_NAME"] = name  # the only way to tell hdfs-native
                values = self._conf.values | self._address.settings(self._first) | self._bounds()
                self._client = Client(self._address.url, values, self._conf.folder)
            return self._client

    def _bounds(self) -> dict[str, str]:
        """Return what makes hdfs-native give up soon: ours is the waiting."""
        datanode_ms = int(wait_s() / 8 * 1000)  # a silent DataNode costs two of these before the next replica
        given = self._conf.values.get("dfs.client.socket-timeout", "")
        if given.isdigit() and int(given) > 0:
            datanode_ms = min(datanode_ms, int(given))
        return {
            "dfs.client.failover.max.attempts": str(len(self._address.namenodes) - 1),
            "dfs.client.failover.sleep.base.millis": "100",
            "dfs.client.failover.sleep.max.millis": "500",
            "dfs.client.socket-timeout": str(max(1000, datanode_ms)),
        }
