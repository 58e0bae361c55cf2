"""The long form of the run that is longer than its tokens live."""

import os
import subprocess
import sys

from tests.faults.running import ROOT
from tests.faults.soak_bench import Bench

_LIVES_S = "360"
_HANG_S = 3600


def outlived(bench: Bench) -> None:
    """T20: training and a stage of scoring of six minutes by tokens of 100 s; both stop and say so without new ones."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/faults/test_t20_tokens.py"]
    env = os.environ | {"T20_LIVES_S": _LIVES_S}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=_HANG_S)
    assert done.returncode == 0, done.stdout[-4000:]
    bench.num_runs += 2
    bench.note = f"{bench.num_runs} applications on a YARN and HDFS with Kerberos"


CASES = {"T20": outlived}
