"""Sessions: one, in time, on this role's share of the machine."""

import socket

import pytest
import tensorflow.compat.v1 as tf

from sparkcv import container
from sparkcv.errors import ClusterError, LaunchTimeoutError
from sparkcv.roles import NodeContext, Role
from sparkcv.train import sessions

pytestmark = pytest.mark.tensorflow

CORES = container.cores()


def context(role="worker:1", **cluster):
    return NodeContext(Role.parse(role), cluster, {}, "/nowhere", lambda status: None, lambda: False)


def test_threads_are_this_machines_cores_shared_among_its_workers():
    near = context(ps=["a:1"], worker=["a:2", "a:3", "b:4"])
    assert sessions.session_config(near).intra_op_parallelism_threads == max(1, CORES // 2)
    alone = context("worker:2", ps=["a:1"], worker=["a:2", "a:3", "b:4"])
    assert sessions.session_config(alone).intra_op_parallelism_threads == CORES


def test_threads_are_as_asked():
    assert sessions.session_config(context(worker=["a:2", "a:3"]), 7).intra_op_parallelism_threads == 7


def test_a_worker_sees_the_ps_and_itself_and_waits_for_nothing_without_end():
    config = sessions.session_config(context(ps=["a:1"], worker=["a:2", "a:3"]))
    assert list(config.device_filters) == ["/job:ps", "/job:worker/task:1"]
    assert 0 < config.operation_timeout_in_ms <= 600_000


def test_a_process_without_ps_has_no_filters():
    assert list(sessions.session_config(context("worker:0", worker=["a:2"])).device_filters) == []


def test_waiting_for_a_ps_ends_when_it_listens():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sessions.await_ps([f"127.0.0.1:{listening.getsockname()[1]}"], 5.0)


def test_waiting_for_a_ps_names_the_one_that_is_late():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # held, not listening: what an agent does before its process is up
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in (one, deaf)]
        with pytest.raises(LaunchTimeoutError, match=rf"ps:1 at {addresses[1]} did not answer in 0\.3 s"):
            sessions.await_ps(addresses, 0.3)


class Makes(tf.train.SessionCreator):
    """Makes a session that holds nothing, or fails as it is told."""

    def __init__(self, *failures):
        self.failures = list(failures)

    def create_session(self):
        if self.failures:
            raise self.failures.pop(0)
        return tf.Session(graph=tf.Graph())


def test_a_session_is_made_once():
    called = []
    once = sessions.Once(Makes(), 5.0, then=lambda: called.append(1))
    once.create_session().close()
    with pytest.raises(ClusterError, match="the connection to a ps was lost in the middle of training"):
        once.create_session()
    assert called == [1]


def test_a_ps_that_refuses_at_first_may_be_tried_again_in_time():
    once = sessions.Once(Makes(tf.errors.UnavailableError(None, None, "refused")), 5.0)
    with pytest.raises(tf.errors.UnavailableError):
        once.create_session()
    once.create_session().close()


def test_a_ps_that_refuses_for_too_long_is_an_error():
    with pytest.raises(LaunchTimeoutError, match="no session with the ps within"):
        sessions.Once(Makes(), -1.0).create_session()


def test_a_worker_whose_chief_does_not_come_gives_up_in_time():
    with tf.Graph().as_default():
        tf.get_variable("never", [1])
        awaiting = sessions.Awaiting(tf.train.Scaffold(), "", tf.ConfigProto(), 1.0)
        with pytest.raises(
            LaunchTimeoutError, match="the chief, worker:0, did not initialize the variables within 1 s"
        ):
            sessions.Once(awaiting, 1.0).create_session()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (tf.errors.DeadlineExceededError(None, None, "late"), "a step did not end within 600 s"),
        (tf.errors.CancelledError(None, None, "gone"), "the connection to a ps was lost: gone"),
    ],
)
def test_a_lost_connection_is_an_error_of_the_cluster(error, message):
    once = sessions.Once(tf.train.ChiefSessionCreator(), 5.0)
    with tf.Graph().as_default(), pytest.raises(ClusterError, match=message), sessions.open_session(once, []):
        raise error
