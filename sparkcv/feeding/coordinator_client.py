"""Connect a worker to the coordinator: tell its address, and learn when nothing more will be fed."""

import contextlib
import threading
from collections.abc import Callable

from sparkcv import logs
from sparkcv.channel.stream import Stream, connect
from sparkcv.errors import ChannelError

__all__ = ["CoordinatorClient"]

_RETRY_S = 0.5
_RECEIVE_POLL_S = 3600.0  # one call of receive(); it is called again

_log = logs.get(__name__)


class CoordinatorClient:
    """Stays connected until ``close()``; reconnects if that breaks, as its agent ends this process with the driver.

    ``introduction`` is its ["node", ...] message. ``on_end()`` is called once, from a thread of its own, and
    ``state()`` whenever the coordinator asks whether the program is starved, and how long ago it took a row.
    """

    def __init__(
        self,
        address: tuple[str, int],
        secret: bytes,
        introduction: list[object],
        on_end: Callable[[], None],
        state: Callable[[], tuple[bool, float]],
    ):
        """Connect; raise ChannelError if the coordinator is not there."""
        self._address, self._secret, self._introduction = address, secret, introduction
        self._on_end, self._state = on_end, state
        self._reported: list[str] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._stream = self._connect()
        self._thread = threading.Thread(target=self._run, name="sparkcv-feeding", daemon=True)
        self._thread.start()

    def report(self, event: str) -> None:
        """Tell the coordinator that this worker has "enough" or has "returned"."""
        with self._lock:
            self._reported.append(event)
            with contextlib.suppress(ChannelError):  # it is reported again once connected
                self._stream.send([event])

    def close(self) -> None:
        """Close the connection."""
        self._closing.set()
        with self._lock:
            self._stream.close()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _connect(self) -> Stream:
        stream = connect(self._address, self._secret)
        try:
            stream.send(self._introduction)
            match stream.receive(30.0):
                case ["joined", bool(is_ended)]:
                    if is_ended:
                        self._on_end()
                case other:
                    raise ChannelError(f"the coordinator answers {str(other)[:80]}")
            for event in self._reported:
                stream.send([event])
        except BaseException:
            stream.close()
            raise
        return stream

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                match self._stream.receive(_RECEIVE_POLL_S):
                    case ["end"]:
                        self._on_end()
                    case ["state"]:
                        is_starved, idle_s = self._state()
                        with self._lock:
                            self._stream.send(["state", is_starved, idle_s])
            except ChannelError:
                self._reconnect()

    def _reconnect(self) -> None:
        while not self._closing.wait(_RETRY_S):
            try:
                with self._lock:
                    self._stream = self._connect()
            except ChannelError as err:
                _log.debug("the coordinator of the feeding does not answer: %s", err)
                continue
            return
