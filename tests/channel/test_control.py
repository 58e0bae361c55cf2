"""The control channel refuses what is not authentic, survives it, and lets nobody block anybody (FAULTS S1-S3)."""

import contextlib
import os
import pickle
import random
import socket
import struct
import threading
import time

import psutil
import pytest

from sparkcv.channel import control
from sparkcv.channel.auth import FrameCipher, opening
from sparkcv.channel.client import Client
from sparkcv.channel.control import Server, new_secret
from sparkcv.channel.frames import MAX_FRAME_BYTES, frame
from sparkcv.channel.messages import Beat, End, Hello, Reply, TokenReply
from sparkcv.channel.ports import listen
from sparkcv.channel.schema import encode
from sparkcv.config.port_range import PortRange
from sparkcv.errors import ChannelError

HELLO = Hello(role="worker:0", generation=0, agent="ab", host="h", task="1.1", pid=1)
BEAT = Beat(state="running", pid=1, rss_bytes=1, status=None, lines=[], num_dropped=0)
PATIENCE_S = 300


class Log:
    """Answers every message, remembers it, and can be waited on."""

    def __init__(self):
        self.said, self.closed = [], []
        self.reply = Reply()
        self._changed = threading.Condition()

    def on_message(self, peer, message):
        with self._changed:
            self.said.append((peer, message))
            self._changed.notify_all()
        return self.reply

    def on_close(self, peer):
        with self._changed:
            self.closed.append(peer)
            self._changed.notify_all()

    def wait_for(self, check):
        with self._changed:
            assert self._changed.wait_for(check, PATIENCE_S)


@pytest.fixture
def secret():
    return new_secret()


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def server(secret, log):
    with Server("127.0.0.1", secret, log.on_message, log.on_close) as running:
        yield running
        running.check()


def address(server):
    return (server.host, server.port)


def works(server, secret) -> bool:
    with Client(address(server), secret, timeout_s=PATIENCE_S) as client:
        return client.request(HELLO) == Reply()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6_is_listened_on_and_reached_with_and_without_its_brackets(secret, log, host):
    try:
        listen("::1").close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with Server(host, secret, log.on_message, log.on_close) as server:
        for there in ("::1", "[::1]"):
            with Client((there, server.port), secret, timeout_s=PATIENCE_S) as client:
                assert client.request(HELLO) == Reply()
                assert client.local_host == "[::1]"


@contextlib.contextmanager
def stranger(server):
    """A raw connection; gives the socket and the server's nonce."""
    with socket.create_connection(address(server), timeout=PATIENCE_S) as sock:
        (length,) = struct.unpack(">I", exactly(sock, 4))
        yield sock, exactly(sock, length)[8:]


def exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        assert more, "the connection was closed"
        data += more
    return data


def is_hung_up(sock) -> bool:
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(65536):
            pass
    return True


def handshake(sock, secret, nonce, own=b"n" * 32):
    """What a client does, by hand: gives a function from a message to its frame on this connection."""
    sock.sendall(opening(own))
    return framing(FrameCipher(secret, nonce, own, is_server=False))


def framing(cipher):
    return lambda message: frame(cipher.encrypt(encode(message)))


def test_requests_are_answered_in_order(server, secret, log):
    log.reply = Reply("stop", 3.0, "enough")
    with Client(address(server), secret) as client:
        assert [client.request(message) for message in (HELLO, BEAT, BEAT)] == [log.reply] * 3
    log.wait_for(lambda: log.closed)
    assert [message for _, message in log.said] == [HELLO, BEAT, BEAT]
    assert log.closed == [log.said[0][0]]


def test_a_message_as_large_as_a_result_passes(server, secret, log):
    end = End(returncode=0, result={"x": "y" * 48_000}, error="", error_kind="", tail=["z" * 10_000], peak_rss_bytes=1)
    with Client(address(server), secret) as client:
        client.request(end)
    assert log.said[0][1] == end


def test_a_frame_in_single_bytes_and_two_frames_at_once_are_the_same(server, secret, log):
    with stranger(server) as (sock, nonce):
        wrap = handshake(sock, secret, nonce)
        for byte in wrap(HELLO):
            sock.sendall(bytes([byte]))
        sock.sendall(wrap(BEAT) + wrap(BEAT))
        log.wait_for(lambda: len(log.said) == 3)
    assert [message for _, message in log.said] == [HELLO, BEAT, BEAT]


def test_a_wrong_key_is_refused_and_the_server_lives(server, secret, log):
    with pytest.raises(ChannelError, match="closed the connection"), Client(address(server), new_secret()) as client:
        client.request(HELLO)
    assert log.said == []
    assert works(server, secret)


def test_a_replayed_message_is_refused(server, secret, log):
    with stranger(server) as (sock, nonce):
        data = handshake(sock, secret, nonce)(HELLO)
        sock.sendall(data)
        log.wait_for(lambda: len(log.said) == 1)
        sock.sendall(data)
        assert is_hung_up(sock)
    assert len(log.said) == 1
    assert works(server, secret)


def test_a_whole_connection_replayed_is_refused(server, secret, log):
    with stranger(server) as (sock, nonce):
        sent = opening(b"n" * 32) + handshake(sock, secret, nonce)(HELLO)
    with stranger(server) as (sock, nonce):
        sock.sendall(sent)
        assert is_hung_up(sock)
    assert log.said == []


def test_a_message_to_the_client_is_none_to_the_server(server, secret, log):
    with stranger(server) as (sock, nonce):
        handshake(sock, secret, nonce)
        sock.sendall(framing(FrameCipher(secret, nonce, b"n" * 32, is_server=True))(HELLO))
        assert is_hung_up(sock)
    assert log.said == []


def test_a_message_of_the_server_sent_back_to_it_is_refused(server, secret, log):
    with stranger(server) as (sock, nonce):
        sock.sendall(handshake(sock, secret, nonce)(HELLO))
        header = exactly(sock, 4)
        sock.sendall(header + exactly(sock, *struct.unpack(">I", header)))
        assert is_hung_up(sock)
    assert len(log.said) == 1


@pytest.mark.parametrize("num_bytes", [0, 1, 15, 16, 40])
def test_a_message_that_is_cut_is_refused(server, secret, log, num_bytes):
    with stranger(server) as (sock, nonce):
        body = handshake(sock, secret, nonce)(HELLO)[4:]
        sock.sendall(frame(body[:num_bytes]))
        assert is_hung_up(sock)
    assert log.said == []


def test_nobody_reads_a_message_on_its_way(server, secret):
    with stranger(server) as (sock, nonce):
        data = handshake(sock, secret, nonce)(HELLO)
    assert b"worker" not in data
    assert secret not in data


def test_messages_out_of_order_are_refused(server, secret, log):
    with stranger(server) as (sock, nonce):
        wrap = handshake(sock, secret, nonce)
        wrap(HELLO)
        sock.sendall(wrap(BEAT))
        assert is_hung_up(sock)
    assert log.said == []


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES, 2**31, 2**32 - 1])
def test_an_announced_giant_is_refused_before_it_comes(server, secret, length):
    before = psutil.Process().memory_info().rss
    with stranger(server) as (sock, _):
        sock.sendall(struct.pack(">I", length))
        assert is_hung_up(sock)
    assert psutil.Process().memory_info().rss - before < 2**26
    assert works(server, secret)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"sparkcv2" + b"n" * 32,
        b"sparkcv3" + b"n" * 32,
        b"sparkcv3" + b"n" * 31,
        b"GET / HTTP/1.1\r\n\r\n",
        pickle.dumps({"x": 1}),
    ],
)
def test_another_protocol_is_refused(server, secret, body):
    with stranger(server) as (sock, _):
        sock.sendall(struct.pack(">I", len(body)) + body)
        assert is_hung_up(sock)
    assert works(server, secret)


def test_an_authentic_frame_that_is_no_message_is_refused(server, secret, log):
    with stranger(server) as (sock, nonce):
        sock.sendall(opening(b"n" * 32))
        cipher = FrameCipher(secret, nonce, b"n" * 32, is_server=False)
        sock.sendall(frame(cipher.encrypt(b'{"kind": "exec", "code": "1"}')))
        assert is_hung_up(sock)
    assert log.said == []
    assert works(server, secret)


def test_a_pickle_runs_nothing(server, secret, tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    data = pickle.dumps(Payload())
    for sent in (data, struct.pack(">I", len(data)) + data):
        with stranger(server) as (sock, nonce):
            sock.sendall(sent)
        with stranger(server) as (sock, nonce):
            handshake(sock, secret, nonce)
            sock.sendall(sent)
    assert works(server, secret)
    assert not (tmp_path / "ran").exists()


def test_a_thousand_random_frames_are_refused_without_growth(server, secret, log):
    rng = random.Random(7)
    process = psutil.Process()
    assert works(server, secret)
    before, files = process.memory_info().rss, process.num_fds()
    good = encode(HELLO)
    for at in range(1000):
        with stranger(server) as (sock, nonce), contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if at % 2:
                handshake(sock, secret, nonce)
            data = bytearray(rng.choice([rng.randbytes(rng.randint(0, 300)), frame(b"x" * 32 + good)]))
            if data and at % 3:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            sock.sendall(bytes(data))
    assert works(server, secret)
    assert all(message == HELLO for _, message in log.said)
    assert process.memory_info().rss - before < 2**25
    assert process.num_fds() <= files + 2


def test_two_hundred_half_open_connections_block_nobody(server, secret):
    with contextlib.ExitStack() as stack:
        for at in range(200):
            sock = stack.enter_context(socket.create_connection(address(server), timeout=PATIENCE_S))
            if at % 2:
                sock.sendall(b"\x00\x00")
        assert works(server, secret)


def test_the_oldest_strangers_make_room_for_an_agent(server, secret):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.create_connection(address(server), timeout=PATIENCE_S))
        for _ in range(control._MAX_STRANGERS + 20):
            stack.enter_context(socket.create_connection(address(server), timeout=PATIENCE_S))
        assert is_hung_up(first)
        assert works(server, secret)


def test_a_client_that_reads_nothing_blocks_nobody(server, secret, log):
    log.reply = Reply("go", 0.0, "r" * 2000)
    with stranger(server) as (sock, nonce):
        wrap = handshake(sock, secret, nonce)
        sock.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(20_000):
                sock.sendall(wrap(HELLO))
        log.reply = Reply()
        assert works(server, secret)


def test_a_client_says_when_there_is_no_driver():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(ChannelError, match=f"no driver at 127.0.0.1:{port}"):
        Client(("127.0.0.1", port), new_secret())


def test_a_client_does_not_wait_for_a_silent_driver_for_ever():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ChannelError, match="does not answer"):
        Client(silent.getsockname()[:2], new_secret(), timeout_s=0.2)


def test_a_client_refuses_a_driver_that_does_not_know_the_secret(log):
    with (
        Server("127.0.0.1", new_secret(), log.on_message, log.on_close) as other,
        pytest.raises(ChannelError),
        Client(address(other), new_secret()) as client,
    ):
        client.request(HELLO)


def test_an_answer_of_another_class_is_refused(server, secret, log):
    log.reply = TokenReply()
    with pytest.raises(ChannelError, match="expected a Reply from the driver, got a TokenReply"):
        works(server, secret)


def test_a_handler_refuses_by_a_channel_error_and_the_server_lives(secret, log):
    def refuse(peer, message):
        raise ChannelError("expected something else")

    with Server("127.0.0.1", secret, refuse, log.on_close) as server:
        for _ in range(2):
            with pytest.raises(ChannelError, match="closed the connection"):
                works(server, secret)
        server.check()


def test_a_server_says_that_its_port_is_taken(server, secret, log):
    with pytest.raises(ChannelError, match=f"cannot listen on 127.0.0.1 .* {server.port}-{server.port} is free"):
        Server("127.0.0.1", secret, log.on_message, log.on_close, ports=PortRange(server.port, server.port))


def test_closing_frees_the_port_and_hangs_up_and_twice_is_fine(secret, log):
    server = Server("127.0.0.1", secret, log.on_message, log.on_close)
    with Client(address(server), secret) as client:
        client.request(HELLO)
        server.close()
        server.close()
        with pytest.raises(ChannelError):
            client.request(BEAT)
        client.close()
    with pytest.raises(ChannelError, match="no driver"):
        Client(address(server), secret)


def test_a_bug_in_the_handler_is_told_to_the_driver(secret, log):
    def broken(peer, message):
        raise ZeroDivisionError

    server = Server("127.0.0.1", secret, broken, log.on_close)
    with pytest.raises(ChannelError), Client(address(server), secret) as client:
        client.request(HELLO)
    deadline = time.monotonic() + PATIENCE_S
    while server._thread.is_alive() and time.monotonic() < deadline:
        server._thread.join(0.1)
    with pytest.raises(ChannelError, match="ZeroDivisionError"):
        server.check()
    server.close()


def test_the_server_listens_on_the_given_interface_only(server):
    mine = [c for c in psutil.Process().net_connections("inet") if c.status == "LISTEN" and c.laddr.port == server.port]
    assert [c.laddr.ip for c in mine] == ["127.0.0.1"]
