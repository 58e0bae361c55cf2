"""T17: a NameNode that is killed, in safe mode, or failed over: the run waits, says so, goes on, or ends in time."""

import threading
import time

import pytest

from sparkcv import storage
from sparkcv.rundir import checkpoint
from tests.faults.conftest import put_dataset
from tests.faults.running import HANG_S, LARGE, Run, check_preempted, check_whole
from tests.hadoop import hadoop

pytestmark = [pytest.mark.hadoop, pytest.mark.tensorflow]

_WAITING = r"worker:0 warning hdfs://default does not answer \(.*\), waiting up to \d+ s more"
_AGAIN = r"worker:0 info hdfs://default does as asked again, after (\d+) s"


def use(cluster, monkeypatch):
    for key, value in cluster.env.items():
        monkeypatch.setenv(key, value)


class Outage:
    """A run on a cluster of its own whose NameNode is away for 90 s while other tests run."""

    def __init__(self, cluster, folder):
        self.cluster, self.url = cluster, f"{cluster.url}/run"
        with pytest.MonkeyPatch.context() as patch:
            use(cluster, patch)
            flags = {"dataset_dir": put_dataset(folder / "data", f"{cluster.url}/data"), "train_dir": self.url}
            self.run = Run(folder, flags)
            self.step = self.run.wait_for_save()
        cluster.namenodes[0].kill()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._bring_back)
        self._thread.start()

    def _bring_back(self):
        if not self._over.wait(90):
            self.cluster.start_namenode(wait=False)

    def close(self):
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module", autouse=True)
def outage(tmp_path_factory):
    with hadoop() as cluster:
        one = Outage(cluster, tmp_path_factory.mktemp("outage"))
        with one.run:
            yield one
            one.close()


@pytest.fixture
def flags(on_cluster, tmp_path, request):
    url = f"{on_cluster.url}/{request.node.name}"
    return {"dataset_dir": put_dataset(tmp_path / "data", f"{url}/data"), "train_dir": f"{url}/run"}


def test_a_run_goes_on_after_15_s_without_a_namenode_and_after_safe_mode(on_cluster, flags, tmp_path):
    with Run(tmp_path, flags) as run:
        run.wait_for_save()
        on_cluster.namenodes[0].kill()
        back_s = time.monotonic() + 15
        run.wait_for(_WAITING)
        time.sleep(max(0.0, back_s - time.monotonic()))  # the fault itself
        on_cluster.start_namenode()
        assert int(run.wait_for(_AGAIN)[1]) >= 10
        run.wait_for_save(above=run.highest_step())
        on_cluster.safe_mode(True)
        step = run.highest_step()
        try:
            run.wait_for(r"worker:0 warning hdfs://default is in safe mode and takes no writes.*, waiting up to \d+ s")
            assert run.highest_step() <= step + 50
        finally:
            on_cluster.safe_mode(False)
        run.wait_for_save(above=run.highest_step())
        check_preempted(run)


def test_a_namenode_that_never_comes_back_ends_the_run_with_its_sentence(on_cluster, flags, tmp_path):
    """Also the mechanism of the waiting all but off: what 15 s without a NameNode are then."""
    with Run(tmp_path, flags, {"SPARKCV_STORAGE_WAIT_S": "2"}) as run:
        run.wait_for_save()
        on_cluster.namenodes[0].kill()
        try:
            ended = run.end()
        finally:
            on_cluster.start_namenode()
    assert ended.code == 1
    assert "hdfs://default does not answer (" in ended.sentence
    assert "Traceback" not in ended.said
    assert checkpoint.newest_valid(run.url).step >= run.saved()[-1]


@pytest.mark.spark
def test_the_whole_job_goes_on_through_a_restart_of_the_namenode(on_cluster, flags, tmp_path):
    """Spark's executors, 1 ps and 2 workers: who of them is at the storage in that moment waits."""
    flags |= {"num_ps_tasks": 1, "cluster_size": 3, "max_number_of_steps": 150}
    with Run(tmp_path, flags, job="jobs.train_image_classifier") as run:
        run.wait_for_save()
        on_cluster.namenodes[0].kill()
        on_cluster.start_namenode()
        ended = run.end()
    assert ended.code == 0, ended.said
    status = run.status()
    assert status["state"] == "finished"
    assert 150 <= status["step"] <= 152
    assert f"trained to step {status['step']}" in ended.said
    check_whole(run.url)


def await_half_saved(url):
    """Wait until a save is under way, which its marker shows; returns its step."""
    give_up_s = time.monotonic() + HANG_S
    while time.monotonic() < give_up_s:
        for entry in storage.list_dir(url):
            if entry.name.startswith(".saving-"):
                return int(entry.name.removeprefix(".saving-"))
    raise AssertionError("no save began")


def test_a_run_goes_on_through_failovers_in_an_epoch_and_in_a_save(tmp_path, monkeypatch):
    with hadoop(num_namenodes=2) as cluster:
        use(cluster, monkeypatch)
        url = f"{cluster.url}/failover"
        flags = {"dataset_dir": put_dataset(tmp_path / "data", f"{url}/data"), "train_dir": f"{url}/run"}
        flags |= LARGE | {
            "spool_bytes": 2 * max(path.stat().st_size for path in (tmp_path / "data").glob("*.tfrecord"))
        }
        with Run(tmp_path, flags) as run:
            step = run.wait_for_save()
            cluster.make_standby("nn1")
            cluster.make_active("nn2")
            run.wait_for_save(above=run.wait_for_save(above=step) + 1)
            step = await_half_saved(run.url)
            cluster.daemons["nn2"].kill()
            assert step not in run.saved()
            cluster.make_active("nn1")
            assert run.wait_for_save(above=step - 1) == step
            run.wait_for_save(above=max(run.saved()))
            check_preempted(run)
        assert "rejected" not in run.said
        assert "the save at step" not in run.said


def test_a_run_goes_on_after_90_s_without_a_namenode(outage, monkeypatch):
    use(outage.cluster, monkeypatch)
    assert int(outage.run.wait_for(_AGAIN)[1]) >= 80
    outage.run.wait_for_save(above=outage.run.highest_step())
    assert check_preempted(outage.run) > outage.step
