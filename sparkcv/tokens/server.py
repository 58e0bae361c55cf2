"""Serve delegation tokens to the Python processes of a stage: a control channel of its own, for nothing else.

The tasks of scoring and of the doctor's survey have no agent. Each of their Python processes asks here before its first
read, and then every few seconds.
"""

import atexit
import base64
import contextlib
import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sparkcv.channel.client import Client
from sparkcv.channel.control import Server, new_secret
from sparkcv.channel.messages import Message, TokenReply, TokenRequest
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError
from sparkcv.spark.local_dirs import application_dir
from sparkcv.spark.scratch import scratch_dir, sweep
from sparkcv.tokens.store import token_store
from sparkcv.tokens.token_file import TokenFile

__all__ = ["TokenServer", "TokenServerAddress", "answer", "attach", "enter", "with_tokens"]

_POLL_S = 5.0
_MAX_FAILED_POLLS = 12  # after which the driver is gone


@dataclasses.dataclass(frozen=True)
class TokenServerAddress:
    """Where a token server listens, and its secret; it travels in Spark's task data only."""

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)


class TokenServer:
    """The driver's end, a context manager; ``address`` is None where the driver has no tokens to give."""

    def __init__(self, bind: str, host: str, ports: PortRange = ANY_PORT) -> None:
        self._stack = contextlib.ExitStack()
        self.address: TokenServerAddress | None = None
        if token_store.newest()[1]:
            secret = new_secret()
            server = self._stack.enter_context(Server(bind, secret, answer, lambda peer: None, ports=ports))
            self.address = TokenServerAddress((host, server.port), secret)

    def __enter__(self) -> "TokenServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def answer(peer: int, message: Message) -> TokenReply:
    """Give the newest tokens to whoever has older ones; raise ChannelError for a message that asks for none."""
    del peer
    if not isinstance(message, TokenRequest):
        raise ChannelError(f"expected a TokenRequest, got a {type(message).__name__}")
    number, data = token_store.newest()
    if not data or message.tokens_held == number:
        return TokenReply()
    return TokenReply(base64.b64encode(data).decode(), number)


def with_tokens(
    address: TokenServerAddress | None, work: Callable[[int], Iterator[Any]]
) -> Callable[[int], Iterator[Any]]:
    """Return ``work`` of a stage, done with the tokens of the server at ``address``, if there is one."""
    return work if address is None else functools.partial(_work, address, work)


def enter(address: TokenServerAddress | None) -> None:
    """Do what ``attach`` does, if there is a token server."""
    if address is not None:
        attach(address)


def _work(address: TokenServerAddress, work: Callable[[int], Iterator[Any]], index: int) -> Iterator[Any]:
    attach(address)
    yield from work(index)


_attached: tuple[int, TokenServerAddress] | None = None
_asking: threading.Thread | None = None
_held: contextlib.ExitStack | None = None


def attach(address: TokenServerAddress) -> None:
    """Let this process have tokens from now on; raise ChannelError if the driver gives none."""
    global _attached, _asking, _held
    # Spark's Python processes fork, and stay for the next task. One that the driver was away for asks no more.
    if _attached == (os.getpid(), address) and _asking is not None and _asking.is_alive():
        return
    if _held is not None:
        _held.close()
    root = application_dir()
    sweep(root)
    stack = contextlib.ExitStack()
    try:
        file = stack.enter_context(TokenFile(stack.enter_context(scratch_dir(root))))
        client = _TokenClient(address, file)
        client.ask()
        stack.callback(client.closing.set)
        _asking = threading.Thread(target=client.run, name="sparkcv-tokens", daemon=True)
        _asking.start()
    except BaseException:
        stack.close()
        raise
    _held, _attached = stack, (os.getpid(), address)
    atexit.register(stack.close)


class _TokenClient:
    """One process's side: asks for tokens again and again, and puts those that are new into its token file."""

    def __init__(self, address: TokenServerAddress, file: TokenFile) -> None:
        self._address, self._file = address, file
        self._number = 0
        self._client: Client | None = None
        self.closing = threading.Event()

    def ask(self) -> None:
        """Ask once; raise ChannelError if the driver does not answer, OSError if the file cannot be written."""
        if self._client is None:
            self._client = Client(self._address.driver, self._address.secret)
        reply = self._client.request(TokenRequest(self._number))
        if reply.tokens:
            self._file.put(base64.b64decode(reply.tokens))
            self._number = reply.tokens_number

    def run(self) -> None:
        """Ask on until ``closing`` is set or the driver is gone."""
        num_failed = 0
        while num_failed < _MAX_FAILED_POLLS and not self.closing.wait(_POLL_S):
            try:
                self.ask()
                num_failed = 0
            except (ChannelError, OSError):
                num_failed += 1
                self._hang_up()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
