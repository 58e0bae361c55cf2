"""What an insider could send on the control channel, who knows the secret: it is no message, and is refused (S2).

What strangers may send is in tests/channel/test_control.py, which names may stand in a message in test_messages.py.
"""

import io
import json
import random
import socket

import psutil
import pytest

from sparkcv import logs
from sparkcv.channel.auth import NONCE_BYTES, FrameCipher, nonce_of, opening
from sparkcv.channel.client import Client
from sparkcv.channel.control import Server, new_secret
from sparkcv.channel.frames import frame, split
from sparkcv.channel.messages import Message, Reply
from sparkcv.channel.schema import encode
from sparkcv.errors import ChannelError
from tests.channel.test_messages import ALL, HELLO

PATIENCE_S = 300
VALUES = (None, True, -1, 2**64, 1e308, float("nan"), "", "x" * 3000, "\0\x1b[2J", [], [[]], {}, {"a": {}}, "exec")


@pytest.fixture
def heard():
    return []


@pytest.fixture
def server(heard):
    def on_message(peer, message):
        heard.append(message)
        return Reply()

    with Server("127.0.0.1", SECRET, on_message, lambda peer: None) as running:
        yield running
        running.check()


SECRET = new_secret()


def send(server, texts: list[bytes]) -> None:
    """Sends the texts as authentic frames, until it is hung up on or each is answered."""
    with socket.create_connection((server.host, server.port), PATIENCE_S) as sock:
        received = bytearray()
        while (body := split(received)) is None:
            received += sock.recv(4096)
        own = b"i" * NONCE_BYTES
        sock.sendall(opening(own))
        cipher = FrameCipher(SECRET, nonce_of(body), own, is_server=False)
        for text in texts:
            sock.sendall(frame(cipher.encrypt(text)))
            if not sock.recv(65536):
                return


def spoiled(rng: random.Random) -> bytes:
    """A message with one thing wrong."""
    fields = json.loads(encode(rng.choice(ALL)))
    name = rng.choice(list(fields))
    if rng.random() < 0.7:
        fields[name] = rng.choice(VALUES)
    else:
        fields[rng.choice(["__class__", "kind ", name.upper()])] = fields.pop(name)
    return json.dumps(fields).encode()


def test_a_thousand_authentic_frames_of_nonsense_are_refused_without_growth_and_the_log_stays_short(server, heard):
    said, rng, process = io.StringIO(), random.Random(11), psutil.Process()
    logs.setup("driver", said)
    send(server, [encode(HELLO)])
    before, files = process.memory_info().rss, process.num_fds()
    for _ in range(1000):
        send(server, [encode(HELLO), spoiled(rng)])
    assert process.memory_info().rss - before < 2**25
    assert process.num_fds() <= files + 2
    assert all(isinstance(message, Message) for message in heard)
    assert server.num_refused > 500
    assert 0 < said.getvalue().count("refused a connection") < 30
    with Client((server.host, server.port), SECRET, timeout_s=PATIENCE_S) as client:
        assert client.request(HELLO) == Reply()


def test_the_same_frames_without_a_fault_are_taken(server, heard):
    send(server, [encode(message) for message in ALL])
    assert heard == list(ALL)


def test_another_runs_secret_is_of_no_use(server, heard):
    with pytest.raises(ChannelError), Client((server.host, server.port), new_secret(), timeout_s=PATIENCE_S) as client:
        client.request(HELLO)
    assert heard == []
