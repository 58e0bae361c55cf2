"""T4: a chief that comes back joins the others where they are; one that never does ends the run with the reason."""

import pytest

from tests.faults import oracles
from tests.faults.running import Run

pytestmark = pytest.mark.tensorflow


def test_a_chief_that_comes_back_takes_nobody_back_and_one_beyond_the_budget_ends_the_run(flags, tmp_path):
    with Run(tmp_path, {**flags, "max_restarts": 1}) as run:
        run.wait_for_save()
        survivor = run.wait_for_role("worker:1")
        highest, since = run.highest_step(), run.kill("worker:0")
        assert run.wait_for_first_step("worker:0", since) > highest
        run.wait_for_save(above=run.saved()[-1])
        assert run.wait_for_role("worker:1") == survivor
        assert run.status()["restarts"] == 1
        saved = run.saved()[-1]
        run.kill("worker:0")
        ended = run.end()
    assert ended.code == 1
    assert ended.sentence.startswith("train: worker:0 was killed by signal 9 (SIGKILL)")
    assert "it was not started again after 1 restarts in an hour" in ended.sentence
    oracles.check_never_back(run)
    oracles.check_told_truly(run, ended)
    assert run.status()["saved"] >= saved
    oracles.check_nothing_left(run)
