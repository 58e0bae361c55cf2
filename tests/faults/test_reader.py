"""Nothing in a run's folder on HDFS is half written under a reader's eyes, however often it looks."""

import pytest

from tests.faults.conftest import put_dataset
from tests.faults.reader import Reader
from tests.faults.running import Run, check_preempted

pytestmark = [pytest.mark.hadoop, pytest.mark.tensorflow]


def test_a_reader_never_meets_anything_half_written(on_cluster, tmp_path):
    url = f"{on_cluster.url}/reader"
    flags = {"dataset_dir": put_dataset(tmp_path / "data", f"{url}/data"), "train_dir": f"{url}/run"}
    flags |= {"save_interval_steps": 10, "log_every_n_steps": 1, "keep_checkpoints": 1}
    with Reader(f"{url}/run") as reader, Run(tmp_path, flags) as run:
        run.wait_for_save(above=60)
        step = check_preempted(run)
        rounds = reader.rounds
    assert reader.faults == []
    assert rounds > 5
    assert {
        "status.json",
        "run.json",
        "checkpoint",
        "metrics.jsonl",
        "model.ckpt-N.json",
        "worker-N.log",
    } <= reader.seen
    with Reader(f"{url}/run") as reader, Run(tmp_path, {**flags, "max_number_of_steps": step + 12}) as run:
        assert run.end().code == 0
    assert reader.faults == []
