"""Scratch folders go with their agents, and the dead ones' are swept without touching the living ones'."""

import os
import stat
import subprocess
import sys

import pytest

from sparkcv.spark.scratch import scratch_dir, sweep

HOLD = """
import sys
from sparkcv.spark.scratch import scratch_dir
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
    assert not os.path.exists(path)


def test_sweeping_touches_nothing_that_is_not_an_agents(tmp_path):
    home = tmp_path / f"sparkcv-scratch-{os.getuid()}"
    precious = tmp_path / "sparkcv-spark-abc"
    for folder in (home, precious, home / "other", tmp_path / "agent-x"):
        folder.mkdir()
    (home / "agent-link").symlink_to(precious)
    (home / "agent-file").write_text("x")
    assert sweep(str(tmp_path)) == []
    assert precious.is_dir()
    assert (tmp_path / "agent-x").is_dir()
    assert len(list(home.iterdir())) == 3


def test_agents_on_one_host_do_not_disturb_each_other(tmp_path):
    with scratch_dir(str(tmp_path)) as first, scratch_dir(str(tmp_path)) as second:
        assert first != second
        with scratch_dir(str(tmp_path)):
            pass
        assert os.path.isdir(first)
        assert os.path.isdir(second)


def test_a_home_that_somebody_else_laid_out_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"sparkcv-scratch-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="not a folder of this user"), scratch_dir(str(tmp_path)):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_root_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), scratch_dir(str(tmp_path / "nothing")):
        pass
    assert sweep(str(tmp_path / "nothing")) == []
