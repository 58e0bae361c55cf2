"""The session's Spark with the compat programs on its executors, and Keras there as TensorFlow has it."""

import json
import sys
import time
from pathlib import Path

import pytest

from sparkcv.compat import TFCluster
from tests.spark_programs import add_programs

PROGRAMS = Path(__file__).with_name("programs")
sys.path.append(str(PROGRAMS))  # the tests hand over the programs' functions, which must be the executors' own
TIMEOUT_S = 90


@pytest.fixture(scope="session")
def compat_spark(spark):
    """The session's Spark, its executors able to import the programs."""
    return add_programs(spark, PROGRAMS)


@pytest.fixture
def sc(compat_spark):
    """Its context; nodes do not inherit what the tests' own TensorFlow needs."""
    context = compat_spark.sparkContext
    context.environment["TF_USE_LEGACY_KERAS"] = "0"
    yield context
    context.environment.pop("TF_USE_LEGACY_KERAS")


@pytest.fixture
def start(sc):
    """``TFCluster.run`` of this Spark; what a test leaves running is ended."""
    started = []

    def run(map_fun, tf_args, num_executors, num_ps=0, **more):
        started.append(TFCluster.run(sc, map_fun, tf_args, num_executors, num_ps, **more))
        return started[-1]

    yield run
    for cluster in started:
        cluster.abort("the test is over")


class Notes:
    """What the programs noted in a folder."""

    def __init__(self, folder):
        self._folder = folder

    def all(self, name):
        return [json.loads(path.read_text()) for path in sorted(self._folder.glob(f"{name}-*")) if not path.suffix]

    def wait(self, name):
        """The process ids of who noted it, once somebody has."""
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := [path for path in self._folder.glob(f"{name}-*") if not path.suffix]):
            assert time.monotonic() < deadline, f"nobody noted {name}"
            time.sleep(0.05)
        return [int(path.name.rpartition("-")[2]) for path in found]


@pytest.fixture
def notes(tmp_path):
    return Notes(tmp_path)
