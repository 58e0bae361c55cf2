"""Workers that step together end at the same step once an evaluator finds that the run gets no better: real roles."""

import pytest

from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from tests.conftest import ROOT
from tests.contracts.local_launcher import LocalLauncher
from tests.inputs import data

pytestmark = pytest.mark.tensorflow


def test_a_run_in_lockstep_that_gets_no_better_ends_early_with_all_its_workers(tmp_path):
    (tmp_path / "data").mkdir()
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 4, 32))
    config = TrainConfig(
        dataset_dir=str(tmp_path / "data"),
        dataset_name="shapes",
        train_dir=str(tmp_path / "run"),
        model_name="lenet",
        train_image_size=28,
        batch_size=2,
        max_number_of_steps=10**6,
        learning_rate=1e-12,
        learning_rate_decay_type="fixed",
        optimizer="sgd",
        num_ps_tasks=1,
        cluster_size=4,
        sync_replicas=True,
        replicas_to_aggregate=2,
        num_evaluators=1,
        eval_split_name="train",
        early_stopping_evaluations=1,
        save_interval_secs=1,
        max_restarts=0,
        max_generations=0,
        bad_record_budget=1.0,
    )
    report = train.run_on(LocalLauncher(4, [str(ROOT)]), train.prepare(config))
    assert report.stopped_early.startswith("stopped early: none of the ")
    assert 0 < report.step < 10**6
    ends = [storage.read_text(f"{config.train_dir}/logs/worker-{index}.log") for index in range(2)]
    assert f"all workers end at step {report.step}" in ends[0]
    assert storage.read_json(f"{config.train_dir}/status.json")["state"] == "finished"
