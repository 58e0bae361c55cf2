"""What a run listens on, and that what a stranger sends there runs nothing and stops nothing (S1, S3, S5)."""

import contextlib
import os
import pickle
import socket
import struct
from pathlib import Path

import psutil
import pytest

from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.roles import roles
from tests.contracts.free_ports import free_ports

PATIENCE_S = 300
HALF_OPEN = 200
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Payload:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: str):
        self._folder = folder

    def __reduce__(self):
        return os.mkdir, (self._folder,)


def listening(pid: int) -> set[tuple[str, int]]:
    found = psutil.Process(pid).net_connections("inet")
    return {tuple(one.laddr) for one in found if one.status == psutil.CONN_LISTEN}


def send(port: int, data: bytes) -> None:
    """Sends it, and gives the other side the time to read it: until it answers, hangs up or says nothing."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock, contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(1.0)
        while sock.recv(65536):
            pass


class Look(RunObserver):
    """The callback of a run: once all roles serve, it notes who listens where, and sends the payload everywhere."""

    def __init__(self, go: Path, canary: Path, count: int):
        self._go, self._count = go, count
        data = pickle.dumps(Payload(str(canary)))
        self._attacks = [data, struct.pack(">I", len(data)) + data, HTTP2 + data]
        self.half_open = contextlib.ExitStack()
        self._before = listening(os.getpid())
        self.statuses: dict[str, dict] = {}
        self.of_driver: set[tuple[str, int]] = set()
        self.of_others: set[tuple[str, int]] = set()
        self.of_roles: dict[str, set[tuple[str, int]]] = {}

    def on_status(self, role, status):
        self.statuses[str(role)] = status
        if len(self.statuses) < self._count or self.of_driver:
            return
        self.of_driver = listening(os.getpid()) - self._before
        agents = [psutil.Process(one["agent"]) for one in self.statuses.values()]
        family = {each.pid for agent in agents for each in (agent, *agent.children(recursive=True))}
        self.of_others = set().union(*map(listening, family - {one["pid"] for one in self.statuses.values()}))
        self.of_roles = {name: listening(one["pid"]) for name, one in self.statuses.items()}
        everywhere = {port for found in (self.of_driver, self.of_others, *self.of_roles.values()) for _, port in found}
        for port in everywhere:
            for data in self._attacks:
                send(port, data)
        for _ in range(HALF_OPEN):
            (control,) = self.of_driver
            self.half_open.enter_context(socket.create_connection(control, PATIENCE_S)).sendall(b"\0\0")
        self._go.touch()


@pytest.mark.tensorflow
def test_a_run_listens_where_it_should_and_a_pickle_sent_there_runs_nothing_while_it_goes_on(local, tmp_path):
    ports, canary = free_ports(3), tmp_path / "ran"
    look = Look(tmp_path / "go", canary, 2)
    params = {"go": str(tmp_path / "go")}
    with look.half_open:  # they stay to the end of the run, which the good clients do not notice (S3)
        results = supervise(local, RunSpec("security_programs:serve", roles(1, 1), params, ports=ports), look)
    assert results == {"ps:0": {"was_stopped": True}, "worker:0": {"value": 42.0}}
    assert not canary.exists()

    # The allow-list: the control channel on the given interface, and each role on the port that its agent holds.
    cluster = look.statuses["ps:0"]["cluster"]
    held = {role: int(cluster[role.partition(":")[0]][0].rpartition(":")[2]) for role in ("ps:0", "worker:0")}
    ((host, control),) = look.of_driver
    assert host == "127.0.0.1"
    assert look.of_others == set()  # the agents, and what they started beside the roles
    assert {role: {port for _, port in found} for role, found in look.of_roles.items()} == {
        role: {port} for role, port in held.items()
    }
    assert {control, *held.values()} == set(range(ports.low, ports.high + 1))


def test_the_payload_does_run_where_it_is_unpickled(tmp_path):
    """The canary sings: without this the test above would say nothing."""
    pickle.loads(pickle.dumps(Payload(str(tmp_path / "ran"))))  # noqa: S301 - that is the point
    assert (tmp_path / "ran").exists()
