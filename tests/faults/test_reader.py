"""Nothing in a run's folder on HDFS is half written under a reader's eyes, however often it looks."""

import pytest

from tests.faults.conftest import put_dataset
from tests.faults.reader import Reader
from tests.faults.running import Run, check_preempted
from tests.hadoop import wait_until

pytestmark = [pytest.mark.hadoop, pytest.mark.tensorflow]


def test_a_reader_never_meets_anything_half_written(on_cluster, tmp_path):
    url = f"{on_cluster.url}/reader"
    flags = {"dataset_dir": put_dataset(tmp_path / "data", f"{url}/data"), "train_dir": f"{url}/run"}
    flags |= {"save_interval_steps": 10, "log_every_n_steps": 1, "keep_checkpoints": 1}
    with Reader(f"{url}/run") as reader, Run(tmp_path, flags) as run:
        run.wait_for_save(above=60)
        check_preempted(run)
    assert reader.faults == []
    assert reader.rounds > 5
    seen = {"status.json", "run.json", "checkpoint", "metrics.jsonl", "model.ckpt-N.json", "worker-N.log"}
    assert seen <= reader.seen


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("status.json", b'{"state": "runn', "status.json: "),
        ("metrics.jsonl", b'{"step": 1}\n{"st', "ends inside a line"),
        ("events.out.tfevents.1.host", b"\x18\x00\x00", "damaged at offset 0"),
        ("checkpoint", b'model_checkpoint_path: "model.ckpt-9"\n', "names model.ckpt-9, which is not there"),
        ("checkpoint", b"model_checkpoint_pa", "is half"),
        (
            "model.ckpt-9.json",
            b'{"step": 9, "files": {"x": {"bytes": 1, "crc32c": 1}}}',
            "vouches for what is not there",
        ),
    ],
)
def test_the_reader_sees_what_is_half(tmp_path, name, content, fault):
    (tmp_path / name).write_bytes(content)
    with Reader(str(tmp_path)) as reader:
        wait_until(lambda: reader.rounds > 1, "two looks", 30)
    assert any(fault in one for one in reader.faults)
