"""A driver in YARN's cluster mode whose Java does not answer still ends with its own sentence and exit code."""

import os
import subprocess
import sys
from pathlib import Path

from sparkcv.spark import startup_deadline, yarn

ROOT = Path(__file__).parents[2]
JOB = ROOT / "tests" / "yarn" / "programs" / "role_job.py"
DEAD = {"CONTAINER_ID": "c", "SPARK_YARN_STAGING_DIR": "s", "PYSPARK_GATEWAY_PORT": "1", "PYSPARK_GATEWAY_SECRET": "x"}


def test_elsewhere_nothing_is_told_and_nothing_is_bounded():
    assert not yarn.is_container()
    assert not yarn.is_cluster_mode()
    yarn.report_end("never heard", 1, may_retry=False)
    before = dict(os.environ)
    startup_deadline.bound_storage_wait()
    assert dict(os.environ) == before
    startup_deadline.lift_storage_wait()
    assert dict(os.environ) == before


def test_a_job_whose_java_is_gone_keeps_its_sentence_and_its_exit_code():
    done = subprocess.run(
        [sys.executable, JOB, "--deed", "misuse"],
        env=os.environ | DEAD | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert "role_job.py: --deed: got 'misuse', wanted anything else" in done.stderr
    assert "YARN will not say why this application failed" in done.stderr
