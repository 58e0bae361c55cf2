"""What YARN cannot give is told in one sentence within a bounded time: executors, a queue, a Python that fits."""

import sys

import pytest

from tests.yarn.roles import ONE_ATTEMPT, last_line, submit_roles

pytestmark = pytest.mark.hadoop


def test_fewer_executors_than_roles_are_refused_with_both_numbers(hadoop_cluster):
    done = submit_roles(hadoop_cluster, "sit", deploy_mode="client", num_executors=2)
    assert done.exit_code == 1
    assert last_line(done) == (
        "role_job.py: 3 roles need 3 task slots at once, but the Spark application asked for 2: "
        "submit with --num-executors 3, or use fewer ps and workers"
    )
    assert done.final_status == "FAILED"


def test_executors_that_a_full_queue_does_not_grant_are_waited_for_and_counted(hadoop_cluster):
    done = submit_roles(
        hadoop_cluster, "sit", "--start_timeout_s", "40", conf=ONE_ATTEMPT | {"spark.executor.memoryOverhead": "8g"}
    )
    assert done.exit_code == 1
    assert done.final_status == "FAILED"
    assert done.diagnostics == (
        "role_job.py: 3 roles need 3 task slots at once, but only 2 were there after 20 s, of 3 asked for: the "
        "cluster did not grant the rest; see the free memory and cores of its queue, then wait, ask for less memory "
        "an executor, or use fewer ps and workers"
    )


def test_a_queue_that_does_not_exist_is_named_at_once(hadoop_cluster):
    nowhere = ["--queue", "nowhere"]
    in_cluster, in_client = (
        submit_roles(hadoop_cluster, "sit", deploy_mode=mode, options=nowhere) for mode in ("cluster", "client")
    )
    for done in (in_cluster, in_client):
        assert done.exit_code == 1
        assert "to unknown queue: nowhere" in done.output  # in cluster mode nothing of ours has run: YARN's own words
    assert "Spark did not start: YARN has no queue 'nowhere' for user" in last_line(in_client)


def test_an_archive_of_another_python_is_told_with_both_versions(hadoop_cluster, tmp_path):
    """The executors' Python is this one, which says of itself that it is another: any machine has that."""
    site = tmp_path / "site"
    site.mkdir()
    lie = "class Version(tuple):\n    major, minor, micro = 3, 99, 0\n"
    (site / "sitecustomize.py").write_text(f'import sys\n{lie}sys.version_info = Version((3, 99, 0, "final", 0))\n')
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}:$PYTHONPATH" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    pythons = {"spark.pyspark.python": str(python), "spark.pyspark.driver.python": sys.executable}
    done = submit_roles(hadoop_cluster, "sit", deploy_mode="client", conf=pythons)
    assert done.exit_code == 1
    assert done.final_status == "FAILED"
    driver = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"the executors run Python 3.99, the driver {driver}, wanted the same" in last_line(done)
    assert "spark.pyspark.python" in last_line(done)
