"""uvicorn with what a service in the open needs: limits of time and size for a request's head, a graceful end."""

import asyncio
import contextlib
import json
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sparkcv.serve.errors import unavailable
from sparkcv.serve.guard import App, error_response

__all__ = ["GracefulServer", "MAX_HEAD_BYTES", "listening_socket", "server_config"]

MAX_HEAD_BYTES = 1 << 16
"""Of a request's line and headers, about."""

_SAID = json.dumps({"error": f"the request's head is over {MAX_HEAD_BYTES} bytes"}).encode()
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_SAID), _SAID)
)


class _Parser(httptools.HttpRequestParser):
    """Reads requests with an Upgrade, which nobody takes here, as those without it.

    Java's HTTP client and ``curl --http2`` send one with every first request. httptools takes all that is behind such a
    head for another protocol's, so that uvicorn would lose the body; the head is read once more, without the field.
    """

    head_again = b""

    def feed_data(self, data: Any) -> None:
        """Parse what has come; raises as httptools does, but for HttpParserUpgrade."""
        rest = memoryview(data)
        while True:
            try:
                super().feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                super().feed_data(self.head_again)

    def is_passed_over(self) -> bool:
        """Tell whether the message that is being read has an Upgrade, and comes once more without."""
        return bool(self.should_upgrade()) and self.get_method() != b"CONNECT"  # which uvicorn refuses


class GracefulServer(uvicorn.Server):
    """A server that ends on SIGTERM and SIGINT with what was accepted answered, and leaves the exit code to its caller.

    ``on_end`` is called when the end begins.

    Attributes:
        num_dropped: requests that were not answered within the time that the end may take.
    """

    def __init__(self, config: uvicorn.Config, on_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_end = on_end
        self.num_dropped = 0

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals for the time of serving; uvicorn's own would raise them again behind it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what was accepted be answered; what is not within the time is cancelled, and counted."""
        await super().shutdown(sockets)
        self.num_dropped = len(self.server_state.tasks)

    def _end(self) -> None:
        self._on_end()
        self.should_exit = True


def server_config(
    app: App,
    *,
    header_timeout_s: float,
    body_timeout_s: float,
    max_connections: int,
    drain_s: float,
    tls: tuple[str, str] | None,
) -> uvicorn.Config:
    """Return the configuration of a server; raises OSError or ssl.SSLError for files that are no certificate.

    ``body_timeout_s`` has what is left of a body whose request is answered already, as one without a key: a client that
    sends slowly sees the answer once it has sent all. What the application reads it looks after itself.
    """
    if tls is not None:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls)

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        answer = error_response(unavailable(f"there are over {max_connections} connections, which is the most"))
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)

    class Protocol(HttpToolsProtocol):
        """Closes a connection whose request's head takes longer, or is larger, than it may, and refuses one too many.

        uvicorn's own ``limit_concurrency`` takes one less, and says neither why nor when to come again.
        """

        parser: _Parser
        _timer: asyncio.TimerHandle | None = None
        _head_bytes: int | None = None  # of a head that is not whole, but for its first piece; None: none is being read
        _has_begun = False  # a head, in the piece that is being parsed
        _is_in_body = False

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.parser = _Parser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start(header_timeout_s)

        def data_received(self, data: bytes) -> None:
            if self._timer is None and (self.cycle is None or self.cycle.response_complete):
                self._start(body_timeout_s if self._is_in_body else header_timeout_s)
            was_in_head, self._has_begun = self._head_bytes is not None, False
            super().data_received(data)
            if self._head_bytes is not None and was_in_head and not self._has_begun:
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self.transport.write(_HEAD_TOO_LARGE)
                    self._give_up()

        def on_message_begin(self) -> None:
            self._head_bytes, self._has_begun = 0, True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            if self.parser.is_passed_over():
                line = b"%b %b HTTP/%b\r\n" % (
                    self.parser.get_method(),
                    self.url,
                    self.parser.get_http_version().encode(),
                )
                fields = (b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
                self.parser.head_again = b"%b%b\r\n" % (line, b"".join(fields))
                return
            self._stop()
            self._head_bytes, self._is_in_body = None, True
            self.app = refuse if len(self.connections) > max_connections else self.config.loaded_app
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            if self.parser.is_passed_over():
                return
            self._is_in_body = False
            if self._timer is not None:  # that of a body which nobody read
                self._stop()
                self._start(header_timeout_s)
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _start(self, seconds: float) -> None:
            self._timer = self.loop.call_later(seconds, self._give_up)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _give_up(self) -> None:
            self._stop()
            self._head_bytes = None
            if not self.transport.is_closing():
                self.transport.close()

    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=max(1, round(drain_s)),
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
