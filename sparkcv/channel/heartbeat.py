"""Send an agent's heartbeats to the driver, one a second, reconnecting, and take the driver's orders in return."""

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
SILENCE_S = 30.0  # no answer, or no way there: rather the network, and a cut cable of 20 s should cost nothing
_BEAT_S = 1.0
_RETRY_S = 0.5
_ENDED_BEAT_S = 0.1  # while it waits for what the driver says to an end: a restart should begin at once
_MAX_ENDED_BEATS = 100
_REQUEST_TIMEOUT_S = 5.0
_END_TIMEOUT_S = SILENCE_S + 10.0  # an end waits for the network as beats do

_log = logs.get(__name__)


class Heartbeat:
    """Sends a Hello, then Beats from a thread of its own until ``close()``.

    ``order`` is the driver's newest reply; once its order is ``"stop"`` it stays so. ``lost`` is "" or the sentence why
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
        """Connect to the driver; raise ChannelError if it is not there or refuses this agent.

        ``snapshot`` makes each beat; it is called from the thread that sends them. So is ``on_tokens``, with each new
        file of delegation tokens, of which the first may come before this returns; after an OSError they come again.
        """
        self._on_tokens, self._tokens, self._token_error = on_tokens, 0, ""
        self._address, self._secret, self._hello, self._snapshot = address, secret, hello, snapshot
        self.order: Reply = Reply()
        self.lost = self._failure = ""
        self._lock = threading.Lock()
        self._beating = threading.Lock()
        self._unsent: Beat | None = None  # is sent again after a reconnection: its log lines would be lost otherwise
        self._num_beats = 0
        self._state = ""
        self._contact_s = time.monotonic()
        self._client: Client | None = self._connect()
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._num_ended_beats = 0
        self._thread = threading.Thread(target=self._run, name="sparkcv-link", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def tell(self, message: End) -> None:
        """Tell how a node process ended; raise ChannelError if the driver cannot be told."""
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        pause = threading.Event()
        while not (self._beat() and self._send(message)):  # the lines since the last beat come first
            if self.lost or time.monotonic() > deadline_s:
                why = self.lost or self._failure
                raise ChannelError(f"{self._hello.role} could not tell the driver how it ended: {why}")
            pause.wait(_RETRY_S)
        self._num_ended_beats = 0
        self._wake.set()

    def close(self) -> None:
        """Stop the heartbeats and close the connection; closing twice is fine."""
        self._closing.set()
        self._wake.set()
        self._thread.join(3 * _REQUEST_TIMEOUT_S)
        if self._client is not None:
            self._client.close()

    def _run(self) -> None:
        pause_s = _BEAT_S
        while not self._is_closed_within(pause_s) and not self.lost:
            pause_s = self._pause_s() if self._beat() else _RETRY_S
        if self._unsent is not None and not self.lost:
            self._beat()

    def _is_closed_within(self, pause_s: float) -> bool:
        self._wake.wait(pause_s)
        self._wake.clear()
        return self._closing.is_set()

    def _pause_s(self) -> float:
        """Return the time to the next beat; it is short for some seconds after a node process has ended."""
        self._num_ended_beats = self._num_ended_beats + 1 if self._state == "ended" else 0
        return _ENDED_BEAT_S if 0 < self._num_ended_beats <= _MAX_ENDED_BEATS else _BEAT_S

    def _beat(self) -> bool:
        """Send what is new, after the beat that could not be sent before; return whether the driver has all."""
        with self._beating:
            if self._unsent is not None and not self._send(self._unsent):
                return False
            self._num_beats += 1
            self._unsent = dataclasses.replace(self._snapshot(), number=self._num_beats)
            self._state = self._unsent.state
            if self._send(self._unsent):
                self._unsent = None
            return self._unsent is None

    def _send(self, message: Beat | End) -> bool:
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
        self._failure = str(err)
        cause = err.__cause__
        is_network = isinstance(cause, OSError) and not isinstance(cause, ConnectionError)
        limit_s = SILENCE_S if is_network else UNREACHABLE_S
        quiet_s = time.monotonic() - self._contact_s
        if quiet_s > limit_s and not self.lost:
            self.lost = f"no word from the driver for {quiet_s:.0f} s ({err})"
