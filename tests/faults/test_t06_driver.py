"""T6: a killed driver leaves nothing behind, and the same command, said at once, ends at the target."""

import os
import signal

import pytest

from sparkcv.rundir import checkpoint
from tests.faults import oracles
from tests.faults.running import Run

pytestmark = pytest.mark.tensorflow


def test_a_killed_driver_is_replaced_by_the_same_command(flags, tmp_path):
    flags |= {"cluster_size": 2}
    with Run(tmp_path, flags) as orphans:
        orphans.wait_for_save()
        assert len(orphans.roles()) == 2
        os.kill(orphans.pid, signal.SIGKILL)
        assert orphans.end().code == -signal.SIGKILL
        # The roles of the first run are still there: it takes them seconds to know that their driver is gone.
        step = checkpoint.newest_step(orphans.url)
        with Run(tmp_path, {**flags, "max_number_of_steps": step + 500}) as run:
            ended = run.end()
        orphans.wait_for_left()
    assert ended.code == 0, ended.said
    resumed = int(run.wait_for(r"worker:0 info resuming from \S+/model\.ckpt-(\d+)")[1])
    assert resumed >= step
    assert [path for path in orphans.tmp.rglob("*") if not path.is_dir()] == []
    oracles.check_end(run, ended)
