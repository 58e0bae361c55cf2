"""T9: a worker that is several times slower is told with its rate beside the others', who go on at theirs."""

import os
import re
import signal
import threading

import pytest

from tests.faults.running import Run, check_preempted
from tests.faults.test_t08_stops import pid_of
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

STALL_TIMEOUT_S = 14  # what is slow is judged by is a part of it
_STOPPED_S, _RUNNING_S = 0.4, 0.1


class Slowed:
    """A context manager: a process that is stopped for four fifths of the time, in turns, while the block runs."""

    def __init__(self, pid):
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._take_turns)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        os.kill(self._pid, signal.SIGCONT)

    def _take_turns(self):
        while not self._over.is_set():
            os.kill(self._pid, signal.SIGSTOP)
            self._over.wait(_STOPPED_S)
            os.kill(self._pid, signal.SIGCONT)
            self._over.wait(_RUNNING_S)


def test_a_slow_worker_is_told_with_its_rate_beside_the_others_and_they_go_on(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 24, 32))
    flags = {"dataset_dir": tmp_path / "data", "train_dir": tmp_path / "run", "num_ps_tasks": 1, "cluster_size": 3}
    with Run(tmp_path, flags | {"stall_timeout_s": STALL_TIMEOUT_S}) as run:
        run.wait_for(r"\d+ \+ \d+ images/s")
        with Slowed(pid_of(run, "worker:1")):
            told = run.wait_for(r"worker:1 is slow: (\S+) steps/s, where the others take (\S+) \(median\)")
            assert float(told[1]) < 0.5 * float(told[2])
            run.wait_for_note("worker:1 is slow: ")
            run.wait_for_save(above=run.highest_step())
        run.wait_for(r"worker:1 keeps pace again: \S+ steps/s")
        run.wait_for_note(None)
        assert run.status()["restarts"] == 0
        assert len(re.findall("is slow", run.said)) == 1
        check_preempted(run)
    assert "is stalled" not in run.said
