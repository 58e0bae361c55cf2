"""A Ctrl-C ends a job in a sentence, whatever it waits for."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparkcv.driver.interrupted import interrupts_raised
from sparkcv.errors import ClusterError

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300

JOB = """
import sys, time
from sparkcv.config import DoctorConfig
from sparkcv.driver.job import run_main
from sparkcv.spark.job_group import job_group
from sparkcv.spark.session import spark_session

def work(settings):
    with spark_session("waits", num_executors=0) as spark, job_group(spark, "waits"):
        def wait(_):
            from pathlib import Path
            Path(mark).touch()
            time.sleep(600)
        spark.sparkContext.parallelize([0], 1).map(wait).collect()

mark = sys.argv[1]
sys.exit(run_main(DoctorConfig, "waits", work, []))
"""


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_ctrl_c_is_raised_and_others_log_no_more_to_the_end_of_the_block(caplog):
    before = signal.getsignal(signal.SIGINT), logging.getLogger().level
    with interrupts_raised():
        logging.getLogger("py4j.clientserver").error("before")
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        logging.getLogger("py4j.clientserver").error("a page")
    assert caplog.messages == ["before"]
    assert (signal.getsignal(signal.SIGINT), logging.getLogger().level) == before


def wait_for_java():
    try:
        interrupt()
    except KeyboardInterrupt as err:
        raise ClusterError("Answer from Java side is empty") from err


def test_what_others_make_of_it_is_still_that_and_other_errors_stay_as_they_are():
    with pytest.raises(KeyboardInterrupt), interrupts_raised():
        wait_for_java()
    with pytest.raises(ClusterError, match="lost"), interrupts_raised():
        raise ClusterError("lost")


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_raised():
            interrupt()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.spark
def test_a_job_that_waits_for_spark_ends_in_a_sentence(tmp_path):
    mark = tmp_path / "mark"
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, str(mark)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    with process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not mark.exists():
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to Spark's processes too
            said = process.communicate(timeout=PATIENCE_S)[1]
        finally:
            process.kill()
    assert (process.returncode, said) == (1, "waits: stopped by the keyboard\n")
