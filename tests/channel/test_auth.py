"""What one connection encrypts, only its other end decrypts: once, in order, unchanged."""

import itertools

import pytest

from sparkcv.channel.auth import NONCE_BYTES, OVERHEAD_BYTES, FrameCipher, nonce_of, opening
from sparkcv.channel.frames import split
from sparkcv.errors import ChannelError

SECRET, SERVER, CLIENT = bytes(range(32)), b"s" * NONCE_BYTES, b"c" * NONCE_BYTES


def ends(secret=SECRET, server=SERVER, client=CLIENT):
    return (FrameCipher(secret, server, client, is_server=at) for at in (True, False))


def test_both_directions_arrive_and_their_numbers_do_not_mix():
    server, client = ends()
    for content in (b"", b"one", b"x" * 100_000):
        assert client.decrypt(server.encrypt(content)) == content
    assert server.decrypt(client.encrypt(b"back")) == b"back"


def test_the_bytes_on_the_wire_are_pinned():
    _, client = ends()
    assert client.encrypt(b"hello").hex() == "ad3906d3fe1dd024eaac60f01c53fe0a898e596bb0"
    assert client.encrypt(b"hello").hex() == "0dd20d10ed21f470cfdb45eb7b95ddbdab8ba3ab92"


def test_equal_contents_never_look_alike():
    server, client = ends()
    _, other = ends(client=b"d" * NONCE_BYTES)
    bodies = [one.encrypt(bytes(64)) for one in (server, client, other) for _ in range(20)]
    assert len(set(bodies)) == len(bodies)
    assert {len(body) for body in bodies} == {64 + OVERHEAD_BYTES}


@pytest.mark.parametrize(
    "other",
    [{"secret": bytes(32)}, {"server": b"t" * NONCE_BYTES}, {"client": b"d" * NONCE_BYTES}],
    ids=["secret", "server", "client"],
)
def test_another_run_or_connection_is_refused(other):
    server, _ = ends()
    _, client = ends(**other)
    with pytest.raises(ChannelError, match="not authentic"):
        server.decrypt(client.encrypt(b"x"))


def test_a_body_that_was_sent_back_repeated_left_out_or_swapped_is_refused():
    server, client = ends()
    first, second = client.encrypt(b"1"), client.encrypt(b"2")
    for wrong in (server.encrypt(b"1"), second):
        with pytest.raises(ChannelError, match="not authentic"):
            server.decrypt(wrong)
    assert server.decrypt(first) == b"1"
    with pytest.raises(ChannelError, match="not authentic"):
        server.decrypt(first)


def test_each_flipped_bit_and_each_missing_or_added_byte_is_refused():
    server, client = ends()
    body = client.encrypt(b"content")
    flipped = (
        bytes(b ^ (1 << bit) * (n == at) for n, b in enumerate(body)) for at in range(len(body)) for bit in (0, 7)
    )
    cut = (body[:length] for length in range(len(body)))
    for wrong in itertools.chain(flipped, cut, [body + b"\0"]):
        with pytest.raises(ChannelError, match="not authentic"):
            server.decrypt(wrong)
    assert server.decrypt(body) == b"content"


def test_a_fork_cannot_send_with_the_numbers_of_its_parent(monkeypatch):
    _, client = ends()
    monkeypatch.setattr(client, "_pid", 1)
    with pytest.raises(ChannelError, match="in a fork"):
        client.encrypt(b"x")


def test_an_opening_holds_its_nonce():
    assert nonce_of(split(bytearray(opening(SERVER)))) == SERVER
