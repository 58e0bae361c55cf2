"""A driver that waits for HDFS before Spark starts gives up before YARN gives the driver up, and says why."""

import re

import pytest

from tests.hadoop import hadoop, wait_until
from tests.yarn.roles import ONE_ATTEMPT, submit_roles

pytestmark = pytest.mark.hadoop


def test_a_namenode_that_falls_silent_before_spark_starts_is_told_in_yarns_diagnostics():
    with hadoop(yarn=True) as cluster:
        conf = ONE_ATTEMPT | {"spark.yarn.am.waitTime": "45s"}
        running = submit_roles(cluster, "sit", "--url", f"{cluster.url}/tests", num_executors=1, conf=conf)
        wait_until(lambda: "Waiting for spark context" in running.logs(), "the ApplicationMaster", 120)
        cluster.namenodes[0].pause()
        try:
            wait_until(lambda: running.report["finalStatus"] != "UNDEFINED", "YARN's final status", 90)
            assert running.final_status == "FAILED"
            assert re.match(
                r"role_job\.py: cannot make 'hdfs://default/tests': hdfs://default does not answer"
                r" \(\S+ accepts connections; nothing came within \d+ s\); waited \d+ s",
                running.diagnostics,
            )
        finally:
            cluster.namenodes[0].resume()
        assert running.exit_code == 1
