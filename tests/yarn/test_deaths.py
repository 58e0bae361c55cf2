"""A role that dies in its container ends the application, and YARN's own diagnostics name role, host and reason."""

import re

import pytest

from tests.yarn.roles import (
    ONE_ATTEMPT,
    assert_nothing_is_left,
    driver_log,
    executor_process,
    kill,
    role_process,
    submit_roles,
    wait_for_roles,
)

pytestmark = pytest.mark.hadoop


def test_a_killed_role_is_tried_again_and_a_killed_executor_is_told_of(hadoop_cluster):
    running = submit_roles(hadoop_cluster, "sit", conf={"spark.yarn.maxAppAttempts": "2"})
    wait_for_roles(running)
    kill(role_process(running, "worker:1"))
    wait_for_roles(running, attempt=2)
    kill(executor_process(running, "worker:1"))
    assert running.exit_code == 1
    assert "worker:1 was killed by signal 9 (SIGKILL)" in driver_log(running, attempt=1)
    assert running.final_status == "FAILED"
    first, second, *rest = running.diagnostics.splitlines()
    assert first == (
        "role_job.py: worker:1 was lost with its Spark executor on 127.0.0.1: "
        "its container ended with exit status 137, killed by signal 9"
    )
    assert re.fullmatch(r"  role: worker:1 on host 127\.0\.0\.1, process \d+, Spark executor \d", second)
    assert any("killed from outside" in line for line in rest)
    assert_nothing_is_left(running)


def test_a_container_that_yarn_kills_for_memory_is_told_with_the_overhead_to_use(hadoop_cluster):
    done = submit_roles(
        hadoop_cluster,
        "hog",
        *("--megabytes", "2000"),
        conf=ONE_ATTEMPT | {"spark.executor.memory": "512m", "spark.executor.memoryOverhead": "512m"},
    )
    assert done.exit_code == 1
    assert done.final_status == "FAILED"
    first = re.match(
        r"role_job\.py: worker:1 was killed with its container on 127\.0\.0\.1 for exceeding physical memory limits: "
        r"(?P<used>[\d.]+) GB of 1\.0 GB used, worker:1 itself (?P<own>[\d.]+) GB\n",
        done.diagnostics,
    )
    assert first, done.diagnostics
    found = re.search(r"--conf spark\.executor\.memoryOverhead=(\d+)m \(it was 512m\)", done.diagnostics)
    most = max(float(first["used"]), float(first["own"]))
    assert most * 1024 - 512 < int(found[1]) < most * 1024 * 1.5
    assert_nothing_is_left(done)
