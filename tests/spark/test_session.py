"""The embedded session: quiet, on loopback, its executors are ours, and nothing of it is left, however it ends."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError
from sparkcv.spark.embedded import embedded_session
from sparkcv.spark.session import spark_session, submitted_executors
from tests.hadoop.submit import spark_home
from tests.spark_programs import PROGRAMS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300

# What the embedded session is, seen from outside and from inside; one JSON line.
LOOK = """
import json, os, sys, tempfile, psutil
from sparkcv.spark.session import spark_session, submitted_executors

def look(_):
    import sparkcv.errors
    return sys.executable, sparkcv.errors.__file__, os.getcwd()

before = dict(os.environ)
with spark_session("look", num_executors=2, conf={"spark.test.mine": "1"}) as spark:
    context = spark.sparkContext
    family = psutil.Process().children(recursive=True)
    ports = [conn for one in [psutil.Process(), *family] for conn in one.net_connections("inet")]
    found = {
        "inside": context.parallelize([0], 1).map(look).collect()[0],
        "executors": submitted_executors(spark),
        "mine": context.getConf().get("spark.test.mine"),
        "wait": context.parallelize([0], 1).map(lambda _: os.environ["SPARKCV_STORAGE_WAIT_S"]).collect()[0],
        "passed on": context.getConf().get("spark.executorEnv.SPARKCV_STORAGE_WAIT_S"),
        "pids": [one.pid for one in psutil.Process().children(recursive=True)],
        "listening": sorted({conn.laddr.ip for conn in ports if conn.status == "LISTEN"}),
        "home": os.environ["SPARK_HOME"],
        "temporary": context.parallelize([0], 1).map(lambda _: tempfile.gettempdir()).collect()[0],
    }
    with spark_session("another") as same:
        found["nested is the same"] = same is spark
    found["runs after the nested one"] = context.parallelize([1, 2]).count()
found["environment is as before"] = dict(os.environ) == before
with spark_session("again", num_executors=1) as spark:
    found["again"] = spark.sparkContext.parallelize([1, 2, 3]).count()
print(json.dumps(found))
"""

WAIT = """
import os, sys, time
from sparkcv.spark.session import spark_session
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import run
from sparkcv.roles import roles

class Say(RunObserver):
    def on_status(self, role, status):
        print(status["pid"], status["agent"], os.environ["SPARK_HOME"], flush=True)

with spark_session("wait", num_executors=2) as spark:
    for path in sys.argv[1:]:
        spark.sparkContext.addPyFile(path)
    params = {"role": "worker:1", "deed": "wait"}
    run(spark, RunSpec("cluster_programs:victim", roles(0, 2), params), Say())
"""


def start(script, *args, stderr=subprocess.PIPE, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", script, *args],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=tempfile.gettempdir(),
        env=os.environ | {"PYTHONPATH": str(ROOT), "SPARKCV_STORAGE_WAIT_S": "33"} | environment,
    )


def wait_until_gone(pids):
    deadline = time.monotonic() + PATIENCE_S
    while left := [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.1)


@pytest.mark.spark
def test_an_embedded_session_is_quiet_ours_on_loopback_and_leaves_nothing(tmp_path):
    temporary = tmp_path / "with a space"
    temporary.mkdir()
    with start(LOOK, TMPDIR=str(temporary)) as job:
        out, err = job.communicate(timeout=PATIENCE_S)
    assert job.returncode == 0, err
    assert err == ""
    found = json.loads(out)
    home = Path(found["home"])
    python, package, folder = found["inside"]
    assert python == sys.executable
    assert Path(package).parents[1] == ROOT
    assert Path(folder).is_relative_to(home)
    assert Path(found["temporary"]).is_relative_to(home.parent)
    assert home.is_relative_to(temporary)
    assert found["executors"] == 2
    assert found["mine"] == "1"
    assert found["wait"] == found["passed on"] == "33"
    assert set(found["listening"]) <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert found["nested is the same"]
    assert found["runs after the nested one"] == 2
    assert found["environment is as before"]
    assert found["again"] == 3
    assert not home.parent.exists()
    wait_until_gone(found["pids"])


@pytest.mark.spark
def test_a_killed_driver_leaves_no_process_and_no_folder():
    programs = sorted(map(str, PROGRAMS.glob("*.py")))
    with start(WAIT, *programs, stderr=subprocess.DEVNULL) as job:
        said = [job.stdout.readline().split() for _ in range(2)]
        pids = [int(number) for line in said for number in line[:2]]
        pids += [child.pid for child in psutil.Process(job.pid).children(recursive=True)]
        job.kill()
    wait_until_gone(pids)
    folder, deadline = Path(said[0][2]).parent, time.monotonic() + PATIENCE_S
    while folder.exists():
        assert time.monotonic() < deadline, f"still there: {[str(path) for path in folder.rglob('*')]}"
        time.sleep(0.1)


@pytest.mark.spark
def test_the_sessions_size_is_known(spark):
    assert submitted_executors(spark) == 3


@pytest.mark.spark
def test_executors_take_the_compiled_pyspark_of_the_driver_not_the_sources_in_a_zip(spark):
    def look(_):
        import py4j
        import pyspark

        return [os.path.realpath(package.__cached__) for package in (py4j, pyspark)]

    assert spark.sparkContext.parallelize([0], 1).map(look).collect() == [look(0)]


def test_a_driver_that_has_pyspark_from_a_zip_gives_its_executors_the_zip(tmp_path):
    zips = sorted(Path(spark_home()).glob("python/lib/*.zip"))
    code = "import pathlib, sys; from sparkcv.spark import spark_home; spark_home.lay_out(pathlib.Path(sys.argv[1]))"
    env = os.environ | {"SPARK_HOME": spark_home(), "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *zips]))}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=True, timeout=PATIENCE_S)
    assert [(tmp_path / "home" / "python" / "lib" / one.name).resolve() for one in zips] == zips


@pytest.mark.parametrize(
    ("size", "least"), [({"num_executors": -1}, 0), ({"cores_per_executor": -1}, 1), ({"memory_mb": 0}, 1)]
)
def test_impossible_sizes_are_refused(size, least):
    with pytest.raises(UsageError, match=f"{next(iter(size))} counts from {least}, got"), spark_session("x", **size):
        pass


def test_a_range_with_too_few_ports_for_spark_and_the_roles_is_refused():
    wanted = r"--port_range 5000-5005: got 6 ports, wanted 7 for an embedded Spark of 2 executors"
    with pytest.raises(UsageError, match=wanted), embedded_session("x", 2, 1, 512, {}, PortRange(5000, 5005)):
        pass


NO_JAVA = """
import sys
from sparkcv.spark.session import spark_session
from sparkcv.errors import ClusterError
try:
    with spark_session("x"):
        pass
except ClusterError as err:
    print(err)
"""


def test_without_java_the_sentence_says_so(tmp_path):
    """JAVA_HOME points to nothing."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "JAVA_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", NO_JAVA], capture_output=True, text=True, env=env, timeout=PATIENCE_S)
    assert "embedded Spark did not start" in done.stdout, done.stderr
    assert str(tmp_path) in done.stdout
