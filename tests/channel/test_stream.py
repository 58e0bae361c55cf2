"""A stream carries what the other side meant, and nothing of anybody else's."""

import contextlib
import socket
import struct
import threading

import msgpack
import pytest

from sparkcv.channel import auth, stream
from sparkcv.channel.frames import MAX_FRAME_BYTES, frame, split
from sparkcv.channel.listener import Listener
from sparkcv.channel.stream import Stream, connect
from sparkcv.errors import ChannelError

SECRET, OTHER = b"s" * 32, b"o" * 32
TIMEOUT_S = 20


class Echo:
    """Sends every message back; keeps what it heard, and the error that ended each conversation."""

    def __init__(self):
        self.heard, self.ended = [], threading.Semaphore(0)

    def __call__(self, talk):
        try:
            while True:
                message = talk.receive(TIMEOUT_S)
                self.heard.append(message)
                talk.send(message)
        finally:
            self.ended.release()


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def listener(echo):
    with Listener("127.0.0.1", SECRET, echo, "test") as found:
        yield found


def raw(listener):
    """A plain socket that has shaken hands; gives it and the cipher of an honest client."""
    sock = socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S)
    received = bytearray(sock.recv(100))
    server_nonce, nonce = auth.nonce_of(split(received)), b"n" * 32
    sock.sendall(auth.opening(nonce))
    return sock, auth.FrameCipher(SECRET, server_nonce, nonce, is_server=False)


def test_messages_go_both_ways_whatever_their_size(listener):
    with connect(("127.0.0.1", listener.port), SECRET) as talk:
        for message in (["a"], ["b", 1, b"x" * 3_000_000], ["c", {"d": [None, True, 1.5, "ü"]}]):
            talk.send(message)
            assert talk.receive(TIMEOUT_S) == message
        assert talk.receive(0.01) is None


def test_many_talk_at_once(listener):
    talks = [connect(("127.0.0.1", listener.port), SECRET) for _ in range(20)]
    for at, talk in enumerate(talks):
        talk.send(["n", at])
    for at, talk in enumerate(talks):
        assert talk.receive(TIMEOUT_S) == ["n", at]
        talk.close()
        talk.close()


def test_a_client_with_another_key_is_refused_before_its_first_message_is_looked_at(listener, echo):
    with connect(("127.0.0.1", listener.port), OTHER) as talk:
        talk.send(["a"])
        with pytest.raises(ChannelError):
            talk.receive(TIMEOUT_S)
    assert echo.ended.acquire(timeout=TIMEOUT_S)
    assert echo.heard == []


def test_a_server_with_another_key_is_not_believed(echo):
    other = Listener("127.0.0.1", OTHER, lambda talk: talk.send(["go"]), "test")
    with other, connect(("127.0.0.1", other.port), SECRET) as talk, pytest.raises(ChannelError, match="authentic"):
        talk.receive(TIMEOUT_S)


def refused(sock, echo, *, heard=()):
    assert echo.ended.acquire(timeout=TIMEOUT_S)
    assert echo.heard == list(heard)
    sock.close()


def test_a_replayed_message_is_refused(listener, echo):
    sock, client = raw(listener)
    data = frame(client.encrypt(msgpack.packb(["a"])))
    sock.sendall(data + data)
    refused(sock, echo, heard=[["a"]])


def test_a_flipped_bit_is_refused(listener, echo):
    sock, client = raw(listener)
    data = bytearray(frame(client.encrypt(msgpack.packb(["a"]))))
    data[-1] ^= 1
    sock.sendall(data)
    refused(sock, echo)


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES, 2**31, 2**32 - 1])
def test_a_stranger_cannot_have_more_read_than_a_small_frame(listener, echo, length):
    sock, _ = raw(listener)
    sock.sendall(struct.pack(">I", length))
    refused(sock, echo)


def test_one_that_is_known_cannot_send_more_than_the_limit(listener, echo):
    sock, client = raw(listener)
    sock.sendall(frame(client.encrypt(msgpack.packb(["a"]))) + struct.pack(">I", stream.MAX_MESSAGE_BYTES))
    refused(sock, echo, heard=[["a"]])


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", msgpack.packb(1), msgpack.packb([]), msgpack.packb([1]), b"\x91" * 3000]
)
def test_what_is_no_message_is_refused_even_from_a_friend(listener, echo, data):
    sock, client = raw(listener)
    sock.sendall(frame(client.encrypt(data)))
    refused(sock, echo)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"\xff" * 64])
def test_noise_blocks_nobody(listener, data):
    with socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S) as noise:
        noise.sendall(data)
        with connect(("127.0.0.1", listener.port), SECRET) as talk:
            talk.send(["a"])
            assert talk.receive(TIMEOUT_S) == ["a"]


def test_a_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ChannelError, match="in time"):
        connect(("127.0.0.1", silent.getsockname()[1]), SECRET, timeout_s=0.2)


def test_nobody_there_is_a_sentence_with_the_address():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(ChannelError, match=f"nobody listens at 127.0.0.1:{port}"):
        connect(("127.0.0.1", port), SECRET)


def test_closing_wakes_who_waits(listener):
    talk = connect(("127.0.0.1", listener.port), SECRET)
    closer = threading.Timer(0.1, talk.close)
    closer.start()
    with pytest.raises(ChannelError):
        talk.receive(TIMEOUT_S)
    closer.join()


def test_who_receives_after_the_close_does_not_wait_for_what_has_the_sockets_number_now(listener):
    one = connect(("127.0.0.1", listener.port), SECRET)
    number = one._connection._sock.fileno()
    one.close()
    with contextlib.ExitStack() as opened:
        for _ in range(50):  # until one has the number; another thread's file may have it by now
            pair = [opened.enter_context(each) for each in socket.socketpair()]
            if number in (each.fileno() for each in pair):
                break
        with pytest.raises(ChannelError, match="closed here"):
            one.receive(0.1)


def test_a_closed_listener_hangs_up_and_leaves_no_thread(echo):
    listener = Listener("127.0.0.1", SECRET, echo, "test")
    talk = connect(("127.0.0.1", listener.port), SECRET)
    talk.send(["a"])
    assert talk.receive(TIMEOUT_S) == ["a"]
    listener.close()
    listener.close()
    with pytest.raises(ChannelError):
        talk.receive(TIMEOUT_S)
    talk.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "sparkcv-test"]


def test_a_stream_shows_its_secret_to_nobody(listener):
    with connect(("127.0.0.1", listener.port), SECRET) as talk:
        assert SECRET.decode() not in repr(vars(talk))
    assert isinstance(talk, Stream)
