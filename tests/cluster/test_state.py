"""The run's state admits one agent a role, remembers the newest, and hands out orders."""

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
def state():
    return RunState([PS, WORKER], generation=1)


def worker(state):
    return state.look()[1]


def test_an_agent_joins_beats_and_ends(state):
    assert state.received(1, HELLO) == Reply()
    assert state.received(1, BEAT) == Reply()
    assert state.received(1, END) == Reply()
    seen = worker(state)
    assert (seen.role, seen.is_running, seen.pid, seen.end) == (WORKER, True, 7, END)
    assert seen.peak_rss_bytes == 300
    assert state.look()[0].hello is None


def test_stacks_can_be_asked_for_again(state):
    state.received(1, HELLO)
    state.received(1, dataclasses.replace(BEAT, links="whole"))
    state.order_stacks([WORKER])
    assert worker(state).links == ""  # what is found at this look is still to come
    assert state.received(1, BEAT) == Reply("stacks")
    state.end_stacks([WORKER, PS])
    assert state.received(1, BEAT) == Reply()
    state.order_stop([WORKER], 2.0, "enough")
    state.end_stacks([WORKER])
    assert state.received(1, BEAT).order == "stop"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"role": "worker:9"}, "no role worker:9"), ({"generation": 0}, "generation 0 is over")],
)
def test_an_agent_of_another_run_is_refused(state, change, reason):
    reply = state.received(1, dataclasses.replace(HELLO, **change))
    assert reply.order == "refuse"
    assert reason in reply.reason
    assert worker(state).hello is None


def test_a_second_agent_for_a_role_is_refused_even_after_the_first_is_gone(state):
    state.received(1, HELLO)
    state.closed(1)
    reply = state.received(2, dataclasses.replace(HELLO, agent="second", host="b"))
    assert reply.order == "refuse"
    assert "held by another agent, on a" in reply.reason
    assert worker(state).hello == HELLO


def test_the_same_agent_may_come_back_on_a_new_connection(state):
    state.received(1, HELLO)
    state.closed(1)
    assert worker(state).hung_up_s is not None
    state.received(2, HELLO)
    assert worker(state).hung_up_s is None
    state.closed(1)  # late word of the old connection
    assert worker(state).peer == 2


def test_who_has_not_said_hello_is_refused(state):
    assert state.received(5, BEAT).order == "refuse"
    assert state.received(5, END).order == "refuse"


def test_a_reply_as_a_message_changes_nothing(state):
    state.received(1, HELLO)
    before = dataclasses.replace(worker(state), contact_s=None)
    assert state.received(1, Reply("stop", 1.0, "")) == Reply()
    assert dataclasses.replace(worker(state), contact_s=None) == before


def test_only_the_first_end_counts(state):
    state.received(1, HELLO)
    state.received(1, END)
    state.received(1, dataclasses.replace(END, returncode=-9, result=None))
    assert worker(state).end == END


def test_orders_go_with_the_next_answer_and_the_first_stays(state):
    state.received(1, HELLO)
    state.order_stop([WORKER], 3.0, "enough")
    state.order_stop([WORKER, PS], 9.0, "more than enough")
    assert state.received(1, BEAT) == Reply("stop", 3.0, "enough")
    assert state.received(2, dataclasses.replace(HELLO, role="ps:0")).grace_s == 9.0
    assert state.is_stopping(WORKER)


def test_an_update_is_told_once_with_the_newest_status_and_all_lines(state):
    state.received(1, HELLO)
    state.received(1, BEAT)
    state.received(1, dataclasses.replace(BEAT, status={"step": 2}, lines=["y"], num_dropped=5))
    state.received(1, dataclasses.replace(BEAT, status=None, lines=[]))
    (update,) = state.take_updates()
    assert (update.role, update.status, update.lines, update.num_dropped) == (WORKER, {"step": 2}, ["x", "y"], 5)
    assert state.take_updates() == []


def test_a_beat_that_comes_again_counts_once_even_on_another_connection_and_after_a_restart(state):
    first, second = (dataclasses.replace(BEAT, lines=[f"{at}"], num_dropped=1, number=at) for at in (1, 2))
    state.received(1, HELLO)
    state.received(1, first)
    state.received(2, HELLO)
    assert state.received(2, first) == Reply()
    state.order_restart([WORKER], "again")
    assert state.received(2, first).order == "restart"
    state.received(2, second)
    (update,) = state.take_updates()
    assert (update.lines, update.num_dropped) == (["1", "2"], 2)


def test_lines_that_nobody_fetches_are_bounded_and_counted(state):
    state.received(1, HELLO)
    for _ in range(50):
        state.received(1, dataclasses.replace(BEAT, lines=["x"] * 100))
    (update,) = state.take_updates()
    assert len(update.lines) + update.num_dropped == 5000
    assert len(update.lines) == 2000
    assert len(worker(state).tail) == 40
