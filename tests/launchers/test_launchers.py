"""The launch contract, on each launcher on Spark and on the plain processes that the faster tests use."""

import psutil
import pytest

from sparkcv.launchers.detached import DetachedLauncher
from sparkcv.launchers.tfos import TfosLauncher
from tests.contracts.launcher import LauncherContract


class TestLocal(LauncherContract):
    @pytest.fixture
    def launcher(self, local):
        return local

    def executor_pid(self, task_pid):
        return task_pid


@pytest.mark.spark
class TestBarrier(LauncherContract):
    @pytest.fixture
    def launcher(self, barrier):
        return barrier

    def executor_pid(self, task_pid):
        return java_of(task_pid)


@pytest.mark.spark
class TestDetached(LauncherContract):
    @pytest.fixture
    def launcher(self, barrier_spark):
        return DetachedLauncher(barrier_spark, hold=[2])

    def executor_pid(self, task_pid):
        return next(one.pid for one in psutil.Process(task_pid).parents() if one.name() == "java")


@pytest.mark.spark
@pytest.mark.tensorflow
class TestTensorFlowOnSpark(LauncherContract):
    @pytest.fixture
    def launcher(self, barrier_spark):
        return TfosLauncher(barrier_spark)

    def executor_pid(self, task_pid):
        return java_of(task_pid)


def java_of(task_pid):
    """The executor's Java process: the task is a child of Spark's Python daemon, and that a child of Java."""
    return psutil.Process(task_pid).parent().ppid()
