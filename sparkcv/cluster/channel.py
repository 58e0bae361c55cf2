"""The authenticated control channel between the driver and its agents.

Frame: 4 bytes length (big-endian, of what follows), then the body; 64 kB at most. The server greets every
connection with a nonce, the client answers with its own; from both and the run's 256-bit secret follows the key
of this connection (HMAC-SHA256). Each later body is a 32-byte HMAC over direction, sequence number and JSON, then
the JSON (messages.py). So a frame of another run, another connection, another place or another direction is
refused; a refused connection is closed without a word. What travels is authentic, it is not secret.
"""

import collections
import contextlib
import dataclasses
import hashlib
import hmac
import secrets
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

from sparkcv import logs
from sparkcv.cluster import messages
from sparkcv.cluster.messages import Message, Reply
from sparkcv.errors import ChannelError

__all__ = ["Client", "MAX_FRAME_BYTES", "Server", "new_secret"]

MAX_FRAME_BYTES = 64 * 1024  # of a whole frame, its length included
_MAGIC = b"sparkcv1"
_LENGTH = struct.Struct(">I")
_SEQUENCE = struct.Struct(">cQ")
_NONCE_BYTES = 32
_TAG_BYTES = 32
_TO_SERVER, _TO_CLIENT = b"C", b"S"

_HANDSHAKE_TIMEOUT_S = 10.0
_MAX_STRANGERS = 256  # connections that have not proven themselves; the oldest goes when one more comes
_MAX_UNREAD_BYTES = 4 * MAX_FRAME_BYTES
_POLL_S = 0.5
_CROWDED_S = 0.05

_log = logs.get(__name__)


def new_secret() -> bytes:
    """A fresh 256-bit secret for one run; it travels in Spark's task data only, never in argv, env or a log."""
    return secrets.token_bytes(32)


class _Seal:
    """The authenticity of one connection: signs what is sent and checks what is received, in order."""

    def __init__(self, secret: bytes, server_nonce: bytes, client_nonce: bytes, *, is_server: bool):
        self._key = _hmac(secret, _MAGIC + server_nonce + client_nonce)
        self._out, self._in = (_TO_CLIENT, _TO_SERVER) if is_server else (_TO_SERVER, _TO_CLIENT)
        self._num_out = self._num_in = 0

    def wrap(self, message: Message) -> bytes:
        text = messages.encode(message)
        body = self._tag(self._out, self._num_out, text) + text
        self._num_out += 1
        return frame(body)

    def unwrap(self, body: bytes) -> Message:
        tag, text = body[:_TAG_BYTES], body[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(self._in, self._num_in, text)):
            raise ChannelError("a message is not authentic: wrong key, replayed or out of order")
        self._num_in += 1
        return messages.decode(text)

    def _tag(self, direction: bytes, number: int, text: bytes) -> bytes:
        return _hmac(self._key, _SEQUENCE.pack(direction, number) + text)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def frame(body: bytes) -> bytes:
    """``body`` with its length before it; raises ChannelError if that is more than a frame may be."""
    if len(body) + _LENGTH.size > MAX_FRAME_BYTES:
        raise ChannelError(f"a frame of {len(body)} bytes is over the {MAX_FRAME_BYTES} allowed")
    return _LENGTH.pack(len(body)) + body


def _split(buffer: bytearray) -> bytes | None:
    """Takes the first whole frame's body out of ``buffer``, or None; raises ChannelError on a bad length."""
    if len(buffer) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(buffer)
    if length + _LENGTH.size > MAX_FRAME_BYTES:
        raise ChannelError(f"a frame of {length} bytes is over the {MAX_FRAME_BYTES} allowed")
    if len(buffer) < _LENGTH.size + length:
        return None
    body = bytes(buffer[_LENGTH.size : _LENGTH.size + length])
    del buffer[: _LENGTH.size + length]
    return body


def _nonce_of(body: bytes) -> bytes:
    if len(body) != len(_MAGIC) + _NONCE_BYTES or not body.startswith(_MAGIC):
        raise ChannelError("the other side does not speak this protocol")
    return body[len(_MAGIC) :]


@dataclasses.dataclass(eq=False)
class _Peer:
    """One connection as the server sees it."""

    number: int
    sock: socket.socket
    nonce: bytes
    since_s: float
    seal: _Seal | None = None
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
        port: int = 0,
    ):
        """Listens on ``host`` and ``port`` (0: any free one); raises ChannelError if that cannot be."""
        self._secret, self._on_message, self._on_close = secret, on_message, on_close
        try:
            self._listener = socket.create_server((host, port), backlog=512)
        except OSError as err:
            raise ChannelError(f"cannot listen on {host}:{port} for the agents: {err}") from err
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
        peer = _Peer(self._num_peers, sock, secrets.token_bytes(_NONCE_BYTES), time.monotonic())
        self._strangers[peer.number] = peer
        self._selector.register(sock, selectors.EVENT_READ, peer)
        if len(self._strangers) > _MAX_STRANGERS:
            self._drop_oldest_stranger()
        peer.unsent += frame(_MAGIC + peer.nonce)
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
            _log.warning("refused a connection to the control channel: %s", err)
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
        while (body := _split(peer.received)) is not None:
            if peer.seal is None:
                peer.seal = _Seal(self._secret, peer.nonce, _nonce_of(body), is_server=True)
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
            server_nonce = _nonce_of(self._read(time.monotonic() + timeout_s))
            client_nonce = secrets.token_bytes(_NONCE_BYTES)
            self._write(frame(_MAGIC + client_nonce))
        except BaseException:
            self._sock.close()
            raise
        self._seal = _Seal(secret, server_nonce, client_nonce, is_server=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

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
        while (body := _split(self._received)) is None:
            try:
                self._sock.settimeout(max(0.001, deadline_s - time.monotonic()))
                data = self._sock.recv(MAX_FRAME_BYTES)
            except OSError as err:
                raise ChannelError(f"the driver does not answer: {err}") from err
            if not data:
                raise ChannelError("the driver closed the connection: it is gone, or did not accept a message")
            self._received += data
        return body
