"""Who waits for executors is told that the Spark application has ended, and does not wait on."""

import os
import subprocess
import sys

import pytest

CODE = """
from pyspark.sql import SparkSession
from sparkcv.errors import ClusterError
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.slots import wait_for_slots

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
launcher = BarrierLauncher(spark)
print(launcher.slots().now)
spark.sparkContext._jsc.sc().stop()  # as when the application is killed

def tell():
    try:
        wait_for_slots(launcher, 1, 600.0)
    except ClusterError as err:
        print(err)

tell()
java = spark.sparkContext._gateway.proc
java.kill()
java.wait()
tell()
"""


@pytest.mark.spark
def test_an_application_that_has_ended_gives_no_more_executors():
    env = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    said = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, timeout=300)
    assert said.stdout.split("\n") == [
        "1",
        "the Spark application has ended: it was stopped from outside, by the cluster manager or a person",
        "the Spark application has ended: its Java process is gone",
        "",
    ], said.stderr[-2000:]
