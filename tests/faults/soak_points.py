"""The long form of the kills at named points: in training and in the export, of each role and of the driver."""

import os
import shutil
import signal

from tests.faults import oracles, points
from tests.faults.running import Run
from tests.faults.soak_bench import ROLES, Bench, Fault

_TARGET = 120


def named_points(bench: Bench) -> None:
    """T2: each role and the driver killed at each named point, a run each; a success must be whole, at the target."""
    pairs = [(role, point) for role in (*ROLES, "driver") for point in points.POINTS]
    pairs += [(role, point) for role in ("exporter:0", "driver") for point in points.EXPORT_POINTS]
    while not bench.is_over:
        for role, point in bench.chance.sample(pairs, len(pairs)):
            if bench.is_over:
                break
            (_in_export if point in points.EXPORT_POINTS else _in_training)(bench, role, point)


def _in_training(bench, role, point):
    with bench.run(max_number_of_steps=_TARGET) as run:
        if role == "driver":
            point(run, "worker:0")
            victim = run.pid
        else:
            victim = run.wait_for_role(role).pid
            point(run, role)
        os.kill(victim, signal.SIGKILL)
        bench.add(Fault())
        ended = run.end()
        run.wait_for_left()
    if role == "driver":
        ended, run = _again(bench, run, max_number_of_steps=_TARGET)
        assert ended.code == 0, ended.said
    oracles.check_end(run, ended, num_workers=2)


def _in_export(bench, role, point):
    """The training before it is done once; what is killed there leaves a run that the same command ends well."""
    trained, name = bench.folder / "trained", f"train-export-{bench.num_runs}"
    flags = {"max_number_of_steps": _TARGET, "export_dir": bench.folder / f"{name}-model"}
    if not trained.exists():
        bench.num_runs += 1
        with bench.again(trained.name, max_number_of_steps=_TARGET) as run:
            assert run.end().code == 0, run.said
    flags["train_dir"] = bench.folder / name
    shutil.copytree(trained, flags["train_dir"])
    bench.num_runs += 1
    with Run(bench.folder, {**bench.flags, **flags}) as run:
        point(run, role)
        os.kill(run.pid if role == "driver" else run.wait_for_role(role).pid, signal.SIGKILL)
        bench.add(Fault())
        ended = run.end()
        run.wait_for_left()
    oracles.check_exported(run, ended)
    if role == "driver":
        assert ended.code == -signal.SIGKILL
    elif ended.code:
        oracles.check_told_truly(run, ended)
    with Run(bench.folder, {**bench.flags, **flags}) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert "worker:0 runs on host" not in ended.said, "it trained again"
    oracles.check_exported(run, ended)
    oracles.check_nothing_left(run)


def _again(bench, run, **flags):
    with Run(bench.folder, {**run.flags, **flags}) as after:
        return after.end(), after


CASES = {"T2": named_points}
