"""YARN's final status and diagnostics say how a job ended: in cluster mode, where the driver is YARN's own child."""

import pytest

from sparkcv import storage
from tests.hadoop import wait_until
from tests.yarn.roles import ONE_ATTEMPT, assert_nothing_is_left, driver_log, stop_executors, submit_roles

pytestmark = pytest.mark.hadoop
LATE = "waiting for executors: 0 of 2 task slots are there; the cluster has granted 2, which may still"


def attempts(submission):
    names = submission._cluster.container_logs(submission.app_id)
    return {name.split("_")[3] for name in names}


def test_a_run_whose_end_was_verified_is_a_success_though_its_executors_were_slow_to_start(hadoop_cluster, hdfs):
    done = submit_roles(
        hadoop_cluster,
        "look",
        *("--role", "worker:0", "--num_workers", "1", "--url", hdfs, "--start_timeout_s", "60"),
        num_executors=2,
        conf=ONE_ATTEMPT | {"spark.executorEnv.LD_LIBRARY_PATH": "Python/lib"},
    )
    stopped = stop_executors(done, 2)
    wait_until(lambda: LATE in driver_log(done), "the driver to go on waiting for granted executors", 120)
    for process in stopped:
        process.resume()
    assert done.exit_code == 0, done.logs()
    assert (done.final_status, done.diagnostics) == ("SUCCEEDED", "")
    said = driver_log(done)
    assert "'read': 'written by a role'" in said
    assert "'relative': []" in said
    assert f"{done.app_id}/sparkcv-scratch-" in said  # YARN removes it with the application
    assert storage.read_bytes(f"{hdfs}/worker-0.txt") == b"written by a role"
    assert "Failed to add file" not in said
    assert_nothing_is_left(done)


ENDS_EARLY = [
    ("misuse", 2, "role_job.py: --deed: got 'misuse', wanted anything else", 1),
    ("bug", 1, "role_job.py: a bug of the job, see the driver's log: RuntimeError: a bug of ours", 2),
]


def test_what_fails_before_spark_starts_is_told_and_a_wrong_use_is_not_tried_again(hadoop_cluster):
    attempts_allowed = {"spark.yarn.maxAppAttempts": "2"}
    started = [submit_roles(hadoop_cluster, deed, num_executors=1, conf=attempts_allowed) for deed, *_ in ENDS_EARLY]
    for (deed, exit_code, sentence, num_attempts), done in zip(ENDS_EARLY, started, strict=True):
        assert done.exit_code == 1
        assert (done.final_status, done.diagnostics) == ("FAILED", sentence)
        assert_nothing_is_left(done)  # first: an ApplicationMaster's last lines come after YARN's word of its end
        assert sentence in driver_log(done)
        assert attempts(done) == {f"{attempt:02d}" for attempt in range(1, num_attempts + 1)}
        assert f"exitCode: {exit_code}" in done.logs()
        assert ("Traceback" in driver_log(done)) == (deed == "bug")
