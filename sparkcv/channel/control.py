"""The driver's end of the control channel: a server of requests that nobody can block. client.py is the other end.

What travels is encrypted and authentic (auth.py) and of a fixed schema (schema.py). A connection that sends anything
else is closed without an answer.

The server stands beside listener.py, which serves the same frames: here hundreds of agents, and strangers without a
thread for any, are answered at once out of memory by one thread; there a conversation lasts as long as a process, both
sides send when they like, and each may block its own thread.
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
from sparkcv.channel.auth import NONCE_BYTES, SECRET_BYTES, FrameCipher, nonce_of, opening
from sparkcv.channel.frames import MAX_FRAME_BYTES, frame, split
from sparkcv.channel.messages import Message
from sparkcv.channel.ports import listen
from sparkcv.channel.schema import decode, encode
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError

__all__ = ["Server", "new_secret"]


_HANDSHAKE_TIMEOUT_S = 10.0
_MAX_STRANGERS = 256  # connections that have not proven themselves; the oldest goes when one more comes
_MAX_UNREAD_BYTES = 4 * MAX_FRAME_BYTES
_POLL_S = 0.5
_TOLD, _THEN_EACH = 20, 1000  # refusals that are logged
_CROWDED_S = 0.05

_log = logs.get(__name__)


def new_secret() -> bytes:
    """Return a new 256-bit secret for one run; it travels in Spark's task data only, never in argv, env or a log."""
    return secrets.token_bytes(SECRET_BYTES)


@dataclasses.dataclass(eq=False)
class _Peer:
    """One connection as the server sees it."""

    number: int
    sock: socket.socket
    nonce: bytes
    since_s: float
    cipher: FrameCipher | None = None
    is_known: bool = False  # has sent an authentic message
    received: bytearray = dataclasses.field(default_factory=bytearray)
    unsent: bytearray = dataclasses.field(default_factory=bytearray)


class Server:
    """The driver's end: one thread, any number of agents, none of which can block another.

    ``on_message(peer, message)`` answers each authentic message, or raises ChannelError to end the connection;
    ``on_close(peer)`` follows the last message of a peer (a number, new for every connection). Both run in the
    server's thread and must not block. Use it as a context manager, or ``close()`` it; closing twice is fine.
    """

    def __init__(
        self,
        host: str,
        secret: bytes,
        on_message: Callable[[int, Message], Message],
        on_close: Callable[[int], None],
        *,
        ports: PortRange = ANY_PORT,
    ):
        """Listen on ``host`` and one of ``ports``; raise ChannelError if that cannot be."""
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
        """Raise ChannelError if the server's thread has died, which would be a bug of ours."""
        if self._failure is not None:
            raise ChannelError(f"the control channel's thread died: {self._failure!r}") from self._failure

    def close(self) -> None:
        """Close every connection and the port, and end the thread."""
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
            if peer.cipher is None:
                peer.cipher = FrameCipher(self._secret, peer.nonce, nonce_of(body), is_server=True)
                continue
            message = decode(peer.cipher.decrypt(body))
            peer.is_known = True
            self._strangers.pop(peer.number, None)
            answer = encode(self._on_message(peer.number, message))
            peer.unsent += frame(peer.cipher.encrypt(answer))
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
