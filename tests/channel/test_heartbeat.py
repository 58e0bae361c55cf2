"""The link beats, obeys, comes back after a lost connection, and knows when the driver is gone."""

import dataclasses
import re
import socket
import threading
import time

import pytest

from sparkcv.channel import heartbeat as link_module
from sparkcv.channel.client import Client
from sparkcv.channel.control import Server, new_secret
from sparkcv.channel.heartbeat import Heartbeat
from sparkcv.channel.messages import Beat, End, Hello
from sparkcv.cluster.state import RunState
from sparkcv.config.port_range import PortRange
from sparkcv.errors import ChannelError
from sparkcv.roles import Role

PATIENCE_S = 300
WORKER = Role("worker", 0)
HELLO = Hello(role="worker:0", generation=0, agent="ab", host="h", task="1.1", pid=1)
END = End(returncode=0, result={}, error="", error_kind="", tail=[], peak_rss_bytes=0)


class Beats:
    """Numbered log lines, one a beat."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return Beat("running", 1, 0, None, [f"line {self.count}"], 0)


def wait_until(check):
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(count):
    return [f"line {at}" for at in range(1, count + 1)]


def has_all(board, beats):
    """Whether the driver has each line once and in order; a beat that follows an end may be on its way."""
    return list(board.look()[0].tail) == lines(beats.count)


@pytest.fixture
def secret():
    return new_secret()


@pytest.fixture
def board():
    return RunState([WORKER], generation=0)


def serve(board, secret, port=0):
    return Server("127.0.0.1", secret, board.received, board.closed, ports=PortRange(port, port))


def test_it_says_hello_beats_and_ends(board, secret):
    beats = Beats()
    with serve(board, secret) as server, Heartbeat((server.host, server.port), secret, HELLO, beats) as link:
        wait_until(lambda: len(board.look()[0].tail) >= 2)
        link.tell(END)
        assert board.look()[0].end == END
        wait_until(lambda: has_all(board, beats))


def test_it_obeys_and_stays_obedient(board, secret):
    with serve(board, secret) as server, Heartbeat((server.host, server.port), secret, HELLO, Beats()) as link:
        board.order_stop([WORKER], 2.0, "enough")
        wait_until(lambda: link.order.order == "stop")
        assert link.order.grace_s == 2.0


def test_nobody_there_is_an_error_at_once(secret):
    with pytest.raises(ChannelError, match="no driver at"):
        Heartbeat(("127.0.0.1", 1), secret, HELLO, Beats())


def test_a_refused_agent_is_told_why(board, secret):
    with serve(board, secret) as server, pytest.raises(ChannelError, match="generation 7 is over, 0 runs"):
        Heartbeat((server.host, server.port), secret, dataclasses.replace(HELLO, generation=7), Beats())


def test_a_lost_connection_is_made_again_and_no_line_is_lost(board, secret):
    beats = Beats()
    with serve(board, secret) as server:
        address = (server.host, server.port)
        with Heartbeat(address, secret, HELLO, beats) as link:
            wait_until(lambda: board.look()[0].tail)
            server.close()
            seen = beats.count
            wait_until(lambda: beats.count > seen)  # a beat that nobody heard
            with serve(board, secret, server.port):
                link.tell(END)
                wait_until(lambda: has_all(board, beats))


def test_a_beat_whose_answer_is_lost_is_heard_once(board, secret, monkeypatch):
    """As when a link is cut between a beat and its answer: the driver has it, and the agent cannot know."""
    lost = []

    def request(client, message, ask=Client.request):
        reply = ask(client, message)
        if isinstance(message, Beat) and len(lost) < 3:
            lost.append(message)
            client.close()
            raise ChannelError("the driver does not answer: timed out")
        return reply

    monkeypatch.setattr(Client, "request", request)
    beats = Beats()
    with serve(board, secret) as server, Heartbeat((server.host, server.port), secret, HELLO, beats) as link:
        link.tell(END)
        assert [beat.lines for beat in lost] == [["line 1"]] * 3
        wait_until(lambda: has_all(board, beats))
        (update,) = board.take_updates()
        assert update.lines == lines(len(update.lines)) != []


def test_an_end_follows_what_was_new_since_a_beat_that_nobody_heard(board, secret, monkeypatch):
    monkeypatch.setattr(link_module, "_BEAT_S", 1000.0)  # none but those before the end
    beats = Beats()
    with serve(board, secret) as server:
        address = (server.host, server.port)
        with Heartbeat(address, secret, HELLO, beats) as link:
            server.close()
            telling = threading.Thread(target=link.tell, args=(END,))
            telling.start()
            wait_until(lambda: beats.count == 1)  # line 1, which nobody hears yet
            with serve(board, secret, server.port):
                telling.join(PATIENCE_S)
                seen = board.look()[0]
                # Line 1 is sent again, then line 2; on a slow machine so are others that nobody heard.
                assert (seen.end, list(seen.tail)) == (END, lines(max(2, len(seen.tail))))


def test_a_driver_that_is_gone_is_noticed(board, secret):
    server = serve(board, secret)
    with Heartbeat((server.host, server.port), secret, HELLO, Beats()) as link:
        server.close()
        wait_until(lambda: link.lost)
        assert "no word from the driver" in link.lost
        with pytest.raises(ChannelError, match="could not tell the driver"):
            link.tell(END)


def test_closing_ends_the_thread_and_twice_is_fine(board, secret):
    with serve(board, secret) as server:
        link = Heartbeat((server.host, server.port), secret, HELLO, Beats())
        link.close()
        link.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "sparkcv-link"]
        wait_until(lambda: board.look()[0].hung_up_s is not None)


def test_a_driver_counts_as_gone_later_when_it_is_only_silent():
    assert link_module._END_TIMEOUT_S > link_module.SILENCE_S > 20 > link_module.UNREACHABLE_S


@pytest.mark.parametrize(
    ("cause", "is_gone"),
    [
        (ConnectionRefusedError(111, "Connection refused"), True),
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (None, True),  # it hung up
        (TimeoutError(), False),
        (OSError(113, "No route to host"), False),  # a cut cable to the driver's host, or its switch
        (OSError(101, "Network is unreachable"), False),  # this host's own cable
        (socket.gaierror(-3, "Temporary failure in name resolution"), False),
    ],
)
def test_a_network_that_is_away_is_waited_for_longer_than_a_driver_that_is(board, secret, monkeypatch, cause, is_gone):
    def request(client, message, ask=Client.request):
        if isinstance(message, Beat | End):
            client.close()
            raise ChannelError(f"no driver: {cause}") from cause
        return ask(client, message)

    monkeypatch.setattr(link_module, "UNREACHABLE_S", 0.2)
    monkeypatch.setattr(link_module, "_RETRY_S", 0.05)
    monkeypatch.setattr(link_module, "_END_TIMEOUT_S", 1.0)
    monkeypatch.setattr(Client, "request", request)
    with serve(board, secret) as server, Heartbeat((server.host, server.port), secret, HELLO, Beats()) as link:
        with pytest.raises(
            ChannelError, match="could not tell the driver how it ended: .*" + re.escape(f"no driver: {cause}")
        ):
            link.tell(END)
        assert bool(link.lost) == is_gone
