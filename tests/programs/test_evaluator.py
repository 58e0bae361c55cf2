"""The evaluator of a training run in one process: which checkpoints it takes, what it leaves, and how it ends."""

import dataclasses
import json
import os
import re

import pytest

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.errors import BudgetError, CheckpointError, UnavailableError, UsageError
from sparkcv.evaluate import history
from sparkcv.records.shards import open_dataset
from sparkcv.roles import NodeContext, Role
from sparkcv.rundir import checkpoint, checkpoint_publication
from sparkcv.rundir.selection import Selection
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

SIZE = 28
LABELS = [0] * 6 + [1] * 4 + [2] * 2  # so that a net that always says 0, 1 or 2 is right in 1/2, 1/3, 1/6
SHARES = {0: 6 / 12, 1: 4 / 12, 2: 2 / 12}


@pytest.fixture(scope="module")
def publish(tmp_path_factory):
    """Publishes checkpoints of a net that has a favourite class: function (train_dir, {step: class})."""
    import tensorflow.compat.v1 as tf

    from sparkcv import nets

    def call(train_dir, favourites, keep=9):
        local = tmp_path_factory.mktemp("local")
        with tf.Graph().as_default(), tf.Session() as session:
            nets.get("lenet").build(tf.zeros([1, SIZE, SIZE, 3]), 3, is_training=False)
            step = tf.train.get_or_create_global_step()
            session.run(tf.global_variables_initializer())
            saver = tf.train.Saver()
            (bias,) = [one for one in tf.global_variables() if one.op.name == "LeNet/fc4/biases"]
            for number, favourite in favourites.items():
                bias.load([1e6 * (label == favourite) for label in range(3)], session)
                step.load(number, session)
                prefix = str(local / f"model.ckpt-{number}")
                saver.save(session, prefix, write_meta_graph=False, write_state=False)
                checkpoint_publication.publish(prefix, number, train_dir, model_name="lenet", keep=keep)

    return call


class Run:
    """A run's folder and its validation split; each call of ``evaluate`` is one life of its evaluator."""

    def __init__(self, folder, payloads):
        self.folder, self.url = folder, str(folder / "run")
        storage.make_dirs(self.url)
        data.write_dataset(folder / "data", [payloads[:7], payloads[7:]], split="validation")
        self.statuses = []

    def evaluate(self, stop=lambda: True, **flags):
        from sparkcv.programs import train

        settings = {"batch_size": 5, "model_name": "lenet", "train_image_size": SIZE, **flags}
        config = TrainConfig(dataset_dir=str(self.folder / "data"), train_dir=self.url, num_evaluators=1, **settings)
        dataset = open_dataset(config.dataset_dir, "shapes", "validation")
        config = dataclasses.replace(config, dataset_name="shapes")
        params = {"config": configs.to_dict(config), "eval_dataset": dataset.to_dict()}
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        cluster = {"worker": ["127.0.0.1:1"], "evaluator": ["127.0.0.1:2"]}
        params = json.loads(json.dumps(params))
        context = NodeContext(Role("evaluator", 0), cluster, params, str(scratch), self.statuses.append, stop)
        result = train.main(context)
        assert os.listdir(scratch) == []
        return result

    def after(self, *wanted):
        """A stop that comes once these steps were evaluated."""
        return lambda: {*wanted} <= {*history.read(self.url)}

    def accuracies(self):
        return {step: row.accuracy for step, row in history.read(self.url).items()}

    def best(self):
        return storage.read_json(f"{self.url}/best.json")

    def event_files(self):
        names = [entry.name for entry in storage.list_dir(f"{self.url}/eval") if entry.name != "metrics.jsonl"]
        return sorted(int(re.fullmatch(r"events\.out\.tfevents\..*\.step(\d+)", name)[1]) for name in names)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, [data.payload(data.picture(label, i, 32), label) for i, label in enumerate(LABELS)])


def test_every_checkpoint_is_evaluated_and_the_best_is_kept(run, publish):
    publish(run.url, {10: 1, 20: 0, 30: 2})
    result = run.evaluate(run.after(10, 20, 30))
    assert run.accuracies() == pytest.approx({10: SHARES[1], 20: SHARES[0], 30: SHARES[2]})
    assert (run.best()["step"], run.best()["checkpoint"]) == (20, f"{run.url}/model.ckpt-20")
    assert (run.best()["metric"], run.best()["value"]) == ("accuracy", pytest.approx(SHARES[0]))
    assert result == {
        "evaluated_step": 30,
        "accuracy": pytest.approx(SHARES[2]),
        "best_step": 20,
        "best_accuracy": pytest.approx(SHARES[0]),
    }
    assert {row.num_examples for row in history.read(run.url).values()} == {12}
    assert run.event_files() == [10, 20, 30]


def test_the_numbers_are_those_of_the_evaluation_job(run, publish, tmp_path):
    from sparkcv.evaluate import merge, part
    from sparkcv.evaluate.task import Task
    from sparkcv.programs import evaluate, evaluator

    publish(run.url, {10: 0})
    run.evaluate()
    config = evaluator.eval_config(TrainConfig(dataset_dir=str(run.folder / "data"), dataset_name="shapes",
        train_dir=run.url, model_name="lenet", train_image_size=SIZE))  # fmt: skip
    dataset = open_dataset(str(run.folder / "data"), "shapes", "validation")
    task = Task(config, dataset, checkpoint.locate(run.url), SIZE, num_evaluators=1, parts_url=str(tmp_path / "parts"))
    scratch = tmp_path / "other"
    scratch.mkdir()
    ctx = NodeContext(Role("evaluator", 0), {}, task.to_params(), str(scratch), lambda status: None, lambda: False)
    evaluate.main(ctx)
    parts = [part.read(str(tmp_path / "parts" / "evaluator-0.json"))]
    found = merge.merge(task, parts, run_name="", seconds=0, versions={}).metrics
    row = history.read(run.url)[10]
    assert (row.accuracy, row.recall_5, row.mean_recall) == (found.accuracy, found.recall_at_k, found.mean_recall)
    assert row.loss == pytest.approx(found.loss)


def test_those_who_train_hear_of_the_best_and_of_what_is_evaluated_now(run, publish):
    publish(run.url, {10: 1, 20: 0, 30: 2, 40: 0})
    heard = set()

    def stop():
        heard.add(Selection.read(run.url).evaluating)
        return {10, 20, 30, 40} <= {*history.read(run.url)}

    run.evaluate(stop, keep_best=True)
    found = Selection.read(run.url)
    assert (found.best_step, found.num_since_best, found.evaluating) == (20, 2, None)
    assert found.best_accuracy == pytest.approx(SHARES[0])
    assert {10, 20, 30, 40} <= heard


def test_nobody_is_told_where_nobody_listens(run, publish):
    publish(run.url, {10: 1})
    run.evaluate()
    assert not storage.exists(f"{run.url}/eval/selection.json")


def test_a_checkpoint_that_was_deleted_while_it_was_evaluated_is_not_the_best_that_is_kept(run, publish):
    publish(run.url, {10: 1, 20: 0})

    def stop():
        if any(status.get("evaluating", {}).get("at") == 20 for status in run.statuses):
            storage.delete(f"{run.url}/model.ckpt-20.json")
        return {10, 20} <= {*history.read(run.url)}

    run.evaluate(stop, keep_best=True)
    assert run.accuracies() == pytest.approx({10: SHARES[1], 20: SHARES[0]})
    assert (run.best()["step"], Selection.read(run.url).best_step) == (10, 10)


def test_tensorboard_reads_its_scalars(run, publish):
    import tensorflow.compat.v1 as tf

    publish(run.url, {10: 0})
    run.evaluate()
    (name,) = [entry.name for entry in storage.list_dir(f"{run.url}/eval") if "events" in entry.name]
    events = list(tf.train.summary_iterator(f"{run.url}/eval/{name}"))
    values = {value.tag: value.simple_value for event in events for value in event.summary.value}
    assert {event.step for event in events if event.summary.value} == {10}
    assert values["eval/Accuracy"] == pytest.approx(SHARES[0])
    assert {*values} == {"eval/Accuracy", "eval/Recall_5", "eval/Loss"}


def test_its_status_tells_the_newest_accuracy_and_not_the_pace_of_training(run, publish):
    publish(run.url, {10: 0})
    run.evaluate()
    assert run.statuses[0]["accuracy"] is None
    assert (run.statuses[-1]["evaluated_step"], run.statuses[-1]["accuracy"]) == (10, pytest.approx(SHARES[0]))
    assert any(status.get("evaluating", {}).get("at") == 10 for status in run.statuses)
    assert not any("step" in status for status in run.statuses)


def test_another_life_goes_on_where_the_last_one_ended(run, publish):
    publish(run.url, {10: 0, 20: 2})
    run.evaluate(run.after(10, 20))
    publish(run.url, {30: 1})
    result = run.evaluate(run.after(30))
    assert run.event_files() == [10, 20, 30]
    assert (result["evaluated_step"], result["best_step"]) == (30, 10)
    assert run.best()["value"] == pytest.approx(SHARES[0])


def test_a_checkpoint_that_is_gone_or_damaged_is_passed_over(run, publish):
    publish(run.url, {10: 0, 20: 0, 30: 1})
    os.unlink(f"{run.url}/model.ckpt-10.index")
    with open(f"{run.url}/model.ckpt-20.data-00000-of-00001", "r+b") as file:
        file.write(b"x")
    run.evaluate(run.after(30))
    assert run.accuracies() == pytest.approx({30: SHARES[1]})
    assert run.best()["step"] == 30


def test_told_to_stop_it_leaves_an_older_checkpoint_for_the_last_one(run, publish):
    publish(run.url, {10: 0, 20: 0, 30: 1})
    run.evaluate(lambda: any(status.get("evaluating", {}).get("at") == 10 for status in run.statuses))
    assert run.accuracies() == pytest.approx({30: SHARES[1]})


def test_the_last_checkpoint_has_a_bounded_time(run, publish):
    publish(run.url, {10: 0})
    result = run.evaluate(eval_last_s=1e-6)
    assert set(result.values()) == {None}
    assert run.accuracies() == {}
    assert not storage.exists(f"{run.url}/best.json")


def test_without_a_checkpoint_there_is_nothing_to_tell(run):
    assert set(run.evaluate().values()) == {None}


def test_a_number_of_images_bounds_each_evaluation(run, publish):
    publish(run.url, {10: 0})
    run.evaluate(eval_max_images=10, batch_size=4)
    assert history.read(run.url)[10].num_examples == 10  # two whole batches and half of a third
    assert run.accuracies() == pytest.approx({10: 6 / 10})


def test_data_that_cannot_be_evaluated_ends_it_with_the_reason(tmp_path, publish):
    run = Run(tmp_path, [data.payload(data.undecodable(i), 0) for i in range(12)])
    publish(run.url, {10: 0})
    with pytest.raises(BudgetError, match="cannot be used"):
        run.evaluate()


def test_a_net_that_does_not_fit_ends_it_with_the_reason(run, publish):
    publish(run.url, {10: 0})
    with pytest.raises(CheckpointError, match="is of another net"):
        run.evaluate(model_name="cifarnet")


def test_more_than_one_evaluator_is_refused():
    with pytest.raises(UsageError, match="--num_evaluators: got 2, wanted 0 to 1"):
        TrainConfig(dataset_dir="/data", num_evaluators=2)
    with pytest.raises(UsageError, match=r"--num_ps_tasks 1 and --num_evaluators 1 leave no worker in --cluster_size"):
        TrainConfig(dataset_dir="/data", num_ps_tasks=1, num_evaluators=1, cluster_size=2)
    config = TrainConfig(dataset_dir="/data", num_ps_tasks=1, num_evaluators=1, cluster_size=4)
    assert (config.num_workers, config.num_roles) == (2, 4)


@pytest.mark.parametrize("looked_with", ["at_step", "steps"])
def test_the_last_checkpoint_is_looked_for_again_where_the_storage_does_not_answer(
    run, publish, monkeypatch, looked_with
):
    from sparkcv.programs import evaluator

    publish(run.url, {10: 0})
    look, away = getattr(checkpoint, looked_with), [True]

    def answer(*args):
        if away.pop() if away else False:
            raise UnavailableError("the NameNode does not answer")
        return look(*args)

    monkeypatch.setattr(evaluator, "_LOOK_S", 0.01)
    monkeypatch.setattr(checkpoint, looked_with, answer)
    assert run.evaluate()["evaluated_step"] == 10
    assert not away
