"""Where the Python processes of a stage get their tokens: a control channel of its own, for nothing else.

The tasks of scoring and of the doctor's survey have no agent. Each of their Python processes asks here before its first
read, and then every few seconds.
"""

import atexit
import base64
import contextlib
import dataclasses
import functools
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sparkcv import logs
from sparkcv.channel.control import Client, Server, new_secret
from sparkcv.channel.messages import Beat, Hello, Message, Reply
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError
from sparkcv.spark.local_dirs import application_dir
from sparkcv.spark.scratch import scratch_dir, sweep
from sparkcv.tokens.store import token_store, with_newest
from sparkcv.tokens.token_file import TokenFile

__all__ = ["TokenServer", "TokenServerAddress", "attach", "enter", "with_tokens"]

_POLL_S = 5.0
_LOST = 12  # polls in vain after which the driver is gone
_ROLE = "scorer"
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TokenServerAddress:
    """Where a desk is, and the secret to be let in; it travels in Spark's task data only."""

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)


class TokenServer:
    """The driver's end, a context manager; ``place`` is None where the driver has no tokens to give."""

    def __init__(self, bind: str, host: str, ports: PortRange = ANY_PORT) -> None:
        self._stack = contextlib.ExitStack()
        self.place: TokenServerAddress | None = None
        if token_store.newest()[1]:
            secret = new_secret()
            server = self._stack.enter_context(Server(bind, secret, answer, lambda peer: None, ports=ports))
            self.place = TokenServerAddress((host, server.port), secret)

    def __enter__(self) -> "TokenServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def answer(peer: int, message: Message) -> Reply:
    """Give the newest tokens to whoever has older ones."""
    del peer
    return with_newest(Reply(), message, token_store.newest())


def with_tokens(
    place: TokenServerAddress | None, work: Callable[[int], Iterator[Any]]
) -> Callable[[int], Iterator[Any]]:
    """Return ``work`` of a stage, done where HDFS lets it in."""
    return work if place is None else functools.partial(_work, place, work)


def enter(place: TokenServerAddress | None) -> None:
    """Do what ``attach`` does, if there is a place to get tokens at."""
    if place is not None:
        attach(place)


def _work(place: TokenServerAddress, work: Callable[[int], Iterator[Any]], index: int) -> Iterator[Any]:
    attach(place)
    yield from work(index)


_attached: tuple[int, TokenServerAddress] | None = None
_held: contextlib.ExitStack | None = None


def attach(place: TokenServerAddress) -> None:
    """Let this process have tokens from now on; raises ChannelError if the driver gives none."""
    global _attached, _held
    if _attached == (os.getpid(), place):  # Spark's Python processes fork, and stay for the next task
        return
    if _held is not None:
        _held.close()
    root = application_dir()
    sweep(root)
    stack = contextlib.ExitStack()
    try:
        file = stack.enter_context(TokenFile(stack.enter_context(scratch_dir(root))))
        visitor = _Visitor(place, file)
        visitor.ask()
        stack.callback(visitor.closing.set)
        threading.Thread(target=visitor.run, name="sparkcv-tokens", daemon=True).start()
    except BaseException:
        stack.close()
        raise
    _held, _attached = stack, (os.getpid(), place)
    atexit.register(stack.close)


class _Visitor:
    """One process's conversation with the desk."""

    def __init__(self, place: TokenServerAddress, file: TokenFile) -> None:
        self._place, self._file = place, file
        self._number = 0
        self._client: Client | None = None
        self.closing = threading.Event()

    def ask(self) -> None:
        """Ask once; raises ChannelError."""
        if self._client is None:
            client = Client(self._place.driver, self._place.secret)
            name = socket.gethostname()[:255]
            hello = Hello(_ROLE, 0, secrets.token_hex(8), name, "", os.getpid(), tokens_held=self._number)
            self._take(client.request(hello))
            self._client = client
        self._take(self._client.request(Beat("running", os.getpid(), 0, None, [], 0, tokens_held=self._number)))

    def run(self) -> None:
        """Ask on until the block ends or the driver is gone."""
        num_failed = 0
        while num_failed < _LOST and not self.closing.wait(_POLL_S):
            try:
                self.ask()
                num_failed = 0
            except (ChannelError, OSError):
                num_failed += 1
                self._client = None
        if self._client is not None:
            self._client.close()

    def _take(self, reply: Reply) -> None:
        if reply.tokens:
            self._file.put(base64.b64decode(reply.tokens))
            self._number = reply.tokens_number
