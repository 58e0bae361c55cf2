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
from sparkcv.spark import embedded
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


# Without executors: what a killed worker costs, and how the end of Java is told.
BESIDE = """
import os, pathlib, signal, sys, time
import psutil
from sparkcv.errors import ClusterError
from sparkcv.spark.errors import translated
from sparkcv.spark.session import is_submitted, spark_session
from sparkcv.spark.stage_losses import StageLosses

marks = pathlib.Path(sys.argv[1])

def die_thrice(_):
    import queue
    if len(list(marks.iterdir())) < 3:
        (marks / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return queue.__name__

try:
    with spark_session("beside", num_executors=0, cores_per_executor=2) as spark:
        losses = StageLosses(spark)
        print(spark.sparkContext.parallelize([0], 1).map(die_thrice).collect()[0], flush=True)
        losses.look()
        print(*losses.events, flush=True)
        (java,) = [one for one in psutil.Process().children() if "java" in one.name()]
        java.kill()
        with translated():
            spark.range(3).count()
except ClusterError as err:
    print(err)
print(is_submitted())
"""


def start(script, *args, stderr=subprocess.PIPE, cwd=None, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", script, *args],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=cwd or tempfile.gettempdir(),
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
def test_without_executors_a_task_is_tried_four_times_its_folder_hides_no_package_and_the_end_of_java_is_told(tmp_path):
    folder, marks, temporary = (tmp_path / name for name in ("the user's", "marks", "temporary"))
    for one in (folder, marks, temporary):
        one.mkdir()
    (folder / "queue.py").write_text("raise ImportError('a file of the user')")
    code = f"import sys; sys.path.remove('')\n{BESIDE}"  # as a job has it, which is no -c
    with start(code, str(marks), cwd=folder, TMPDIR=str(temporary)) as job:
        out, err = job.communicate(timeout=PATIENCE_S)
    assert job.returncode == 0, err
    died = "the Python process of a task died, killed or out of memory"
    assert out.splitlines() == [
        "queue",
        f"tasks that failed and were done again: 3, {died}",
        "the embedded Spark's Java was killed by signal 9, by a person or for want of memory",
        "False",
    ]
    assert err == f"3 of the tasks failed and are done again: {died}\n"
    assert sorted(os.listdir(folder)) == ["queue.py"]
    assert os.listdir(temporary) == []


@pytest.mark.parametrize(
    ("code", "heap", "sentence"),
    [
        (-15, None, "the embedded Spark's Java was killed by signal 15, by a person or for want of memory"),
        (52, None, "the embedded Spark's Java has used up its heap"),
        (
            *(52, "2048m"),
            "the embedded Spark's Java has used up its heap of 2048m: more is given by --executor_memory_mb, where the"
            " job has it",
        ),
        (1, "2048m", "the embedded Spark's Java ended with exit code 1: one / two"),
    ],
)
def test_how_java_ended_is_a_sentence(tmp_path, code, heap, sentence):
    log = tmp_path / "java.log"
    log.write_text("one\ntwo\n")
    assert embedded._end_sentence(code, heap, log) == sentence


def test_without_executors_the_driver_has_the_heap_of_one_beside_its_own():
    assert embedded._sizes(0, 2, 1024, "4")["spark.driver.memory"] == "2048m"
    assert embedded._sizes(2, 1, 1024, "4")["spark.executor.memory"] == "1024m"


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
    wanted = (
        r"--port_range 5000-5001: got 2 ports, wanted 3 for an embedded Spark without executors: two for its driver"
    )
    with pytest.raises(UsageError, match=wanted), embedded_session("x", 0, 2, 512, {}, PortRange(5000, 5001)):
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
