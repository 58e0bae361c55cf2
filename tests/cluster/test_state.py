"""The board admits one agent a role, remembers the newest, and hands out orders."""

import dataclasses

import pytest

from sparkcv.channel.messages import Beat, End, Hello, Reply
from sparkcv.cluster.state import RunState
from sparkcv.roles import Role

WORKER, PS = Role("worker", 0), Role("ps", 0)
HELLO = Hello(role="worker:0", generation=1, agent="first", host="a", task="1.1", pid=1)
BEAT = Beat(state="running", pid=7, rss_bytes=100, status={"step": 1}, lines=["x"], num_dropped=0)
END = End(returncode=0, result={"step": 1}, error="", error_kind="", tail=["bye"], peak_rss_bytes=300)


@pytest.fixture
def board():
    return RunState([PS, WORKER], generation=1)


def worker(board):
    return board.look()[1]


def test_an_agent_joins_beats_and_ends(board):
    assert board.received(1, HELLO) == Reply()
    assert board.received(1, BEAT) == Reply()
    assert board.received(1, END) == Reply()
    seen = worker(board)
    assert (seen.role, seen.is_running, seen.pid, seen.end) == (WORKER, True, 7, END)
    assert seen.peak_rss_bytes == 300
    assert board.look()[0].hello is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"role": "worker:9"}, "no role worker:9"), ({"generation": 0}, "generation 0 is over")],
)
def test_an_agent_of_another_run_is_refused(board, change, reason):
    reply = board.received(1, dataclasses.replace(HELLO, **change))
    assert reply.order == "refuse"
    assert reason in reply.reason
    assert worker(board).hello is None


def test_a_second_agent_for_a_role_is_refused_even_after_the_first_is_gone(board):
    board.received(1, HELLO)
    board.closed(1)
    reply = board.received(2, dataclasses.replace(HELLO, agent="second", host="b"))
    assert reply.order == "refuse"
    assert "held by another agent, on a" in reply.reason
    assert worker(board).hello == HELLO


def test_the_same_agent_may_come_back_on_a_new_connection(board):
    board.received(1, HELLO)
    board.closed(1)
    assert worker(board).hung_up_s is not None
    board.received(2, HELLO)
    assert worker(board).hung_up_s is None
    board.closed(1)  # late update of the old connection
    assert worker(board).peer == 2


def test_who_has_not_said_hello_is_refused(board):
    assert board.received(5, BEAT).order == "refuse"
    assert board.received(5, END).order == "refuse"


def test_a_reply_as_a_message_changes_nothing(board):
    board.received(1, HELLO)
    before = dataclasses.replace(worker(board), contact_s=None)
    assert board.received(1, Reply("stop", 1.0, "")) == Reply()
    assert dataclasses.replace(worker(board), contact_s=None) == before


def test_only_the_first_end_counts(board):
    board.received(1, HELLO)
    board.received(1, END)
    board.received(1, dataclasses.replace(END, returncode=-9, result=None))
    assert worker(board).end == END


def test_orders_go_with_the_next_answer_and_the_first_stays(board):
    board.received(1, HELLO)
    board.order_stop([WORKER], 3.0, "enough")
    board.order_stop([WORKER, PS], 9.0, "more than enough")
    assert board.received(1, BEAT) == Reply("stop", 3.0, "enough")
    assert board.received(2, dataclasses.replace(HELLO, role="ps:0")).grace_s == 9.0
    assert board.is_stopping(WORKER)


def test_update_is_told_once_with_the_newest_status_and_all_lines(board):
    board.received(1, HELLO)
    board.received(1, BEAT)
    board.received(1, dataclasses.replace(BEAT, status={"step": 2}, lines=["y"], num_dropped=5))
    board.received(1, dataclasses.replace(BEAT, status=None, lines=[]))
    (update,) = board.take_updates()
    assert (update.role, update.status, update.lines, update.num_dropped) == (WORKER, {"step": 2}, ["x", "y"], 5)
    assert board.take_updates() == []


def test_a_beat_that_comes_again_is_no_update_even_on_another_connection_and_after_a_restart(board):
    first, second = (dataclasses.replace(BEAT, lines=[f"{at}"], num_dropped=1, number=at) for at in (1, 2))
    board.received(1, HELLO)
    board.received(1, first)
    board.received(2, HELLO)
    assert board.received(2, first) == Reply()
    board.order_restart([WORKER], "again")
    assert board.received(2, first).order == "restart"
    board.received(2, second)
    (update,) = board.take_updates()
    assert (update.lines, update.num_dropped) == (["1", "2"], 2)


def test_lines_that_nobody_fetches_are_bounded_and_counted(board):
    board.received(1, HELLO)
    for _ in range(50):
        board.received(1, dataclasses.replace(BEAT, lines=["x"] * 100))
    (update,) = board.take_updates()
    assert len(update.lines) + update.num_dropped == 5000
    assert len(update.lines) == 2000
    assert len(worker(board).tail) == 40
