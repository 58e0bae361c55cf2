"""What must hold of every run under fault, by the oracles' numbers in the list of faults.

O8, that every case ends inside its limit, is the limit of all waits in ``running``.
"""

import re
import statistics

from sparkcv.predict import manifest as manifests
from sparkcv.rundir import checkpoint, lease_file
from tests.faults.running import Ended, Run, check_whole

_STATES = {0: "finished", 1: "failed", 75: "preempted"}
# A line of its own, not one in the tail of a report.
_RESUMED = re.compile(r"^\S+ worker:0 info resuming from \S+/model\.ckpt-(\d+)", re.MULTILINE)
_LOSS = re.compile(r"^\S+ worker:0 info step (\d+): loss ([0-9.]+)", re.MULTILINE)


def check_end(run: Run, ended: Ended, *, num_workers: int = 1) -> None:
    """O1, O6, O7 of a run whose driver ended by itself, and that its folder is whole."""
    check_told_truly(run, ended, num_workers=num_workers)
    check_nothing_left(run)
    check_whole(run.url)


def check_told_truly(run: Run, ended: Ended, *, num_workers: int = 1) -> None:
    """O6: exit code, ``status.json`` and the last words agree with what lies in the folder; O1 of a success."""
    status = run.status()
    assert status["state"] == _STATES[ended.code], ended.said
    found = checkpoint.newest_valid(run.url)
    if ended.code:
        assert ended.sentence.partition(": ")[2] in status["reason"]
        assert status["reason"] in ended.said
        return
    target = run.flags["max_number_of_steps"]
    assert target <= found.step <= target + num_workers, found
    assert status["step"] == found.step
    # The roles of a killed driver may come to the target before they know of its death: nothing is left to do then.
    trained = f"checkpoint {found.prefix_url}, read back and whole"
    done = f"already finished: step {found.step}, checkpoint {found.prefix_url}; nothing was done"
    assert ended.said.rstrip().endswith(trained if "runs on host" in ended.said else done), ended.said


def check_exported(run: Run, ended: Ended) -> None:
    """O6 of a run with an export: a success has the model of its last step there, whole, and it has scored."""
    if ended.code:
        return
    url, found = str(run.flags["export_dir"]), checkpoint.newest_valid(run.url)
    manifest = manifests.read_manifest(url)
    manifests.verify(url, manifest)
    assert (manifest.step, manifest.run) == (found.step, found.prefix_url)
    assert ended.said.rstrip().endswith(f"of digest {manifest.digest[:16]}, read back, and it scores"), ended.said
    assert "scoring with the published model" in ended.said


def check_nothing_left(run: Run) -> None:
    """O7: no process of the run, hence no port, no temporary file and no lock that is held."""
    assert (left := run.processes()) == [], left
    assert (files := [path for path in run.tmp.rglob("*") if not path.is_dir()]) == [], files
    assert not lease_file.newest(run.url).is_held


def lost_steps(run: Run, highest: int, since: int = 0) -> int:
    """How far what was resumed from, the first time after ``since``, is behind the highest step told before."""
    return max(0, highest - int(_RESUMED.search(run.said, since)[1]))


def check_rollback(run: Run, since: int, highest: int, *, num_workers: int) -> int:
    """O2: what was resumed from is at most an interval behind what anybody had told of; returns how many steps."""
    lost = lost_steps(run, highest, since)
    assert lost <= run.flags["save_interval_steps"] + 2 * num_workers, run.said
    return lost


def check_never_back(run: Run) -> None:
    """No survivor's step went back: each save told was of a higher step than the one before."""
    saved = run.saved()
    assert saved == sorted(set(saved)), run.said


def check_loss_goes_on(run: Run, since: int) -> None:
    """O4, of asynchronous runs: the losses told after a fault are, on average, within 3 sigma of those before."""
    before, after = ([float(loss) for _, loss in _LOSS.findall(text)] for text in (run.said[:since], run.said[since:]))
    assert abs(statistics.mean(after) - statistics.mean(before)) <= 3 * max(statistics.stdev(before), 0.01)
