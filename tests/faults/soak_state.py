"""The long forms of faults at what a run keeps: damaged checkpoints, kills in saves, gradients that are not numbers."""

import re
import shutil
from pathlib import Path

from sparkcv.rundir import checkpoint
from tests.faults import oracles
from tests.faults.running import check_whole
from tests.faults.soak_bench import Bench, Fault
from tests.faults.test_t19_checkpoints import DAMAGES, LOST, NEWEST, kill_in_a_save
from tests.faults.test_t25_nan import saved_steps

_RESUMED = r"worker:0 info resuming from \S+/model\.ckpt-(\d+)"
_ALONE = {"save_interval_steps": 25, "num_ps_tasks": 0, "cluster_size": 1}  # whose checkpoints are at known steps
_KILLS = 10


def damages(bench: Bench) -> None:
    """T19: the newest checkpoint damaged: the one before resumes; all lost: refused; kills in saves, 10 a run."""
    bench.num_runs += 1
    with bench.again("left", max_number_of_steps=50, **_ALONE) as run:
        assert run.end().code == 0, run.said
    left = Path(run.url)
    deeds = [(name, damage) for name in NEWEST for damage in DAMAGES.values()]
    while not bench.is_over:
        for name, damage in bench.chance.sample(deeds, len(deeds)):
            _resumes_before(bench, left, name, damage)
            _is_refused(bench, left, bench.chance.choice(LOST))
            _loses_no_more_than_the_save(bench, left)
            if bench.is_over:
                break


def _copy(bench, left):
    bench.num_runs += 1
    folder = bench.folder / f"train-{bench.num_runs}"
    shutil.copytree(left, folder)
    return folder


def _resumes_before(bench, left, name, damage):
    folder = _copy(bench, left)
    damage(folder / name)
    with bench.again(folder.name, max_number_of_steps=60, **_ALONE) as run:
        ended = run.end()
    bench.add(Fault(lost_steps=50 - int(re.search(_RESUMED, ended.said)[1])))
    assert ended.code == 0, ended.said
    assert bench.faults[-1].lost_steps == 25, ended.said
    assert "skipped the checkpoint of step 50" in ended.said
    oracles.check_end(run, ended, num_workers=1)


def _is_refused(bench, left, patterns):
    folder = _copy(bench, left)
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()
    with bench.again(folder.name, max_number_of_steps=60, **_ALONE) as run:
        ended = run.end()
    bench.add(Fault())
    assert ended.code == 1, ended.said
    assert "will not start again from step 0" in ended.sentence
    assert "runs on host" not in ended.said


def _loses_no_more_than_the_save(bench, left):
    folder, told = _copy(bench, left), 50
    for _ in range(_KILLS):
        with bench.again(folder.name, **_ALONE) as run:
            found = int(run.wait_for(_RESUMED)[1])
            assert found >= told
            step = kill_in_a_save(run)
            run.end()
        told = max([found, *run.saved()])
        newest = checkpoint.newest_valid(run.url).step
        assert newest in (told, step)
        bench.add(Fault(lost_steps=max(0, run.highest_step() - newest)))
        run.wait_for_left()
        if bench.is_over:
            break
    with bench.again(folder.name, max_number_of_steps=told + 30, **_ALONE) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    check_whole(run.url)


def not_numbers(bench: Bench) -> None:
    """T25: a NaN gradient at one step, always and then once: it ends with step and reason; no saved tensor has one."""
    while not bench.is_over:
        at = bench.chance.randrange(20, 90)
        bench.num_runs += 1
        name, once = f"train-{bench.num_runs}", bench.folder / f"once-{bench.num_runs}"
        for env in ({}, {}, {"NAN_ONCE": str(once)}, {"NAN_ONCE": str(once)}):
            given = {"NAN_AT": str(at), **env}
            is_spoiled = not once.exists()
            with bench.again(name, env=given, program="tests.faults.nan_gradient:main", max_number_of_steps=120) as run:
                ended = run.end()
            bench.add(Fault())
            saved_steps(run.url)
            assert ended.code == (1 if is_spoiled else 0), ended.said
            if is_spoiled:
                assert re.search(r"the loss is nan at step \d+|holds NaN or infinity", ended.sentence), ended.said
            oracles.check_told_truly(run, ended, num_workers=2)
            oracles.check_nothing_left(run)


CASES = {"T19": damages, "T25": not_numbers}
