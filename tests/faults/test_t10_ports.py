"""A port that is taken between reserve and bind (FAULTS T10): it cannot be, since it is held, and held by one alone."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sparkcv.channel.ports import hold_port, listen
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ClusterError, SparkcvError
from sparkcv.roles import roles
from tests.contracts.free_ports import free_ports
from tests.contracts.local_launcher import LocalLauncher

ROOT = Path(__file__).parents[2]
ROUNDS, HOLDERS = 10, 10  # a hundred starts
PATIENCE_S = 300

# As many processes as there are ports race for them; a round ends when all of them have said what they got, so that
# all are held at once. It forks, as a hundred interpreters would take most of the time.
RACE = """
import os, sys
from sparkcv.channel.ports import hold_port
from sparkcv.config.port_range import PortRange
from sparkcv.errors import ClusterError

ports, num_rounds, num_holders = PortRange(int(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
for _ in range(num_rounds):
    (said, say), (wait, go), (hold, end) = os.pipe(), os.pipe(), os.pipe()
    for _ in range(num_holders):
        if not os.fork():
            for fd in (go, end):
                os.close(fd)
            os.read(wait, 1)
            try:
                with hold_port(ports) as port:
                    os.write(say, f"{port:8}".encode())
                    os.read(hold, 1)
            except ClusterError:
                os.write(say, b"    none")
            os._exit(0)
    os.close(go)  # all start at this moment
    got = [os.read(said, 8).decode().strip() for _ in range(num_holders)]
    print(" ".join(got), flush=True)
    os.close(end)
    for _ in range(num_holders):
        os.wait()
"""

# What others on the host may do at any time: take every port that they get.
THIEF = """
import socket, sys
low, high = int(sys.argv[1]), int(sys.argv[2])
taken = []
print("begins", flush=True)
while True:
    for port in range(low, high + 1):
        for option in (None, socket.SO_REUSEADDR):
            sock = socket.socket()
            if option is not None:
                sock.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                sock.bind(("127.0.0.1", port))
                sock.listen()
            except OSError:
                sock.close()
                continue
            taken.append(sock)
            print(port, flush=True)
"""


@pytest.fixture
def local():
    """Seats as plain processes of this machine."""
    return LocalLauncher(3, [str(ROOT), str(ROOT / "tests" / "cluster" / "programs")])


def race(ports: PortRange, num_holders: int, num_rounds: int) -> list[list[str]]:
    """What each of the racing processes got, by round."""
    args = map(str, (ports.low, ports.high, num_rounds, num_holders))
    done = subprocess.run([sys.executable, "-c", RACE, *args], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@contextlib.contextmanager
def thief(ports: PortRange):
    command = [sys.executable, "-c", THIEF, str(ports.low), str(ports.high)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begins\n"
            yield process
        finally:
            process.kill()


def shared(port: int) -> socket.socket:
    """A socket such as TensorFlow's server makes."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind(("0.0.0.0", port))
    except OSError:
        sock.close()
        raise
    return sock


def test_a_hundred_starts_at_once_each_get_a_port_of_their_own():
    ports = free_ports(HOLDERS)
    wanted = sorted(str(port) for port in range(ports.low, ports.high + 1))
    rounds = race(ports, HOLDERS, ROUNDS)
    assert len(rounds) == ROUNDS
    assert all(sorted(got) == wanted for got in rounds)


def test_of_two_that_race_for_one_port_one_gets_it():
    ports = free_ports(1)
    assert all(sorted(got) == sorted([str(ports.low), "none"]) for got in race(ports, 2, 20))


def test_a_shared_port_alone_would_be_held_twice():
    """What goes wrong without the mechanism: SO_REUSEPORT lets two agents of a user hold the same port."""
    port = free_ports(1).low
    with shared(port), shared(port):
        pass


def test_nobody_takes_a_held_port_before_the_node_process_listens_there():
    ports = free_ports(4)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(hold_port(ports)) for _ in range(len(ports))]
        with thief(ports) as process:
            for _ in range(25):  # a hundred starts of a server, each on its port, while the thief tries
                for port in held:
                    with shared(port) as server:
                        server.listen()
                        with socket.create_connection(("127.0.0.1", port), PATIENCE_S):
                            pass
            process.kill()
            assert process.stdout.read() == ""


def test_a_port_that_is_only_reserved_is_taken():
    """The same without holding it: the thief is on it before the server is."""
    ports = free_ports(2)
    with hold_port(ports) as port:
        pass
    with thief(ports) as process:
        while int(process.stdout.readline()) != port:
            pass
        with pytest.raises(OSError, match="in use"):
            shared(port)


def test_a_used_up_range_is_told_with_ports_and_owners():
    ports = free_ports(2)
    with (
        hold_port(ports),
        listen("127.0.0.1", ports),
        pytest.raises(ClusterError) as caught,
        hold_port(ports),
    ):
        pass
    text, owner = str(caught.value), f"by process {os.getpid()} ("
    assert f"no port of --port_range {ports} is free on {socket.gethostname()}, all 2 were tried" in text
    assert all(f"{port} {owner}" in text for port in (ports.low, ports.high))
    with pytest.raises(OSError, match=r"is free on .* all 2 were tried"), hold_port(ports), hold_port(ports):
        listen("127.0.0.1", ports)


@pytest.mark.parametrize("is_shared", [True, False], ids=["a role", "a driver"])
def test_what_the_last_listener_left_behind_keeps_nobody_from_its_port(is_shared):
    """Connections that a server closed linger for a minute; a new generation gets its port all the same."""
    ports = free_ports(1)
    with socket.create_server(("127.0.0.1", ports.low), reuse_port=is_shared) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    with hold_port(ports) as port, shared(port) as server:
        assert port == ports.low
        server.listen()


def test_without_a_range_the_system_gives_a_port_that_is_held_too():
    with hold_port(ANY_PORT) as port:
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
        shared(port).close()


def test_every_port_of_a_run_lies_in_its_range(local):
    ports = free_ports(4)
    results = supervise(local, RunSpec("cluster_programs:echo", roles(1, 2), {}, ports=ports))
    members = results["worker:0"]["cluster"].values()
    used = {int(address.rpartition(":")[2]) for addresses in members for address in addresses}
    assert len(used) == 3
    assert used <= set(range(ports.low, ports.high + 1))


def test_a_run_whose_roles_find_no_port_says_so(local):
    ports = free_ports(3)  # the control channel takes one, two roles the others
    with pytest.raises(
        SparkcvError, match=rf"no port of --port_range {ports} is free on .* all 3 were tried"
    ) as caught:
        supervise(local, RunSpec("cluster_programs:echo", roles(1, 2), {}, ports=ports))
    assert "probable cause: the range of ports is used up on that host" in str(caught.value)
