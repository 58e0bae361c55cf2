"""What a real training sends over its wires: bytes a step between a worker and its ps, counted by proxies between them.

The roles are processes of the training program itself. Two runs of different lengths start, restore and save alike, so
their difference is that of the steps alone, to the byte but for gRPC's own messages.
"""

import dataclasses
import pathlib
import signal
import socket
import tempfile
import threading
import time
from typing import Any

import psutil
from by_hand import ByHand
from hosted import params

_CHUNK_BYTES = 1 << 18
_RETRY_S = 0.05


class CountingProxy:
    """A TCP proxy before an address, that counts what passes each way; it connects once the address listens."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._passed: list[list[int]] = []  # one number a direction and connection, each a thread's own
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def num_bytes(self) -> int:
        """What passed, both ways."""
        return sum(sum(counts) for counts in list(self._passed))

    def close(self) -> None:
        """Take no more connections; those that there are end with their processes."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        while True:
            try:
                far = socket.create_connection(self._target)
                break
            except ConnectionRefusedError:
                time.sleep(_RETRY_S)
        threading.Thread(target=self._pass, args=(far, near), daemon=True).start()
        self._pass(near, far)

    def _pass(self, giver: socket.socket, taker: socket.socket) -> None:
        self._passed.append(counts := [0])
        try:
            while data := giver.recv(_CHUNK_BYTES):
                counts[0] += len(data)
                taker.sendall(data)
        except OSError:
            pass
        for one in (giver, taker):
            one.close()


class Proxied(ByHand):
    """Roles that reach each other through proxies: the worker its ps, and they the worker."""

    def cluster_of(self, role: str) -> dict[str, list[str]]:
        """Return the addresses that a role is told: its own, and proxies of the others."""
        if not hasattr(self, "proxies"):
            self.proxies = {job: [CountingProxy(one) for one in self._cluster[job]] for job in self._cluster}
        return {
            job: own if role.startswith(job) else [proxy.address for proxy in self.proxies[job]]
            for job, own in self._cluster.items()
        }

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for proxy in (each for job in self.proxies.values() for each in job):
            proxy.close()

    @property
    def num_bytes(self) -> int:
        """All bytes that passed, both ways."""
        return sum(each.num_bytes for job in self.proxies.values() for each in job)


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Of one step: bytes both ways, the worker's seconds, and the ps' CPU seconds."""

    step_bytes: float
    step_s: float
    ps_cpu_s: float


def measure(short: int, long: int, **flags: Any) -> Traffic:
    """Train twice, for ``short`` and for ``long`` steps, with one ps and one worker, and return what a step costs."""
    first, second = _total(short, flags), _total(long, flags)
    return Traffic(*((b - a) / (long - short) for a, b in zip(first, second, strict=True)))


def _total(num_steps: int, flags: dict[str, Any]) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as name:
        told = params(pathlib.Path(name), max_number_of_steps=num_steps, **flags)
        with Proxied(told, pathlib.Path(name)) as roles:
            while True:
                role, status = roles.said.get(timeout=600)
                if role == "worker:0" and "result" in status:
                    break
            times = psutil.Process(roles.processes["ps:0"].pid).cpu_times()
            counted = roles.num_bytes, status["result"]["seconds"], times.user + times.system
            roles.processes["ps:0"].send_signal(signal.SIGTERM)
            return counted
