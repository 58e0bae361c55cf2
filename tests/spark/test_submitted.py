"""Under spark-submit the submitted session is used, and a zip of the package is enough for every process of a run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hadoop.submit import spark_home
from tests.spark_programs import PROGRAMS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300

ALLOWED = ["--conf", "spark.sparkcv.allowUnauthenticatedGrpc=true"]

JOB = """
import json
import sparkcv
from sparkcv import logs
from sparkcv.doctor import application
from sparkcv.doctor.checks.exposure import ACKNOWLEDGED
from sparkcv.spark.session import spark_session, submitted_executors
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import run
from sparkcv.roles import roles
from sparkcv.config.port_range import PortRange

logs.setup("driver")
with spark_session("job", num_executors=9, conf={"spark.test.mine": "1"}, ports=PortRange(20000, 29999)) as spark:
    results = run(spark, RunSpec("cluster_programs:echo", roles(1, 1), {"a": 1}))
    found = {
        "package": sparkcv.__file__,
        "master": spark.sparkContext.master,
        "executors": submitted_executors(spark),
        "mine": spark.conf.get("spark.test.mine"),
        "roles": sorted(results),
        "grpc": application.describe(spark).is_on(ACKNOWLEDGED),
    }
found["is stopped"] = spark.sparkContext._jsc is None
print("found:" + json.dumps(found))
"""


@pytest.mark.spark
def test_a_submitted_job_with_the_package_as_a_zip_runs_roles(tmp_path):
    package = shutil.make_archive(str(tmp_path / "sparkcv"), "zip", ROOT, "sparkcv")
    (tmp_path / "job.py").write_text(JOB)
    submit = Path(sys.executable).with_name("spark-submit")
    py_files = ",".join([package, str(PROGRAMS / "cluster_programs.py")])
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SPARK", "PYSPARK", "PYTHONPATH"))}
    done = subprocess.run(
        [str(submit), "--master", "local[2]", "--py-files", py_files, *ALLOWED, str(tmp_path / "job.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE_S,
        env=env | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "SPARK_HOME": spark_home()},
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("found:")]
    found = json.loads(line.removeprefix("found:"))
    assert "sparkcv.zip" in found["package"]
    assert found["master"] == "local[2]"
    assert found["executors"] == 1
    assert found["mine"] == "1"
    assert found["roles"] == ["ps:0", "worker:0"]
    assert found["grpc"] is True
    assert found["is stopped"]
    assert (
        "--port_range 20000-29999 bounds what the driver and the roles listen on, not Spark itself" in done.stdout
    )  # Spark merges them
