"""A process that is given a part of the time only, as on a host that others have taken over."""

import os
import signal
import threading

_TURN_S = 0.5


class Slowed:
    """A context manager: while the block runs, a process is stopped in turns, but for one part in ``factor``."""

    def __init__(self, pid: int, factor: float) -> None:
        self._pid, self._running_s = pid, _TURN_S / factor
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take_turns)

    def __enter__(self) -> "Slowed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        os.kill(self._pid, signal.SIGCONT)

    def _take_turns(self) -> None:
        while not self._over.is_set():
            os.kill(self._pid, signal.SIGSTOP)
            self._over.wait(_TURN_S - self._running_s)
            os.kill(self._pid, signal.SIGCONT)
            self._over.wait(self._running_s)
