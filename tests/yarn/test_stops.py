"""Whoever stops an application, nothing of it is left, and YARN does not count it as a success."""

import signal

import pytest

from tests.yarn.roles import assert_nothing_is_left, last_line, submit_roles, wait_for_roles

pytestmark = pytest.mark.hadoop


def test_killing_the_application_leaves_no_process_behind_and_a_driver_of_client_mode_ends_with_a_sentence(
    hadoop_cluster,
):
    """Two at once: each is mostly waited for."""
    in_cluster, in_client = (submit_roles(hadoop_cluster, "sit", deploy_mode=mode) for mode in ("cluster", "client"))
    for running in (in_cluster, in_client):
        wait_for_roles(running)
    for running in (in_cluster, in_client):
        running.kill()
        assert running.exit_code == 1
        assert_nothing_is_left(running)
    assert in_cluster.final_status == "KILLED"
    assert last_line(in_client) == (
        "role_job.py: the Spark application ended under the run: "
        "it was stopped from outside, by the cluster manager or a person"
    )


def test_a_stopped_driver_of_client_mode_leaves_no_process_behind_and_no_success(hadoop_cluster):
    signals = (signal.SIGTERM, signal.SIGKILL)
    started = [submit_roles(hadoop_cluster, "sit", deploy_mode="client") for _ in signals]
    for number, running in zip(signals, started, strict=True):
        wait_for_roles(running)
        running.process.send_signal(number)
    for running in started:
        assert running.wait().final_status == "FAILED"
        assert_nothing_is_left(running)
