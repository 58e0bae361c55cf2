"""A driver that waits for HDFS before Spark starts gives up before YARN gives the driver up, and says why."""

import re

import pytest

from tests.hadoop import wait_until
from tests.yarn.roles import ONE_ATTEMPT, assert_nothing_is_left, submit_roles

pytestmark = pytest.mark.hadoop


def test_a_namenode_that_falls_silent_before_spark_starts_is_told_in_yarns_diagnostics(hadoop_cluster):
    conf = ONE_ATTEMPT | {"spark.yarn.am.waitTime": "45s"}
    words = ("--url", f"{hadoop_cluster.url}/tests")
    running = submit_roles(hadoop_cluster, "sit", *words, num_executors=1, conf=conf)
    wait_until(lambda: "Waiting for spark context" in running.logs(), "the ApplicationMaster", 120)
    namenode = hadoop_cluster.namenodes[0]
    namenode.pause()
    try:
        wait_until(lambda: running.report["finalStatus"] != "UNDEFINED", "YARN's final status", 90)
        assert running.final_status == "FAILED"
        assert re.match(
            r"role_job\.py: cannot make 'hdfs://default/tests': hdfs://default does not answer"
            r" \(\S+ accepts connections; nothing came within \d+ s\); waited \d+ s",
            running.diagnostics,
        )
    finally:
        namenode.resume()
    assert running.exit_code == 1
    assert_nothing_is_left(running)
