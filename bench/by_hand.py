"""The training program in plain processes, as somebody starts it who has no Spark: a shell a role, addresses by hand.

``with ByHand(params, folder) as roles:`` starts a ps and workers; each tells its status as a line of JSON. The same
program, graph, input and checkpoints as under Spark: ``sparkcv.programs.train:main``.
"""

import argparse
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

from sparkcv.cluster.node_environment import ALLOCATOR
from sparkcv.nets import onednn
from sparkcv.roles import NodeContext, Role

_ENV = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_GRPC_REUSE_PORT": "true",
    "PYTHONWARNINGS": "ignore",
    **ALLOCATOR,  # as roles have it
    **onednn.ENVIRONMENT,
}


class ByHand:
    """The processes of one run; ``said`` is a queue of (role, status), of those that were started last."""

    def __init__(self, params: dict[str, Any], folder: pathlib.Path, num_workers: int = 1) -> None:
        self._folder = folder
        ports = _free_ports(1 + num_workers)
        names = [Role("ps", 0), *(Role("worker", at) for at in range(num_workers))]
        self._cluster = {"ps": [f"127.0.0.1:{ports[0]}"], "worker": [f"127.0.0.1:{port}" for port in ports[1:]]}
        (folder / "params.json").write_text(json.dumps(params))
        self.said: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._readers: list[threading.Thread] = []
        self.processes: dict[str, subprocess.Popen[str]] = {}
        for name in names:
            self.start(str(name), 0)

    def __enter__(self) -> "ByHand":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join()

    def start(self, role: str, attempt: int) -> None:
        """Start one role, also again."""
        command = [sys.executable, str(pathlib.Path(__file__)), "--role", role, "--attempt", str(attempt)]
        command += ["--cluster", json.dumps(self.cluster_of(role)), "--params", str(self._folder / "params.json")]
        scratch = self._folder / f"{role}.{attempt}.{len(self._readers)}"
        scratch.mkdir()
        process = subprocess.Popen(
            [*command, "--scratch", str(scratch)],
            stdout=subprocess.PIPE,
            stderr=(self._folder / "said.log").open("ab"),
            text=True,
            env={**os.environ, **_ENV},
        )
        self.processes[role] = process
        reader = threading.Thread(target=self._read, args=(role, process))
        self._readers.append(reader)
        reader.start()

    def cluster_of(self, role: str) -> dict[str, list[str]]:
        """Return the addresses that a role is told."""
        return self._cluster

    def _read(self, role: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and self.processes[role] is process:
                self.said.put((role, json.loads(line)))
        process.stdout.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> None:
    """Be one role; a SIGTERM stops it in good order. The last line has the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("role", "cluster", "params", "scratch"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--attempt", type=int, required=True)
    flags = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())

    def report(status: dict[str, Any]) -> None:
        print(json.dumps(status), flush=True)

    from sparkcv.programs import train  # TensorFlow's seconds

    context = NodeContext(
        role=Role.parse(flags.role),
        cluster=json.loads(flags.cluster),
        params=json.loads(pathlib.Path(flags.params).read_text()),
        scratch_dir=flags.scratch,
        report=report,
        stop_requested=stop.is_set,
        attempt=flags.attempt,
    )
    report({"result": train.main(context)})
    os._exit(0)  # TensorFlow's threads


if __name__ == "__main__":
    main()
