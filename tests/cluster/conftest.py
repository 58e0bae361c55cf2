"""The two launchers under test, with the test programs where their seats can import them."""

import sys
from pathlib import Path

import pytest

from sparkcv.cluster.launchers.barrier import BarrierLauncher
from tests.contracts.local_launcher import LocalLauncher
from tests.spark_programs import add_programs

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("programs")
sys.path.append(str(PROGRAMS))  # the tests name the programs' functions, which must be the seats' own


@pytest.fixture
def local():
    """Three seats as plain processes of this machine."""
    return LocalLauncher(3, [str(ROOT), str(PROGRAMS)])


@pytest.fixture(scope="session")
def barrier_spark(spark):
    """The session's Spark, its executors able to import the test programs."""
    return add_programs(spark, PROGRAMS)


@pytest.fixture
def barrier(barrier_spark):
    return BarrierLauncher(barrier_spark)
