"""The control channel between the driver and its agents: a server that nobody can block, and its clients.

What travels is authentic (seal.py) and of a fixed schema (messages.py); it is not secret. A connection that says
anything else is closed without a word.
"""

import collections
import contextlib
import dataclasses
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

from sparkcv import logs
from sparkcv.channel.auth import MAX_FRAME_BYTES, NONCE_BYTES, FrameAuth, nonce_of, opening, split
from sparkcv.channel.messages import Message, Reply
from sparkcv.channel.ports import listen
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError

__all__ = ["Client", "Server", "new_secret"]


_HANDSHAKE_TIMEOUT_S = 10.0
_MAX_STRANGERS = 256  # connections that have not proven themselves; the oldest goes when one more comes
_MAX_UNREAD_BYTES = 4 * MAX_FRAME_BYTES
_POLL_S = 0.5
_TOLD, _THEN_EACH = 20, 1000  # refusals that are logged
_CROWDED_S = 0.05

_log = logs.get(__name__)


def new_secret() -> bytes:
    """A fresh 256-bit secret for one run; it travels in Spark's task data only, never in argv, env or a log."""
    return secrets.token_bytes(32)


@dataclasses.dataclass(eq=False)
class _Peer:
    """One connection as the server sees it."""

    number: int
    sock: socket.socket
    nonce: bytes
    since_s: float
    seal: FrameAuth | None = None
    is_known: bool = False  # has sent an authentic message
    received: bytearray = dataclasses.field(default_factory=bytearray)
    unsent: bytearray = dataclasses.field(default_factory=bytearray)


class Server:
    """The driver's end: one thread, any number of agents, none of which can block another.

    ``on_message(peer, message)`` answers each authentic message and ``on_close(peer)`` follows the last one of a
    peer (a number, new for every connection); both run in the server's thread and must not block. Use it as a
    context manager, or ``close()`` it; closing twice is fine.
    """

    def __init__(
        self,
        host: str,
        secret: bytes,
        on_message: Callable[[int, Message], Reply],
        on_close: Callable[[int], None],
        *,
        ports: PortRange = ANY_PORT,
    ):
        """Listens on ``host`` and one of ``ports``; raises ChannelError if that cannot be."""
        self._secret, self._on_message, self._on_close = secret, on_message, on_close
        try:
            self._listener = listen(host, ports)
        except OSError as err:
            raise ChannelError(f"cannot listen on {host} for the agents: {err}") from err
        self._listener.setblocking(False)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self.num_refused = 0
        self._failure: BaseException | None = None
        self._strangers: collections.OrderedDict[int, _Peer] = collections.OrderedDict()
        self._num_peers = 0
        self._closing = threading.Event()
        self._waker, self._wakee = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wakee, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="sparkcv-channel", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def check(self) -> None:
        """Raises ChannelError if the server's thread has died, which would be a bug of ours."""
        if self._failure is not None:
            raise ChannelError(f"the control channel's thread died: {self._failure!r}") from self._failure

    def close(self) -> None:
        """Closes every connection and the port, and ends the thread."""
        if not self._closing.is_set():
            self._closing.set()
            with contextlib.suppress(OSError):  # the thread may have died and closed its end
                self._waker.send(b"x")
        self._thread.join(timeout=10 * _POLL_S)
        self._waker.close()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                for key, events in self._selector.select(_POLL_S):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data is not None:
                        self._serve(key.data, events)
                self._drop_late_strangers()
        except BaseException as err:  # noqa: BLE001 - it travels to the consumer by check()
            self._failure = err
        finally:
            for key in list(self._selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()
            self._selector.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # out of file descriptors, most likely: strangers have to make room
            self._drop_oldest_stranger()
            self._closing.wait(_CROWDED_S)  # the listener stays readable: without a pause this thread would spin
            return
        sock.setblocking(False)
        self._num_peers += 1
        peer = _Peer(self._num_peers, sock, secrets.token_bytes(NONCE_BYTES), time.monotonic())
        self._strangers[peer.number] = peer
        self._selector.register(sock, selectors.EVENT_READ, peer)
        if len(self._strangers) > _MAX_STRANGERS:
            self._drop_oldest_stranger()
        peer.unsent += opening(peer.nonce)
        self._serve(peer, selectors.EVENT_WRITE)

    def _serve(self, peer: _Peer, events: int) -> None:
        if peer.sock.fileno() < 0:  # closed while an earlier event of this round was served
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(peer)
            if events & selectors.EVENT_READ:
                self._receive(peer)
        except ChannelError as err:
            self.num_refused += 1
            if self.num_refused <= _TOLD or self.num_refused % _THEN_EACH == 0:  # a stranger must not fill the log
                _log.warning("refused a connection to the control channel, the %d.: %s", self.num_refused, err)
            self._drop(peer)
        except OSError:
            self._drop(peer)

    def _receive(self, peer: _Peer) -> None:
        try:
            data = peer.sock.recv(MAX_FRAME_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._drop(peer)
            return
        peer.received += data
        while (body := split(peer.received)) is not None:
            if peer.seal is None:
                peer.seal = FrameAuth(self._secret, peer.nonce, nonce_of(body), is_server=True)
                continue
            message = peer.seal.unwrap(body)
            peer.is_known = True
            self._strangers.pop(peer.number, None)
            peer.unsent += peer.seal.wrap(self._on_message(peer.number, message))
            if len(peer.unsent) > _MAX_UNREAD_BYTES:
                raise ChannelError("an agent does not read its answers")
        self._flush(peer)

    def _flush(self, peer: _Peer) -> None:
        with contextlib.suppress(BlockingIOError):
            del peer.unsent[: peer.sock.send(peer.unsent)]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        self._selector.modify(peer.sock, events, peer)

    def _drop(self, peer: _Peer) -> None:
        if peer.sock.fileno() < 0:
            return
        self._selector.unregister(peer.sock)
        peer.sock.close()
        self._strangers.pop(peer.number, None)
        if peer.is_known:
            self._on_close(peer.number)

    def _drop_oldest_stranger(self) -> None:
        if self._strangers:
            self.num_refused += 1
            self._drop(next(iter(self._strangers.values())))

    def _drop_late_strangers(self) -> None:
        limit = time.monotonic() - _HANDSHAKE_TIMEOUT_S
        while self._strangers and next(iter(self._strangers.values())).since_s < limit:
            self._drop_oldest_stranger()


class Client:
    """An agent's end: one request at a time, each answered or failed within its timeout."""

    def __init__(self, address: tuple[str, int], secret: bytes, *, timeout_s: float = 5.0):
        """Connects and shakes hands; raises ChannelError if nobody, or somebody else, is there."""
        self._timeout_s = timeout_s
        self._received = bytearray()
        try:
            self._sock = socket.create_connection(address, timeout=timeout_s)
        except OSError as err:
            raise ChannelError(f"no driver at {address[0]}:{address[1]}: {err}") from err
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server_nonce = nonce_of(self._read(time.monotonic() + timeout_s))
            client_nonce = secrets.token_bytes(NONCE_BYTES)
            self._write(opening(client_nonce))
        except BaseException:
            self._sock.close()
            raise
        self._seal = FrameAuth(secret, server_nonce, client_nonce, is_server=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def local_host(self) -> str:
        """The address by which this machine goes to the driver."""
        return str(self._sock.getsockname()[0])

    def request(self, message: Message) -> Reply:
        """Sends ``message`` and returns the driver's answer; after a ChannelError the client is of no more use."""
        try:
            self._write(self._seal.wrap(message))
            reply = self._seal.unwrap(self._read(time.monotonic() + self._timeout_s))
        except ChannelError:
            self.close()
            raise
        if not isinstance(reply, Reply):
            self.close()
            raise ChannelError(f"expected a reply from the driver, got a {type(reply).__name__}")
        return reply

    def close(self) -> None:
        """Closes the connection; closing twice is fine."""
        self._sock.close()

    def _write(self, data: bytes) -> None:
        try:
            self._sock.settimeout(self._timeout_s)
            self._sock.sendall(data)
        except OSError as err:
            raise ChannelError(f"the driver cannot be written to: {err}") from err

    def _read(self, deadline_s: float) -> bytes:
        while (body := split(self._received)) is None:
            try:
                self._sock.settimeout(max(0.001, deadline_s - time.monotonic()))
                data = self._sock.recv(MAX_FRAME_BYTES)
            except OSError as err:
                raise ChannelError(f"the driver does not answer: {err}") from err
            if not data:
                raise ChannelError("the driver closed the connection: it is gone, or did not accept a message")
            self._received += data
        return body
