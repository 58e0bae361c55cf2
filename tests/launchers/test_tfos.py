"""What the second launcher cannot do because stock tensorflowonspark cannot: each an expectation, with what was seen.

None of these is a wish. When a later tensorflowonspark no longer behaves so, its test fails, and what works round it in
sparkcv/cluster/launchers can go.
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

from sparkcv.channel.messages import Beat, End, Hello
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
    """Seen: one message of a stranger, and the driver ran it. Our own channel reads bounded JSON with an HMAC."""
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

    By our seating the launch knows it at the closed connection. Stock's module keeps the failure of one cluster for
    all later ones of the process, which it ends by sys.exit; the launcher clears that.
    """
    launcher = TfosLauncher(barrier_spark)
    launch = launcher.launch("waiting", 2, functools.partial(bodies.wait, str(tmp_path)))
    try:
        wait_until(lambda: len(list(tmp_path.glob("slot-*"))) == 2 or launch.is_over(), "the start of all tasks")
        pid = int((tmp_path / "slot-1").read_text())
        os.kill(psutil.Process(pid).parent().ppid(), signal.SIGKILL)
        wait_until(lambda: launch.seating.fault, "our news")
        assert launch.seating.faulty_seat == 1
        assert stock.TFCluster.tf_status == {}
    finally:
        launch.cancel()
        assert launch.join(TIMEOUT_S)
    assert launch.error() == "seat 1: its process is gone"
    stock.TFCluster.tf_status["error"] = "of a cluster that failed before"
    again = launcher.launch("exchange", 2, functools.partial(bodies.exchange, str(tmp_path)))
    is_early = wait_until(lambda: again.seating.all_left() or again.is_over(), "the end of the bodies")
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


def hello(seat, task="1.1"):
    return Hello(f"seat:{seat}", 0, "agent", "host", task, 1)


def beat(**status):
    return Beat("running", 1, 0, status, [], 0)


def test_a_seat_is_taken_once_and_only_if_there_is_one():
    seating = Rendezvous(2)
    assert seating.received(1, hello(0)).order == "go"
    assert "seat:0 was taken by task 1.1 already" in seating.received(2, hello(0, "1.2")).reason
    for name in ("seat:2", "seat:-1", "worker:0"):
        assert "there is no" in seating.received(3, Hello(name, 0, "a", "h", "1.3", 1)).reason
    assert seating.received(9, beat(round=0, say="x")).order == "refuse"
    assert seating.fault == ""


def test_texts_are_given_out_once_all_have_said_theirs_round_by_round():
    seating = Rendezvous(2)
    for seat in (0, 1):
        seating.received(seat, hello(seat))
    assert seating.received(0, beat(round=0, say="a")).attempt == 1
    assert seating.received(0, beat(round=0, hear=0)).reason == ""
    assert seating.received(1, beat(round=0, say="b")).attempt == 2
    assert [seating.received(0, beat(round=0, hear=whose)).reason for whose in (0, 1, 2)] == ["a", "b", ""]
    assert seating.received(0, beat(round=1, say="c")).attempt == 1
    for number in (-1, 3, "0", None):
        assert seating.received(0, beat(round=number, say="x")).order == "refuse"


def test_the_first_seat_that_fails_is_the_one_to_blame_and_one_that_left_is_not():
    seating = Rendezvous(3)
    for seat in range(3):
        seating.received(seat, hello(seat))
    seating.received(0, End(0, None, "", "", [], 0))
    seating.closed(0)
    assert seating.fault == ""
    seating.closed(1)
    seating.received(2, End(1, None, "ValueError: late", "", [], 0))
    assert (seating.faulty_seat, seating.fault) == (1, "its process is gone")
    assert not seating.all_left()
