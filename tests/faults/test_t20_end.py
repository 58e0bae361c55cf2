"""T20 without a keytab: the run says how long its token lasts, and before that ends it is saved and stops with 75.

Its driver looks at the token anew all the time, so the test need not wait for one to end: it puts a shorter one there.
"""

import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from sparkcv.rundir import checkpoint
from sparkcv.storage.hdfs import tokens
from tests.faults import oracles
from tests.faults.running import Run
from tests.tokens.made import secured_env, token

pytestmark = pytest.mark.tensorflow
ENDS = (
    r"what alice@HERE\.TEST logs in to HDFS with ends at \S+ \S+ \S+, as nothing renews it;"
    r" submit with --principal alice@"
)


NOBODY = 65534


@pytest.fixture
def open_folder():
    """A folder that every user of this machine may enter, and in it one that only this user may."""
    with tempfile.TemporaryDirectory(prefix="sparkcv-open-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        Path(name, "open").write_text("for all")
        Path(name, "tmp").mkdir()
        Path(name, "private").mkdir(mode=0o700)
        yield Path(name)


def as_nobody(*command):
    """What a command wrote and what it complained of, run by another user."""
    done = subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, cwd="/", timeout=300
    )
    return done.stdout, done.stderr


def look(run, subtests):
    """S8: nobody else reads the tokens and the spools of a run, nor its status where its folder is private."""
    held, spools = list(run.tmp.rglob("agent-*/tokens")), list(run.tmp.rglob("agent-*/**/spool-*"))
    assert len(held) == len(spools) == 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in held} == {0o600}
    (scratch,) = {path.parents[1] for path in held}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*spools, held[0].parent, scratch)} == {0o700}
    with subtests.test("a second user"):
        if os.geteuid() != 0:
            pytest.skip("only root can be another user")
        for folder in scratch.parents:  # what is around it would hide it as well
            if folder.is_relative_to(run.tmp):
                folder.chmod(0o755)
        assert as_nobody("cat", run.tmp.parent / "open") == ("for all", "")
        assert scratch.name in as_nobody("ls", scratch.parent)[0]
        for path in (held[0], spools[0], held[0].parent, scratch, Path(run.url) / "status.json"):
            said, complaint = as_nobody("ls" if path.is_dir() else "cat", path)
            assert (said, "Permission denied" in complaint) == ("", True), path


def test_a_run_whose_token_ends_is_saved_stops_with_75_and_resumes(flags, tmp_path, open_folder, subtests):
    flags |= {"train_dir": open_folder / "private" / "train"}
    flags |= {"num_ps_tasks": 0, "cluster_size": 1, "max_number_of_steps": 1_000_000}
    (tmp_path / "secured").mkdir()
    env = secured_env(tmp_path / "secured") | {"TMPDIR": str(open_folder / "tmp")}
    path = tmp_path / "secured" / "tokens"
    path.write_bytes(tokens.dump([token(life_s=3600)]))
    env[tokens.VARIABLE] = str(path)
    with Run(tmp_path, flags, env) as run:
        run.wait_for_save()
        look(run, subtests)
        run.wait_for(r"the run still takes about \w+, and may log in to HDFS for 5\dm")
        path.write_bytes(tokens.dump([token(life_s=100)]))
        ended = run.end()
    assert ended.code == 75, ended.said
    oracles.check_end(run, ended)
    assert re.search(rf"driver warning {ENDS}.*; the run stops before, saved, with exit code 75", ended.said)
    assert re.search(
        rf"^train: {ENDS}.*worker:0: .*; saved .*model\.ckpt-\d+.*; the same command.* resumes", ended.sentence
    )
    step = checkpoint.newest_valid(run.url).step
    assert step >= run.highest_step()
    path.write_bytes(tokens.dump([token(life_s=3600)]))
    with Run(tmp_path, {**flags, "max_number_of_steps": step + 10}, env) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert f"resuming from {run.url}/model.ckpt-{step}" in run.said
