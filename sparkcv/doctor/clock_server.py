"""A listener that gives everybody who connects the time here: whether it can be reached, and how far clocks differ.

It reads nothing from those who connect, so there is nothing to attack but the port itself, which closes with it.
"""

import contextlib
import socket
import threading
import time
from types import TracebackType

from sparkcv.channel.ports import listen
from sparkcv.config.port_range import ANY_PORT, PortRange

__all__ = ["ClockServer", "ask"]

_POLL_S = 0.2
_SEND_TIMEOUT_S = 2.0
_MAX_ANSWER_BYTES = 256
_ASKS = 3


class ClockServer:
    """A context manager that answers on ``host`` and ``port`` with ``word`` and its clock, one after the other.

    Raises OSError if it cannot listen there.
    """

    def __init__(self, host: str, word: str, ports: PortRange = ANY_PORT):
        """Bind one of ``ports`` of ``host`` and start answering, from a thread of its own."""
        self._listener = listen(host, ports)
        self._listener.settimeout(_POLL_S)
        self.port = int(self._listener.getsockname()[1])
        self._word = word
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="sparkcv-clock", daemon=True)
        self._thread.start()

    def __enter__(self) -> "ClockServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._closing.set()
        self._thread.join(10 * _POLL_S)
        self._listener.close()

    def _answer(self) -> None:
        while not self._closing.is_set():
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:  # nobody came
                continue
            except OSError:  # out of file descriptors: without a pause this thread would spin
                self._closing.wait(_POLL_S)
                continue
            with peer, contextlib.suppress(OSError):
                peer.settimeout(_SEND_TIMEOUT_S)
                peer.sendall(f"{self._word} {time.time()!r}\n".encode())


def ask(host: str, port: int, word: str, timeout_s: float) -> tuple[float, float]:
    """Ask a clock server: how far this clock is ahead of its, in seconds, and by how much that may be wrong.

    The answer is from some moment between the asking and its arrival: the shortest way there and back of three shows
    most. Raises OSError if it cannot be reached within ``timeout_s``, or if somebody else answers there.
    """
    best = (0.0, float("inf"))
    for _ in range(_ASKS):
        before_s = time.time()
        theirs_s = _read(host, port, word, timeout_s)
        after_s = time.time()
        error_s = (after_s - before_s) / 2
        if error_s < best[1]:
            best = ((before_s + after_s) / 2 - theirs_s, error_s)
    return best


def _read(host: str, port: int, word: str, timeout_s: float) -> float:
    with socket.create_connection((host.strip("[]"), port), timeout_s) as peer:
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < _MAX_ANSWER_BYTES:
            data = peer.recv(_MAX_ANSWER_BYTES)
            if not data:
                break
            answer += data
    said, _, clock = answer.decode(errors="replace").strip().partition(" ")
    try:
        if said == word:
            return float(clock)
    except ValueError:
        pass
    raise ConnectionError(f"{host}:{port} did not answer as the doctor would")
