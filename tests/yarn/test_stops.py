"""Whoever stops an application, nothing of it is left, and YARN does not count it as a success."""

import signal

import pytest

from tests.yarn.roles import assert_nothing_is_left, last_line, submit_roles, wait_for_roles

pytestmark = pytest.mark.hadoop


def test_killing_the_application_leaves_no_process_behind(hadoop_cluster):
    running = submit_roles(hadoop_cluster, "sit")
    wait_for_roles(running)
    running.kill()
    assert running.exit_code == 1
    assert running.final_status == "KILLED"
    assert_nothing_is_left(running)


def test_killing_the_application_under_a_driver_of_client_mode_ends_it_with_a_sentence(hadoop_cluster):
    running = submit_roles(hadoop_cluster, "sit", deploy_mode="client")
    wait_for_roles(running)
    running.kill()
    assert running.exit_code == 1
    assert last_line(running) == (
        "role_job.py: the Spark application ended under the run: "
        "it was stopped from outside, by the cluster manager or a person"
    )
    assert_nothing_is_left(running)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_driver_of_client_mode_leaves_no_process_behind_and_no_success(hadoop_cluster, number):
    running = submit_roles(hadoop_cluster, "sit", deploy_mode="client")
    wait_for_roles(running)
    running.process.send_signal(number)
    assert running.wait().final_status == "FAILED"
    assert_nothing_is_left(running)
