"""Fixtures that every room uses, and the check that no test leaves a process, thread or variable behind."""

import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import psutil
import pytest
from pyspark.logger import PySparkLogger

from sparkcv import synthetic
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.spark.session import spark_session
from tests.contracts.local_launcher import LocalLauncher
from tests.hadoop import hadoop
from tests.spark_programs import PROGRAMS, add_programs

pytest_plugins = ("tests.fixtures.browser", "tests.fixtures.encoded", "tests.fixtures.models", "tests.fixtures.tab")

ROOT = Path(__file__).parents[1]
sys.path.append(str(PROGRAMS))  # tests name the programs' functions, which must be the roles' own

# A shell ignores SIGINT for what it starts in the background, and so does all that this starts: no test's Ctrl-C came.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# TensorFlow reads these at import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

# Spark's Java process belongs to the session-wide fixture, its variables are set while it lives.
_KEPT_PROCESSES = ("java",)
# What takes seconds and gigabytes to start; the archive is unpacked on the cluster.
_SHARED = {
    "hadoop_cluster": "hadoop",
    "dist_python_zip": "hadoop",
    "secured_cluster": "secured",
    "spark": "spark",
    "cluster": "faults",
    "looked": "looked",
}
_OF_A_GROUP = ("hadoop_cluster", "secured_cluster", "cluster", "spark")
_LONGEST = (
    "kubernetes",
    "yarn",
    "driver",
    "nets",
    "hadoop",
    "faults",
    "jobs",
    "tests/kubernetes/test_train.py",
    "compat",
    "spark",
    "secured",
    "launchers",
    "tests/kubernetes/test_pods.py",
    "tests/cluster/test_recovery.py",
    "tests/cluster/test_supervisor.py",
)
_OWN_SPARK = {
    "tests/compat/": "compat",
    "tests/driver/": "driver",
    "tests/jobs/": "jobs",
    "tests/launchers/test_launchers.py": "launchers",
    "tests/launchers/test_tfos.py": "launchers",
}
# PySpark 4's loggers turn each handler that they are given to JSON, for good. Those of failed queries do not propagate,
# so pytest 9.1 gives them caplog's: every later test of that process read its log as JSON, escaped.
PySparkLogger.addHandler = logging.Logger.addHandler  # type: ignore[method-assign]
_OF_TENSORFLOW = ("ENABLE_RUNTIME_UPTIME_TELEMETRY", "HDF5_PLUGIN_PATH")  # it sets them when it is imported
_KEPT_VARIABLES = ("SPARK", "PYSPARK", "PYTEST_CURRENT_TEST", "KMP_", "TF2_BEHAVIOR", "TF_", "TPU_", *_OF_TENSORFLOW)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep a file's tests together in one process, and all that share a cluster of the whole session.

    The longest come first, so that no process ends long before the other.
    """
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _LONGEST.index(groups[item]) if groups[item] in _LONGEST else len(_LONGEST))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """End the clusters and the Spark of a group with it: idle, daemons take 3 % of a core and gigabytes, to the end."""
    if "PYTEST_XDIST_WORKER" in os.environ and nextitem is not None and _group(nextitem) != _group(item):
        for name in _OF_A_GROUP:
            for fixture in item.session._fixturemanager._arg2fixturedefs.get(name, ()):
                fixture.finish(item._request)  # pytest's own way: whoever asks for it after that gets a new one


def pytest_collection_finish():
    """Let the collector pass over the 5,000 tests and their modules, and look at nets' graphs less often.

    They are a hundred thousand objects that live on: without it it takes a twelfth of the time that they are built in.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class _GroupedItems:
    """pytest 9.2 does not take the names that pytest-xdist 3.8 gives to groups, and says nothing: a Hadoop a test."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        if config.getoption("loadgroup", False) and any("@" not in item.nodeid for item in items):
            raise pytest.UsageError("this pytest-xdist does not group tests under this pytest; wanted pytest below 9.2")


class _FailuresAtOnce:
    """A run that is ended from outside, by its time or by hand, prints no summary: what failed until then is told."""

    def __init__(self, config):
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:  # a worker of pytest-xdist has none
            crash = getattr(report.longrepr, "reprcrash", None)
            said = (crash.message if crash else str(report.longrepr)).strip().partition("\n")[0][:300]
            terminal.write(f"\nFAILED in {report.when}: {report.nodeid} - {said}\n")


def pytest_configure(config):
    config.pluginmanager.register(_GroupedItems())
    config.pluginmanager.register(_FailuresAtOnce(config))


def _group(item):
    file = item.nodeid.partition("::")[0]
    if item.get_closest_marker("kubernetes"):
        return "kubernetes"
    if file.startswith("tests/yarn/"):
        return "yarn"
    if file.startswith("tests/nets/"):
        return "nets"  # they look at the same large graphs
    names = getattr(item, "fixturenames", ())
    shared = next((group for name, group in _SHARED.items() if name in names), file)
    # One Spark for all that use it would be one process for a third of the suite.
    return next((own for start, own in _OWN_SPARK.items() if shared == "spark" and file.startswith(start)), shared)


@pytest.fixture(scope="session")
def spark():
    """A real embedded Spark: three executor processes of one slot each."""
    # A Java fills the heap that it has with garbage: of 1.2 GB that each of fifteen executors held, a tenth was used.
    with spark_session("sparkcv tests", num_executors=3, memory_mb=512) as session:
        yield session


@pytest.fixture
def local():
    """Three task slots as plain processes of this machine."""
    return LocalLauncher(3, [str(ROOT), str(PROGRAMS)])


@pytest.fixture(scope="session")
def barrier_spark(spark):
    """The session's Spark, its executors able to import the test programs."""
    return add_programs(spark, PROGRAMS)


@pytest.fixture
def barrier(barrier_spark):
    """The default launcher, on the session's Spark."""
    return BarrierLauncher(barrier_spark)


@pytest.fixture(scope="session")
def hadoop_cluster(request, tmp_path_factory):
    """A real HDFS of one DataNode, and a real YARN of one node; their logs are kept if a test fails."""
    logs = tmp_path_factory.mktemp("hadoop", numbered=True)
    with hadoop(yarn=True) as cluster:
        yield cluster
        if request.session.testsfailed:
            cluster.copy_logs(logs)


@pytest.fixture(scope="session")
def secured_cluster(request, tmp_path_factory):
    """The same with Kerberos, and privacy on every wire; alice and bob have folders there that only they can read.

    A delegation token for its HDFS lives 100 s at most, of which hdfs-native uses 40.
    """
    logs = tmp_path_factory.mktemp("secured", numbered=True)
    with hadoop(yarn=True, kerberos=True, token_life_s=100) as cluster:
        cluster.make_homes()
        yield cluster
        if request.session.testsfailed:
            cluster.copy_logs(logs)


@pytest.fixture
def hdfs(hadoop_cluster, monkeypatch):
    """The URL of a new folder on the real HDFS, which this process finds by HADOOP_CONF_DIR."""
    for key, value in hadoop_cluster.env.items():
        monkeypatch.setenv(key, value)
    return f"{hadoop_cluster.url}/tests/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder per class of small drawn pictures, 12 a class, and 5 broken files."""
    folder = tmp_path_factory.mktemp("pictures")
    synthetic.write_pictures(folder, per_class=12, seed=7, size=48, broken=5)
    return folder


@pytest.fixture(scope="session")
def dist_python_zip():
    """dist/Python.zip made from this Python: built at most once, and kept for the next session by its inputs."""
    env = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "build_zip.sh", "python"], check=True, env=env, stdout=subprocess.DEVNULL)
    return ROOT / "dist" / "Python.zip"


def _hear_all():
    """Undo what a job or a library may have done to the log of this process."""
    logging.getLogger("sparkcv").handlers[:] = []
    logging.disable(logging.NOTSET)
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.partition(".")[0] == "sparkcv" and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate, logger.filters[:] = False, True, []
            logger.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture(autouse=True)
def _log_as_before(request):
    """A job, in a test or in a fixture of many, sets up the log of its process; the next test must not find that."""
    _hear_all()
    request.config.pluginmanager.get_plugin("logging-plugin").caplog_handler.setLevel(logging.NOTSET)
    yield
    _hear_all()


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    before = _children()
    variables = _variables()
    yield
    assert _variables() == variables, "the test changed environment variables"
    threads = [t.name for t in threading.enumerate() if t.name.startswith("sparkcv") and t.is_alive()]
    assert not threads, f"threads left running: {threads}"
    assert not (left := _new_processes(before)), f"processes left running: {left}"


def _variables() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(_KEPT_VARIABLES)}


def _children() -> set[int]:
    """The children of this process by the kernel's own list: psutil reads of every process, 10 ms of CPU a test."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def _new_processes(before: set[int]) -> list[str]:
    """Children that were not there before; Spark's own (Java and its Python daemons) stay for the session."""
    left = []
    for pid in _children() - before:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            child = psutil.Process(pid)
            if child.status() != psutil.STATUS_ZOMBIE and (name := child.name()) not in _KEPT_PROCESSES:
                left.append(f"{pid} {name}")
    return left
