"""TensorFlow's gRPC, which knows no authentication, is refused where Spark's own says that others are about (S6)."""

import dataclasses
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sparkcv import logs
from sparkcv.doctor import checks
from sparkcv.doctor.checks.exposure import ACKNOWLEDGED
from sparkcv.doctor.quick import refuse
from sparkcv.errors import UsageError
from tests.doctor import cases

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300


def facts(host: str = "node", *, authenticate: bool, acknowledged: bool = False, **flags):
    """A run on executors of one host."""
    conf = {"spark.authenticate": str(authenticate).lower(), ACKNOWLEDGED: str(acknowledged).lower()}
    found = cases.facts(conf=conf, flags=flags)
    moved = [dataclasses.replace(one, place=dataclasses.replace(one.place, host=host)) for one in found.executors]
    spark = dataclasses.replace(found.spark, executors=dict.fromkeys(found.spark.executors, host))
    return dataclasses.replace(found, executors=tuple(moved), spark=spark)


def test_a_training_run_is_refused_with_the_setting_that_allows_it():
    with pytest.raises(UsageError, match=f"spark.authenticate=true says .* --conf {ACKNOWLEDGED}=true") as caught:
        refuse(checks.judge(facts(authenticate=True), checks.QUICK))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("case", "num_warnings"),
    [
        (facts(authenticate=True, acknowledged=True), 0),
        (facts(authenticate=False), 1),
        (facts("127.0.0.1", authenticate=True), 0),
        (facts(authenticate=True, num_ps_tasks=0, cluster_size=1), 0),
    ],
    ids=["acknowledged", "an ordinary cluster", "loopback", "one worker alone"],
)
def test_otherwise_it_runs_and_says_aloud_what_is_open_once(case, num_warnings):
    said = io.StringIO()
    logs.setup("driver", said)
    refuse(checks.judge(case, checks.QUICK))
    assert said.getvalue().count("warning TensorFlow: gRPC between roles") == num_warnings


@pytest.mark.parametrize("document", ["README.md", "conf/spark-yarn.conf"])
def test_the_setting_is_documented(document):
    assert ACKNOWLEDGED in (ROOT / document).read_text()


def host_that_others_reach() -> str:
    """An IPv4 address of this machine; loopback where it has no other."""
    found = [
        one.address for several in psutil.net_if_addrs().values() for one in several if one.family == socket.AF_INET
    ]
    return next((address for address in found if not address.startswith("127.")), "127.0.0.1")


@pytest.mark.spark
def test_on_a_real_spark_that_others_reach_a_run_with_a_ps_is_refused_and_leaves_nothing(tmp_path):
    host = host_that_others_reach()
    command = [sys.executable, str(Path(__file__).with_name("exposed.py")), host, str(tmp_path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["executors"] == [host]
    if host.startswith("127."):  # nobody else reaches a machine with nothing but loopback
        assert told["refused"] == ""
        return
    assert "spark.authenticate=true says that this network is not to be trusted" in told["refused"]
    assert f"--conf {ACKNOWLEDGED}=true" in told["refused"]
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
    assert not (tmp_path / "run" / "run.json").exists()
