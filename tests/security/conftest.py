"""The test programs where the roles can import them, and one real Spark run that is looked at from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.free_ports import free_ports
from tests.contracts.local_launcher import LocalLauncher

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("programs")
PATIENCE_S = 300


@pytest.fixture
def local():
    """Three task slots as plain processes of this machine."""
    return LocalLauncher(3, [str(ROOT), str(PROGRAMS)])


@pytest.fixture(scope="session")
def looked(tmp_path_factory):
    """What ``look.py`` saw: its folder, its own output, what it told at the end, and its range of ports."""
    folder, ports = tmp_path_factory.mktemp("looked"), free_ports(16)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(PROGRAMS)])}
    command = [sys.executable, str(Path(__file__).with_name("look.py")), str(folder), str(ports.low), str(ports.high)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr, json.loads(done.stdout.splitlines()[-1]), ports
