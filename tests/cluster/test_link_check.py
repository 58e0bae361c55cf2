"""A server that answers is told from one whose link is cut."""

import socket
import time

import pytest

from sparkcv.cluster.link_check import WHOLE, LinkCheck, silent
from tests.faults.links import Link
from tests.hadoop import wait_until

PATIENCE_S = 300
MUTE_S = 0.5  # for who never answers; who does has all of the patience, as a busy machine may need it


@pytest.fixture(scope="module")
def server():
    """A real gRPC server of TensorFlow; it lives as long as the process, as TensorFlow cannot stop one."""
    from tensorflow.python.training.server_lib import Server

    return Server.create_local_server().target.removeprefix("grpc://")


@pytest.mark.tensorflow
def test_which_servers_do_not_answer(server):
    host, port = server.rsplit(":", 1)
    with Link(host, int(port)) as link, socket.create_server(("127.0.0.1", 0)) as mute:
        linked, muted, refused = f"127.0.0.1:{link.port}", f"127.0.0.1:{mute.getsockname()[1]}", "127.0.0.1:1"
        # The link listens a moment after it is made.
        wait_until(lambda: not silent({"ps:1": linked}, PATIENCE_S), "the link", PATIENCE_S)
        assert silent({"ps:0": server, "ps:1": linked, "ps:2": refused}, PATIENCE_S) == ["ps:2"]
        assert silent({"ps:1": muted, "ps:2": refused}, MUTE_S) == ["ps:1", "ps:2"]
        link.cut()
        assert silent({"ps:1": linked}, MUTE_S) == ["ps:1"]
        link.mend()
        assert silent({"ps:0": server, "ps:1": linked}, PATIENCE_S) == []


def found(cluster, jobs):
    check = LinkCheck(cluster, jobs)
    deadline = time.monotonic() + PATIENCE_S
    while not check.found:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return check.found


def test_what_is_told_of_it():
    assert found({}, ["ps"]) == WHOLE
    assert found({"ps": ["127.0.0.1:1"]}, []) == WHOLE
    assert found({"ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:1"]}, ["ps"]) == "ps:0"
    assert found({"ps": ["127.0.0.1:1"] * 60}, ["ps"]) == "ps:0 and 59 more"
