"""The training program in one process: what it leaves, how it resumes, and what it refuses."""

import dataclasses
import json
import pathlib
import threading

import pytest
import tensorflow.compat.v1 as tf

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.errors import (
    BudgetError,
    CheckpointError,
    DataError,
    LaunchTimeoutError,
    MissingFileError,
    PreemptedError,
    UsageError,
)
from sparkcv.programs import train
from sparkcv.records.shards import open_dataset
from sparkcv.roles import NodeContext, Role
from sparkcv.rundir import checkpoint, checkpoint_foreign
from sparkcv.rundir.selection import Selection
from sparkcv.train import saver, worker
from tests.contracts.free_ports import free_port
from tests.inputs import data

pytestmark = pytest.mark.tensorflow


class Run:
    """A run's folder and dataset; each call of ``train`` is one process's life."""

    def __init__(self, folder):
        self.folder, self.url = folder, str(folder / "run")
        self.statuses = []

    def write_dataset(self, shards):
        data.write_dataset(self.folder / "data", shards)

    def context(self, role="worker:0", *, cluster=None, stop=lambda: False, **flags):
        settings = {
            "dataset_dir": str(self.folder / "data"),
            "dataset_name": "shapes",
            "train_dir": self.url,
            "model_name": "cifarnet",
            "batch_size": 4,
            "train_image_size": 32,
            "num_preprocessing_threads": 2,
            "optimizer": "sgd",
            "max_number_of_steps": 6,
            "bad_record_budget": 0.1,
            **flags,
        }
        dataset = open_dataset(settings["dataset_dir"], "shapes", "train")
        params = {"config": configs.to_dict(TrainConfig(**settings)), "dataset": dataset.to_dict()}
        scratch = self.folder / f"scratch-{len(list(self.folder.iterdir()))}"
        scratch.mkdir()
        return NodeContext(
            Role.parse(role),
            cluster or {"worker": ["127.0.0.1:1"]},
            json.loads(json.dumps(params)),
            str(scratch),
            self.statuses.append,
            stop,
        )

    def train(self, **more):
        return train.main(self.context(**more))

    def steps(self):
        names = [entry.name for entry in storage.list_dir(self.url)]
        return sorted(int(name[11:-6]) for name in names if name.endswith(".index"))


@pytest.fixture
def run(tmp_path):
    one = Run(tmp_path)
    one.write_dataset(data.drawn_shards(2, 12))
    return one


def no_threads_left():
    return not [thread for thread in threading.enumerate() if thread.name.startswith("sparkcv")]


def test_a_run_reaches_its_target_and_leaves_a_valid_checkpoint(run):
    result = run.train(save_interval_steps=4, log_every_n_steps=2)
    assert {name: result[name] for name in ("step", "checkpoint", "images", "num_rejected", "rejected")} == {
        "step": 6,
        "checkpoint": f"{run.url}/model.ckpt-6",
        "images": 24,
        "num_rejected": 0,
        "rejected": [],
    }
    assert run.steps() == [4, 6]
    found = checkpoint.newest_valid(run.url)
    assert found.manifest["model_name"] == "cifarnet"
    assert len(found.manifest["dataset_digest"]) == 64
    assert tuple(found.manifest["labels"]) == data.CLASSES
    rows = [json.loads(line) for line in storage.read_text(f"{run.url}/metrics.jsonl").splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 4, 6]
    assert all(row["loss"] > 0 and row["learning_rate"] == pytest.approx(0.01) for row in rows)
    assert no_threads_left()


def test_a_worker_that_is_left_without_a_record_says_that_there_are_too_many(run):
    run.write_dataset([data.drawn_shards(1, 1)[0], []])
    cluster = {"ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]}
    with pytest.raises(DataError, match=r"none of the 1 records is worker:1's .* no more workers than records, got 2"):
        run.train(role="worker:1", cluster=cluster, num_ps_tasks=1, cluster_size=3)


def test_the_status_has_what_the_progress_line_shows(run):
    run.train()
    first, last = run.statuses[0], run.statuses[-1]
    gauges = {"own_steps", "images_per_s", "queues", "bound", "waits", "rejected"}
    assert set(last) == {"step", "target", "loss", "learning_rate", "saved", "saving", *gauges}  # it ends with a save
    assert (first["step"], last["step"], last["target"]) == (1, 6, 6)
    assert {name: gauge[1] for name, gauge in last["queues"].items()} == {"filename": 8, "common": 80, "prefetch": 2}
    assert last["bound"] in ("reader", "decoder", "step")
    assert 0 <= last["waits"] <= 1
    json.dumps(run.statuses)


def test_a_run_with_decoded_pictures_in_memory_goes_on_past_its_data_and_counts_what_was_lost_once(run):
    shards = data.drawn_shards(2, 12)
    shards[1][3] = data.payload(data.undecodable(1), 1)
    run.write_dataset(shards)
    result = run.train(cache=True, max_number_of_steps=30)  # five epochs
    assert (result["step"], result["num_rejected"], len(result["rejected"])) == (30, 1, 1)


def test_decoded_pictures_over_their_limit_end_a_worker_with_the_flag_named(run):
    with pytest.raises(
        UsageError, match=r"--input_mode preloaded: got 24 pictures a worker .* wanted at most --cache_bytes 5000"
    ):
        run.train(cache=True, cache_bytes=5000)


def test_the_event_file_holds_one_gauge_a_queue(run, tmp_path):
    run.train(log_every_n_steps=1)
    (name,) = [entry.name for entry in storage.list_dir(run.url) if entry.name.startswith("events")]
    tags = {v.tag for e in tf.train.summary_iterator(f"{run.url}/{name}") for v in e.summary.value}
    assert {"queues/filename", "queues/common", "queues/prefetch", "loss", "learning_rate", "images_per_s"} <= tags
    assert any(tag.startswith("activations/") for tag in tags)


def test_a_run_resumes_where_it_was(run, caplog):
    run.train()
    before = tf.train.load_checkpoint(f"{run.url}/model.ckpt-6").get_tensor("CifarNet/conv1/weights")
    run.statuses.clear()
    result = run.train(max_number_of_steps=9, learning_rate=1e-12)
    assert (result["step"], result["images"]) == (9, 12)
    assert run.statuses[0]["step"] == 7
    after = tf.train.load_checkpoint(f"{run.url}/model.ckpt-9").get_tensor("CifarNet/conv1/weights")
    assert after == pytest.approx(before, abs=1e-6)


def test_a_resumed_run_counts_the_images_of_all_gradients_that_a_step_collects():
    """By them it goes on with the order of shards and the draws of augmentations, in place of the first ones again."""
    config = TrainConfig(batch_size=4, num_clones=2, replicas_to_aggregate=3)
    assert worker.images_in(config, 10) == 80
    assert worker.images_in(dataclasses.replace(config, sync_replicas=True), 10) == 240


def test_a_finished_run_does_nothing_and_says_where_it_stands(run):
    run.train()
    result = run.train()
    assert (result["step"], result["images"], result["checkpoint"]) == (6, 0, f"{run.url}/model.ckpt-6")


def test_a_damaged_newest_checkpoint_costs_only_what_came_after_the_one_before(run):
    run.train(save_interval_steps=3)
    path = pathlib.Path(run.url, "model.ckpt-6.data-00000-of-00001")
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    run.statuses.clear()
    run.train(max_number_of_steps=8)
    assert run.statuses[0]["step"] == 4
    assert checkpoint.newest_valid(run.url).step == 8


def test_a_run_whose_checkpoints_are_all_damaged_never_starts_at_step_0(run):
    run.train()
    pathlib.Path(run.url, "model.ckpt-6.index").unlink()
    with pytest.raises(CheckpointError, match="will not start again from step 0"):
        run.train()
    assert no_threads_left()


def test_the_checkpoint_of_another_run_is_refused_with_the_difference(run):
    run.train()
    with pytest.raises(CheckpointError, match=r"it lacks CifarNet/conv1/biases/Momentum, .* and 5 more; wanted"):
        run.train(optimizer="momentum", max_number_of_steps=9)
    with pytest.raises(CheckpointError, match="it holds the net 'cifarnet'"):
        run.train(model_name="lenet", max_number_of_steps=9)
    assert run.steps() == [6]
    assert no_threads_left()


def test_a_first_save_that_was_killed_starts_again_and_clears_up(run):
    storage.write_text(f"{run.url}/.saving-3", "")
    storage.write_text(f"{run.url}/model.ckpt-3.index", "half")
    assert run.train()["step"] == 6
    assert run.steps() == [6]


def test_a_run_that_diverges_ends_with_step_and_reason_and_saves_nothing(run):
    with pytest.raises(DataError, match=r"(loss is (nan|inf)|holds NaN or infinity)"):
        run.train(learning_rate=1e30, save_interval_steps=1, max_number_of_steps=50)
    found = checkpoint.newest_valid(run.url)
    if found is not None:  # the steps before were sound
        reader = tf.train.load_checkpoint(found.prefix_url)
        assert abs(reader.get_tensor("CifarNet/conv1/weights")).max() < float("inf")
    assert (pathlib.Path(run.url) / "metrics.jsonl").exists()
    assert no_threads_left()


def test_a_chief_that_is_told_to_stop_saves_and_says_so(run):
    told = lambda: bool(run.statuses)  # noqa: E731
    with pytest.raises(PreemptedError, match=r"told to stop at step 1; saved .*model\.ckpt-1; the same command"):
        run.train(stop=told, max_number_of_steps=None)
    assert checkpoint.newest_valid(run.url).step == 1
    assert run.train(max_number_of_steps=3)["step"] == 3
    assert no_threads_left()


def test_a_run_that_is_stopped_stands_at_the_step_of_its_checkpoint_as_others_go_on_meanwhile(run, monkeypatch):
    save = saver.save

    def late(session, *args, **kwargs):
        tf.train.get_global_step(session.graph).load(3, session)  # two steps of another worker
        return save(session, *args, **kwargs)

    monkeypatch.setattr(saver, "save", late)
    with pytest.raises(PreemptedError, match=r"told to stop at step 3; saved .*model\.ckpt-3; the same command"):
        run.train(stop=lambda: bool(run.statuses), max_number_of_steps=None)
    assert checkpoint.newest_valid(run.url).step == 3


def test_a_chief_that_is_told_to_stop_before_its_first_step_has_nothing_to_save(run):
    with pytest.raises(PreemptedError, match="nothing to save yet"):
        run.train(stop=lambda: True)
    assert checkpoint.newest_valid(run.url) is None


def test_the_best_checkpoint_and_the_one_that_is_evaluated_outlive_those_that_are_kept(run):
    Selection(best_step=2, best_accuracy=0.9, num_since_best=1, evaluating=3).write(run.url)
    flags = {"save_interval_steps": 1, "keep_checkpoints": 1, "num_evaluators": 1}
    run.train(keep_best=True, **flags)
    assert run.steps() == [2, 3, 6]
    run.train(max_number_of_steps=7, **flags)
    assert run.steps() == [7]


def test_nothing_is_deleted_while_the_best_is_not_known(run, caplog):
    storage.make_dirs(f"{run.url}/eval")
    storage.write_text(f"{run.url}/eval/selection.json", "{")
    run.train(save_interval_steps=2, keep_checkpoints=1, keep_best=True, num_evaluators=1)
    assert run.steps() == [2, 4, 6]
    assert "no older checkpoint is deleted" in caplog.text


def test_a_run_that_nothing_makes_better_ends_well_and_says_why(run):
    flags = {"early_stopping_evaluations": 2, "num_evaluators": 1}
    assert "stopped_early" not in run.train(**flags)
    Selection(best_step=2, best_accuracy=0.9, num_since_best=2).write(run.url)
    result = run.train(max_number_of_steps=50, **flags)
    assert (result["step"], result["checkpoint"]) == (6, f"{run.url}/model.ckpt-6")
    assert result["stopped_early"].startswith("stopped early: none of the 2 evaluations since step 2 was better")


def test_a_record_that_only_the_decoder_refuses_is_counted_and_listed(run):
    shards = data.drawn_shards(2, 12)
    shards[1][5] = data.payload(data.undecodable(), 1, "bad.jpg")
    run.write_dataset(shards)
    result = run.train(max_number_of_steps=30)
    assert result["num_rejected"] == 1
    (reject,) = result["rejected"]
    assert reject["path"].endswith("shapes_train-00001-of-00002.tfrecord")
    assert reject["offset"] == len(data.shard_bytes(shards[1][:5]))
    assert "cannot decode" in reject["reason"]
    (line,) = storage.read_text(f"{run.url}/quarantine/worker-0.jsonl").splitlines()
    assert json.loads(line) == reject


def test_a_record_with_a_bad_label_is_counted_and_listed_before_it_is_read(run):
    shards = data.drawn_shards(2, 12)
    shards[0][2] = data.payload(data.picture(0, 1), 7)
    run.write_dataset(shards)
    result = run.train()
    assert result["num_rejected"] == 1
    assert result["rejected"][0]["reason"] == "label 7, wanted 0 to 2"


def test_more_bad_records_than_the_budget_end_the_run(run):
    shards = data.drawn_shards(2, 12)
    for index in range(4):
        shards[1][index] = data.payload(data.picture(0, 1), -1)
    run.write_dataset(shards)
    with pytest.raises(BudgetError, match=r"4 of 24 records cannot be used, --bad_record_budget 0\.1 allows 3"):
        run.train(max_number_of_steps=None)
    assert no_threads_left()


def test_pictures_of_which_none_can_be_decoded_end_the_run_instead_of_hanging_it(run):
    run.write_dataset([[data.payload(data.undecodable(i), 0) for i in range(12)] for _ in range(2)])
    with pytest.raises(BudgetError):
        run.train(max_number_of_steps=None, batch_size=2)
    assert no_threads_left()


def test_a_shard_that_is_gone_ends_the_run(run):
    context = run.context(max_number_of_steps=None)
    for path in (run.folder / "data").glob("*.tfrecord"):
        path.unlink()
    with pytest.raises(MissingFileError, match="tfrecord"):
        train.main(context)
    assert no_threads_left()


def test_everything_works_on_another_storage(run, tmp_path):
    run.url = f"memory://train-{tmp_path.name}"
    assert run.train()["checkpoint"] == f"{run.url}/model.ckpt-6"
    assert run.train(max_number_of_steps=8)["step"] == 8


def test_a_warm_start_counts_only_at_the_start(run, tmp_path):
    run.train()
    source = f"{run.url}/model.ckpt-6"
    weights = tf.train.load_checkpoint(source).get_tensor("CifarNet/conv1/weights")
    run.url = str(tmp_path / "other")
    result = run.train(checkpoint_path=source, learning_rate=1e-12, max_number_of_steps=1)
    layers = ("conv1", "conv2", "fc3", "fc4", "logits")
    variables = sorted(f"CifarNet/{layer}/{name}" for layer in layers for name in ("weights", "biases"))
    assert result["step"] == 1
    warm = tf.train.load_checkpoint(f"{run.url}/model.ckpt-1").get_tensor("CifarNet/conv1/weights")
    assert warm == pytest.approx(weights, abs=1e-6)
    assert result["warm_start"].startswith(f"{len(variables)} restored, ")
    told = storage.read_json(f"{run.url}/warm_start.json")
    assert (told["source"], sorted(told["restored"]), told["new"], told["frozen"]) == (source, variables, [], [])
    assert "global_step" in told["skipped"]
    resumed = run.train(checkpoint_path="/nowhere/at/all", max_number_of_steps=2)
    assert (resumed["step"], "warm_start" in resumed) == (2, False)
    assert storage.read_json(f"{run.url}/warm_start.json") == told


def test_a_folder_without_manifests_goes_on_once_it_is_adopted(run, tmp_path):
    run.train()
    weights = tf.train.load_checkpoint(f"{run.url}/model.ckpt-6").get_tensor("CifarNet/conv1/weights")
    for entry in storage.list_dir(run.url):
        if entry.name.endswith(".json"):
            storage.delete(entry.url)
    with pytest.raises(CheckpointError, match="will not start again from step 0"):
        run.train(max_number_of_steps=8)
    assert checkpoint_foreign.adopt(run.url).step == 6
    assert run.train(max_number_of_steps=7, learning_rate=1e-12)["step"] == 7
    after = tf.train.load_checkpoint(f"{run.url}/model.ckpt-7").get_tensor("CifarNet/conv1/weights")
    assert after == pytest.approx(weights, abs=1e-6)


def test_a_worker_whose_ps_does_not_answer_gives_up_in_time(run):
    cluster = {"ps": [f"127.0.0.1:{free_port()}"], "worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    with pytest.raises(LaunchTimeoutError, match=r"ps:0 at 127\.0\.0\.1:\d+ did not answer in 0\.5 s"):
        run.train(role="worker:1", cluster=cluster, start_timeout_s=0.5, num_ps_tasks=1, cluster_size=3)
    assert no_threads_left()


def test_a_role_that_training_does_not_have_is_refused(run):
    with pytest.raises(UsageError, match="roles ps, worker and evaluator, not exporter:0"):
        run.train(role="exporter:0")
