"""An agent's conversation with the driver: a beat a second, reconnecting, and the driver's orders in return."""

import base64
import dataclasses
import threading
import time
from collections.abc import Callable
from types import TracebackType

from sparkcv import logs
from sparkcv.channel.client import Client
from sparkcv.channel.messages import Beat, End, Hello, Reply
from sparkcv.errors import ChannelError

__all__ = ["Heartbeat", "SILENCE_S", "UNREACHABLE_S"]

UNREACHABLE_S = 10.0  # nobody listens at the driver's port, or it hangs up: the driver is gone
SILENCE_S = 30.0  # no answer at all: rather the network, and a cut cable of 20 s should cost nothing
_BEAT_S = 1.0
_RETRY_S = 0.5
_REQUEST_TIMEOUT_S = 5.0
_END_TIMEOUT_S = 15.0

_log = logs.get(__name__)


class Heartbeat:
    """Says hello, then beats from a thread of its own until ``close()``.

    ``order`` is the driver's newest word; once it is ``"stop"`` it stays so. ``lost`` is "" or the sentence why
    the driver counts as gone; once set it stays set, and the agent must end its node process.
    """

    def __init__(
        self,
        address: tuple[str, int],
        secret: bytes,
        hello: Hello,
        snapshot: Callable[[], Beat],
        on_tokens: Callable[[bytes], None] = lambda data: None,
    ):
        """Connects to the driver; raises ChannelError if it is not there or refuses this agent.

        ``snapshot`` makes each beat; it is called from the beating thread. So is ``on_tokens``, with each new file of
        delegation tokens, of which the first may come before this returns; if it raises OSError they come again.
        """
        self._on_tokens, self._tokens, self._token_error = on_tokens, 0, ""
        self._address, self._secret, self._hello, self._snapshot = address, secret, hello, snapshot
        self.order: Reply = Reply()
        self.lost = ""
        self._lock = threading.Lock()
        self._beating = threading.Lock()
        self._unsent: Beat | None = None  # is said again after a reconnection: its log lines would be lost otherwise
        self._num_beats = 0
        self._contact_s = time.monotonic()
        self._client: Client | None = self._connect()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sparkcv-link", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def tell(self, message: End) -> None:
        """Says how a node process ended; raises ChannelError if the driver cannot be told."""
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        pause = threading.Event()
        while not (self._beat() and self._say(message)):  # the lines since the last beat come first
            if self.lost or time.monotonic() > deadline_s:
                raise ChannelError(f"{self._hello.role} could not tell the driver how it ended: {self.lost}")
            pause.wait(_RETRY_S)

    def close(self) -> None:
        """Ends the beating and hangs up; closing twice is fine."""
        self._closing.set()
        self._thread.join(3 * _REQUEST_TIMEOUT_S)
        if self._client is not None:
            self._client.close()

    def _run(self) -> None:
        pause_s = _BEAT_S
        while not self._closing.wait(pause_s) and not self.lost:
            pause_s = _BEAT_S if self._beat() else _RETRY_S
        if self._unsent is not None and not self.lost:
            self._beat()

    def _beat(self) -> bool:
        """Says what is new, after what an earlier beat could not say; whether all is said."""
        with self._beating:
            if self._unsent is not None and not self._say(self._unsent):
                return False
            self._num_beats += 1
            self._unsent = dataclasses.replace(self._snapshot(), number=self._num_beats)
            if self._say(self._unsent):
                self._unsent = None
            return self._unsent is None

    def _say(self, message: Beat | End) -> bool:
        with self._lock:
            try:
                if self._client is None:
                    self._client = self._connect()
                if isinstance(message, Beat):
                    message = dataclasses.replace(message, tokens_held=self._tokens)
                reply = self._client.request(message)
            except ChannelError as err:
                self._client = None
                self._note_failure(err)
                return False
            self._contact_s = time.monotonic()
            self._obey(reply)
            return True

    def _connect(self) -> Client:
        client = Client(self._address, self._secret, timeout_s=_REQUEST_TIMEOUT_S)
        reply = client.request(dataclasses.replace(self._hello, tokens_held=self._tokens))
        if reply.order == "refuse":
            client.close()
            self.lost = f"the driver refused {self._hello.role}: {reply.reason}"
            raise ChannelError(self.lost)
        self._obey(reply)
        return client

    def _obey(self, reply: Reply) -> None:
        if reply.tokens:
            self._take_tokens(reply)
        if reply.order == "refuse":
            self.lost = f"the driver refused {self._hello.role}: {reply.reason}"
        elif self.order.order != "stop":
            self.order = dataclasses.replace(reply, tokens="")

    def _take_tokens(self, reply: Reply) -> None:
        try:
            self._on_tokens(base64.b64decode(reply.tokens))
            self._tokens = reply.tokens_number
        except OSError as err:
            if str(err) != self._token_error:
                _log.warning("new tokens for HDFS cannot be put in place, which is tried again: %s", err)
            self._token_error = str(err)

    def _note_failure(self, err: ChannelError) -> None:
        limit_s = SILENCE_S if isinstance(err.__cause__, TimeoutError) else UNREACHABLE_S
        quiet_s = time.monotonic() - self._contact_s
        if quiet_s > limit_s and not self.lost:
            self.lost = f"no word from the driver for {quiet_s:.0f} s ({err})"
