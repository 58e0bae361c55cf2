"""What the second launcher cannot do because stock tensorflowonspark cannot: each an expectation, with what was seen.

None of these is a wish. When a later tensorflowonspark no longer behaves so, its test fails, and what works round it in
sparkcv/launchers can go.
"""

import functools
import os
import pickle
import signal
import socket
import struct

import launcher_bodies as bodies
import psutil
import pytest

from sparkcv.channel.messages import ExchangeText, Hello, LeaveSlot, ReadText, TakeSlot, TokenRequest
from sparkcv.errors import ClusterError
from sparkcv.launchers.rendezvous import Rendezvous
from sparkcv.launchers.scoped_context import ScopedContext
from sparkcv.launchers.tfos import TfosLauncher
from tests.contracts.launcher import TIMEOUT_S, wait_until


@pytest.fixture(scope="module")
def stock():
    """Stock's own modules, imported as the launcher imports them."""
    from sparkcv.launchers import tfos

    tfos._tf_cluster()
    import tensorflowonspark.reservation
    import tensorflowonspark.TFCluster

    return tensorflowonspark


class Touch:
    """Unpickled, it makes a file: what an attacker would do is another line here."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.tensorflow
def test_expected_of_stock_its_reservation_server_runs_code_of_whoever_reaches_it(stock, tmp_path):
    """Seen: one message of a stranger, and the driver ran it. Our own channel reads bounded, encrypted JSON."""
    server = stock.reservation.Server(1)
    port = server.start()[1]
    try:
        listening = {one.laddr.ip for one in psutil.Process().net_connections("tcp") if one.laddr.port == port}
        assert listening == {"0.0.0.0"}
        message = pickle.dumps(Touch(str(tmp_path / "code-ran-here")))
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(struct.pack(">I", len(message)) + message)
            wait_until((tmp_path / "code-ran-here").exists, "the code of the message")
    finally:
        server.stop()


@pytest.mark.spark
@pytest.mark.tensorflow
def test_expected_of_stock_a_killed_node_is_no_news_and_its_status_outlives_a_failure(stock, barrier_spark, tmp_path):
    """Seen by bench/compat_kills.py: 120 s after the SIGKILL of a worker's process stock had said nothing, and hung.

    By our rendezvous the launch knows it at the closed connection. Stock's module keeps the failure of one cluster for
    all later ones of the process, which it ends by sys.exit; the launcher clears that.
    """
    launcher = TfosLauncher(barrier_spark)
    launch = launcher.launch("waiting", 2, functools.partial(bodies.wait, str(tmp_path)))
    try:
        wait_until(lambda: len(list(tmp_path.glob("slot-*"))) == 2 or launch.is_over(), "the start of all tasks")
        pid = int((tmp_path / "slot-1").read_text())
        os.kill(psutil.Process(pid).parent().ppid(), signal.SIGKILL)
        wait_until(lambda: launch.rendezvous.fault, "our news")
        assert launch.rendezvous.faulty_slot == 1
        assert stock.TFCluster.tf_status == {}
    finally:
        launch.cancel()
        assert launch.join(TIMEOUT_S)
    assert launch.error() == "task slot 1: its process is gone"
    stock.TFCluster.tf_status["error"] = "of a cluster that failed before"
    again = launcher.launch("exchange", 2, functools.partial(bodies.exchange, str(tmp_path)))
    is_early = wait_until(lambda: again.rendezvous.all_left() or again.is_over(), "the end of the bodies")
    assert is_early
    # Stock's shutdown polls every 5 s; of an idle cluster with a ps it took 22 s.
    assert not again.is_over()
    assert again.join(TIMEOUT_S)
    assert again.error() == ""


@pytest.mark.spark
def test_the_scoped_context_lets_stock_end_its_own_jobs_only(spark):
    """Switched off, which is the bare SparkContext, stock's ``stop`` would end the application."""
    context = ScopedContext(spark.sparkContext, "a-group", "a name")
    context.parallelize([1, 2], 2).foreachPartition(lambda rows: list(rows) and None)
    assert context.is_first_over.is_set()
    assert context.error == ""
    tracker = context.statusTracker()
    # Spark's status store lags behind.
    wait_until(lambda: tracker.getActiveJobsIds() == tracker.getActiveStageIds() == [], "no job of the group")
    context.cancelAllJobs()
    context.stop()
    with pytest.raises(ClusterError, match="the launch was cancelled"):
        context.parallelize([1], 1).foreachPartition(list)
    assert spark.range(2).count() == 2


def test_a_slot_is_taken_once_and_only_if_there_is_one():
    rendezvous = Rendezvous(2)
    assert rendezvous.received(1, TakeSlot(0, "1.1")).refusal == ""
    assert "slot 0 was taken by task 1.1 already" in rendezvous.received(2, TakeSlot(0, "1.2")).refusal
    for index in (2, 10**9):
        assert "there is no slot" in rendezvous.received(3, TakeSlot(index, "1.3")).refusal
    assert "has taken no slot" in rendezvous.received(9, ExchangeText(0, "x")).refusal
    assert rendezvous.fault == ""


def test_texts_are_given_out_once_all_have_sent_theirs_round_by_round():
    rendezvous = Rendezvous(2)
    for slot in (0, 1):
        rendezvous.received(slot, TakeSlot(slot, "1.1"))
    assert rendezvous.received(0, ExchangeText(0, "a")).num_texts == 1
    assert "not yet" in rendezvous.received(0, ReadText(0, 0)).refusal
    assert rendezvous.received(1, ExchangeText(0, "b")).num_texts == 2
    assert [rendezvous.received(0, ReadText(0, index)).text for index in (0, 1)] == ["a", "b"]
    assert "no such text" in rendezvous.received(0, ReadText(0, 2)).refusal
    assert rendezvous.received(0, ExchangeText(1, "c")).num_texts == 1
    assert "no such round" in rendezvous.received(0, ExchangeText(3, "x")).refusal


@pytest.mark.parametrize("message", [Hello("worker:0", 0, "a", "h", "1.1", 1), TokenRequest(0)])
def test_a_message_that_is_none_of_a_slot_is_refused(message):
    rendezvous = Rendezvous(1)
    rendezvous.received(0, TakeSlot(0, "1.1"))
    assert "expected a message of a slot" in rendezvous.received(0, message).refusal


def test_the_first_slot_that_fails_is_the_fault_and_one_that_left_is_not():
    rendezvous = Rendezvous(3)
    for slot in range(3):
        rendezvous.received(slot, TakeSlot(slot, "1.1"))
    rendezvous.received(0, LeaveSlot(""))
    rendezvous.closed(0)
    assert rendezvous.fault == ""
    rendezvous.closed(1)
    rendezvous.received(2, LeaveSlot("ValueError: late"))
    assert (rendezvous.faulty_slot, rendezvous.fault) == (1, "its process is gone")
    assert not rendezvous.all_left()
