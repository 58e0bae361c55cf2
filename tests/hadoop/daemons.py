"""One Hadoop daemon as a process of its own, and the warden that owns them all."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_WARDEN = Path(__file__).with_name("warden.py")
START_TIMEOUT_S = 300
_POLL_S = 0.2
_TAIL_LINES = 12


class Warden:
    """A context manager: the process that starts the daemons, outlives this one, and then ends them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def __enter__(self) -> "Warden":
        self._process = subprocess.Popen(
            [sys.executable, str(_WARDEN), str(self._root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(300)  # it removes what was unpacked: tens of thousands of files

    def start(self, argv: Sequence[str], env: dict[str, str], log: Path) -> int:
        """Start a process in the root folder, its output appended to ``log``; returns its pid."""
        answer = self._ask({"argv": list(argv), "env": env, "log": str(log), "cwd": str(self._root)})
        if "error" in answer:
            raise RuntimeError(f"cannot start {answer['error']}")
        return answer["pid"]

    def keep(self, keep: bool = True) -> None:
        """Leave the root folder, and so the logs, where it is at the end."""
        self._tell({"keep": keep})

    def _tell(self, request: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._tell(request)
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the warden process died")
        return json.loads(line)


class Daemon:
    """A daemon that can be killed, stopped, frozen and started again, with the same folders and ports.

    Attributes:
        name: such as ``nn1``, ``dn2``, ``rm``.
        log: its whole output, over all its lives.
        pid: of its present or last life.
        web: ``127.0.0.1:port`` of its web server.
    """

    def __init__(
        self, name: str, warden: Warden, argv: Sequence[str], env: dict[str, str], log: Path, web: str
    ) -> None:
        self.name, self.log, self.web, self.pid = name, log, web, 0
        self._warden, self._argv, self._env = warden, argv, env

    def __repr__(self) -> str:
        return f"<{self.name} pid {self.pid}{'' if self.is_alive else ' (dead)'}>"

    def start(self) -> None:
        """Start a new life; returns at once, see ``wait``."""
        self.pid = self._warden.start(self._argv, self._env, self.log)

    @property
    def is_alive(self) -> bool:
        """Whether its process is there: a zombie is not, unless threads of it still hold its ports."""
        folder = Path(f"/proc/{self.pid}")
        try:
            is_over = (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            return not is_over or len(os.listdir(folder / "task")) > 1
        except (FileNotFoundError, ProcessLookupError):
            return False

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: its port still accepts connections, and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def get(self, path: str) -> Any:
        """GET JSON from its web server."""
        with urllib.request.urlopen(f"http://{self.web}{path}", timeout=30) as answer:
            return json.load(answer)

    def bean(self, name: str) -> dict[str, Any]:
        """One of its JMX beans, such as ``Hadoop:service=NameNode,name=FSNamesystem``."""
        beans = self.get(f"/jmx?qry={name}")["beans"]
        return beans[0] if beans else {}

    def wait(self, ready: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait for an answer of its own that says so; raises RuntimeError with its last words if it dies."""

        def check() -> bool:
            if not self.is_alive:
                raise RuntimeError(f"{self.name} died before {what}; its log {self.log} ends: {self.tail()}")
            return ready()

        wait_until(check, f"{self.name}: {what} (log {self.log})", timeout_s)

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def _end(self, number: int) -> None:
        if self.is_alive:
            os.kill(self.pid, number)
        wait_until(lambda: not self.is_alive, f"{self.name} (pid {self.pid}) to end", 30)


def wait_until(ready: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Ask again until the answer is yes; a server that does not answer yet counts as no."""
    give_up_s = time.monotonic() + timeout_s
    while True:
        try:
            if ready():
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError, KeyError):
            pass
        if time.monotonic() > give_up_s:
            raise RuntimeError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(_POLL_S)
