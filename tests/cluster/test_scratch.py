"""Scratch folders go with their agents, and the dead ones' are swept without touching the living ones'."""

import os
import stat
import subprocess
import sys

import pytest

from sparkcv.cluster.scratch import scratch_dir, sweep

HOLD = """
import sys
from sparkcv.cluster.scratch import scratch_dir
with scratch_dir(sys.argv[1]) as path:
    print(path, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_empty_private_and_goes_with_all_that_is_in_it(tmp_path):
    with scratch_dir(str(tmp_path)) as path:
        assert os.listdir(path) == []
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        os.makedirs(f"{path}/a/b")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_a_living_agent_is_not_swept(tmp_path):
    with scratch_dir(str(tmp_path)) as path:
        assert sweep(str(tmp_path)) == []
        assert os.path.isdir(path)


def test_a_folder_of_a_killed_agent_is_swept(tmp_path):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as agent:
        path = agent.stdout.readline().strip()
        assert sweep(str(tmp_path)) == []
        agent.kill()
    assert sweep(str(tmp_path)) == [os.path.basename(path)]
    assert list(tmp_path.iterdir()) == []


def test_sweeping_follows_no_link_and_takes_no_file(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "sparkcv-link").symlink_to(precious)
    (root / "sparkcv-file").write_text("x")
    (root / "other").mkdir()
    assert sweep(str(root)) == []
    assert precious.is_dir()
    assert len(list(root.iterdir())) == 3


def test_a_root_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), scratch_dir(str(tmp_path / "nothing")):
        pass
    assert sweep(str(tmp_path / "nothing")) == []
