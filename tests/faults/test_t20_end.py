"""T20 without a keytab: the run says how long its token lasts, and before that ends it is saved and stops with 75.

Its driver looks at the token anew all the time, so the test need not wait for one to end: it puts a shorter one there.
"""

import re

import pytest

from sparkcv.storage.hdfs import tokens
from sparkcv.train import checkpoint
from tests.cluster.credentials.made import secured_env, token
from tests.faults import oracles
from tests.faults.running import Run

pytestmark = pytest.mark.tensorflow
ENDS = (
    r"what alice@HERE\.TEST logs in to HDFS with ends at \S+ \S+, as nothing renews it; submit with --principal alice@"
)


def test_a_run_whose_token_ends_is_saved_stops_with_75_and_resumes(flags, tmp_path):
    flags |= {"num_ps_tasks": 0, "cluster_size": 1, "max_number_of_steps": 1_000_000}
    (tmp_path / "secured").mkdir()
    env = secured_env(tmp_path / "secured")
    path = tmp_path / "secured" / "tokens"
    path.write_bytes(tokens.dump([token(life_s=3600)]))
    env[tokens.VARIABLE] = str(path)
    with Run(tmp_path, flags, env) as run:
        run.wait_for_save()
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
