"""An evaluator on real shards and a real checkpoint, beside the plainest way to the same numbers."""

import dataclasses
import gzip
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from sparkcv import storage, synthetic
from sparkcv.config import EvalConfig
from sparkcv.errors import BudgetError, CheckpointError, ClusterError
from sparkcv.evaluate import part
from sparkcv.evaluate.metrics import Tally, merge
from sparkcv.evaluate.task import Task, part_name
from sparkcv.evaluate.thumbnail import thumbnail
from sparkcv.records import example, tfrecord
from sparkcv.records.shards import Dataset, Shard
from sparkcv.roles import NodeContext, Role
from sparkcv.rundir import checkpoint, checkpoint_publication
from tests.inputs import data as inputs

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning"),  # the layers that TF-Slim uses
]

SIZE = 24
STEP = 123
NAMES = tuple(synthetic.CLASSES)


def encoded(label, seed):
    sink = io.BytesIO()
    synthetic.draw(label, seed, 40).convert("RGB").save(sink, "JPEG" if seed % 2 else "PNG")
    return sink.getvalue()


def write_dataset(folder, per_shard=(13, 9, 4), bad=()):
    """Shards of drawn pictures; ``bad`` are payloads that end the last shard."""
    shards, pictures = [], []
    for index, count in enumerate(per_shard):
        payloads = []
        for i in range(count):
            label, seed = (i * 3 + index) % len(NAMES), 100 * index + i
            pictures.append((encoded(label, seed), label))
            kind = "jpeg" if seed % 2 else "png"
            payloads.append(example.encode(example.ImageExample(*pictures[-1][:1], kind, label, filename=f"p{seed}")))
        payloads += bad if index == len(per_shard) - 1 else ()
        data = b"".join(map(tfrecord.frame, payloads))
        path = folder / f"shapes_test-{index:05d}-of-{len(per_shard):05d}.tfrecord"
        path.write_bytes(data)
        shards.append(Shard(str(path), len(payloads), len(data), None))
    total = sum(shard.num_records for shard in shards)
    return Dataset("shapes", "test", str(folder), tuple(shards), NAMES, total, False, "d"), pictures


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(tf, tmp_path_factory):
    """A run's folder with one checkpoint: a net of random weights and other moving averages."""
    from sparkcv import nets
    from sparkcv.nets.slim import model_variables

    tf1 = tf.compat.v1
    scratch = tmp_path_factory.mktemp("scratch")
    run_dir = tmp_path_factory.mktemp("run")
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(3)
        nets.get("cifarnet").build(tf1.zeros([1, SIZE, SIZE, 3]), len(NAMES), is_training=True)
        step = tf1.train.get_or_create_global_step()
        averages = tf1.train.ExponentialMovingAverage(0.5, step)
        averages.apply(model_variables())
        session.run(tf1.global_variables_initializer())
        session.run(step.assign(STEP))
        for variable in model_variables():
            session.run(averages.average(variable).assign(-0.7 * variable))
        tf1.train.Saver().save(session, str(scratch / f"model.ckpt-{STEP}"), write_meta_graph=False, write_state=False)
    checkpoint_publication.publish(str(scratch / f"model.ckpt-{STEP}"), STEP, str(run_dir), model_name="cifarnet")
    return str(run_dir)


@pytest.fixture(scope="module")
def plain(tf, run, dataset):
    """Scores by one session without any of the machinery: function (averages) -> (logits, labels)."""
    from sparkcv import nets, preprocess
    from sparkcv.nets.slim import model_variables

    tf1 = tf.compat.v1

    def scores(averages):
        with tf.Graph().as_default(), tf1.Session() as session:
            raw = tf1.placeholder(tf.string, [])
            image = preprocess.get("inception").for_eval(raw, SIZE)
            logits, _ = nets.get("cifarnet").build(image[None], len(NAMES), is_training=False)
            suffix = "/ExponentialMovingAverage" if averages else ""
            names = {variable.op.name + suffix: variable for variable in model_variables()}
            tf1.train.Saver(names).restore(session, f"{run}/model.ckpt-{STEP}")
            rows = [session.run(logits, {raw: picture})[0] for picture, _ in dataset[1]]
        return np.array(rows), np.array([label for _, label in dataset[1]])

    return scores


def task_of(dataset, run, parts_url, *, num_evaluators=1, **flags):
    config = EvalConfig(
        **{
            "dataset_dir": dataset.dir,
            "dataset_name": "shapes",
            "model_name": "cifarnet",
            "checkpoint_path": run,
            "preprocessing_name": "inception",
            "batch_size": 5,
            "num_preprocessing_threads": 2,
            "num_worst": 6,
            **flags,
        }
    )
    found = checkpoint.locate(storage.resolve(config.checkpoint_path))
    return Task(config, dataset, found, SIZE, num_evaluators, parts_url)


def evaluate(task, tmp_path, *, index=0, stop=lambda: False):
    """Runs the program as evaluator ``index`` in this process; returns result, part and what it reported."""
    from sparkcv.programs import evaluate

    scratch = tmp_path / f"scratch-{index}"
    scratch.mkdir()
    told = []
    cluster = {"evaluator": ["here:1"] * task.num_evaluators}
    ctx = NodeContext(Role("evaluator", index), cluster, task.to_params(), str(scratch), told.append, stop)
    result = evaluate.main(ctx)
    return result, part.read(storage.join(task.parts_url, part_name(index))), told


def test_the_task_survives_its_way_as_json(dataset, run):
    import json

    task = task_of(dataset[0], run, "memory://parts/x", num_evaluators=3, moving_average_decay=0.9)
    assert Task.from_params(json.loads(json.dumps(task.to_params()))) == task


@pytest.mark.parametrize("decay", [None, 0.99])
def test_the_numbers_are_those_of_one_plain_session(dataset, run, plain, tmp_path, decay):
    wanted = Tally(len(NAMES))
    wanted.update(*plain(averages=decay is not None))
    result, found, told = evaluate(
        task_of(dataset[0], run, str(tmp_path / "parts"), moving_average_decay=decay), tmp_path
    )
    assert found.tally.pairs == wanted.pairs
    assert found.tally.num_top_k == wanted.num_top_k
    assert found.tally.loss_sum == pytest.approx(wanted.loss_sum, rel=1e-3)
    assert (found.step, found.num_rejected) == (STEP, 0)
    assert {name: result[name] for name in ("num_examples", "num_rejected", "step")} == {
        "num_examples": 26,
        "num_rejected": 0,
        "step": STEP,
    }
    assert told[0]["target"] == 26


def test_the_averages_are_other_weights(plain):
    assert not np.allclose(plain(averages=True)[0], plain(averages=False)[0])


@pytest.mark.parametrize("num_evaluators", [2, 5])
def test_every_record_is_evaluated_once_by_any_number_of_evaluators(dataset, run, plain, tmp_path, num_evaluators):
    wanted = Tally(len(NAMES))
    wanted.update(*plain(averages=False))
    task = task_of(dataset[0], run, "memory://many-parts", num_evaluators=num_evaluators)
    found = [evaluate(task, tmp_path, index=i)[1] for i in range(num_evaluators)]
    assert merge(each.tally for each in found).pairs == wanted.pairs


def test_the_worst_mistakes_come_with_their_pictures(dataset, run, plain, tmp_path):
    logits, labels = plain(averages=False)
    _, found, _ = evaluate(task_of(dataset[0], run, str(tmp_path / "parts")), tmp_path)
    wrong = logits.argmax(1) != labels
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert [mistake.score for mistake in found.mistakes] == pytest.approx(
        sorted(shares.max(1)[wrong], reverse=True)[:6], rel=1e-3
    )
    for mistake in found.mistakes:
        assert mistake.where.startswith("p")
        with Image.open(io.BytesIO(mistake.thumbnail)) as picture:
            assert picture.size == (120, 120)  # 40 px, enlarged by a whole factor


def test_a_mistake_in_a_compressed_shard_comes_with_its_picture(tmp_path, caplog):
    from sparkcv.inputs.batches import ExampleId
    from sparkcv.inputs.pipeline import Reading
    from sparkcv.programs import evaluate as program

    frames = [tfrecord.frame(inputs.payload(inputs.picture(label, label), label)) for label in range(3)]
    (tmp_path / "shard.gz").write_bytes(gzip.compress(b"".join(frames)))
    identity = ExampleId(str(tmp_path / "shard.gz"), len(frames[0]), "a.jpg")
    small = program._thumbnail(identity, Reading(), 2**20)
    assert (small, caplog.records) == (thumbnail(inputs.picture(1, 1)), [])


def test_neither_the_run_nor_the_data_is_written_to(dataset, run, tmp_path):
    def listing(url):
        return [(entry.name, entry.size) for entry in storage.list_dir(url)]

    before = listing(run), listing(dataset[0].dir)
    evaluate(task_of(dataset[0], run, str(tmp_path / "parts")), tmp_path)
    assert (listing(run), listing(dataset[0].dir)) == before


@pytest.mark.parametrize(
    ("limit", "shares", "counts"), [(1, (1, 0), (5, 0)), (3, (2, 1), (10, 5)), (99, (50, 49), (15, 11))]
)
def test_max_num_batches_is_shared_among_the_evaluators(dataset, run, tmp_path, limit, shares, counts):
    task = task_of(dataset[0], run, "memory://limited-parts", num_evaluators=2, max_num_batches=limit)
    assert (task.max_batches(0), task.max_batches(1)) == shares
    assert tuple(evaluate(task, tmp_path, index=i)[1].tally.num_examples for i in range(2)) == counts


def bad_payloads():
    def picture(data, label=1, kind="jpeg"):
        return example.encode(example.ImageExample(data, kind, label, filename="bad"))

    whole = encoded(1, 1)
    damaged = bytearray(whole)
    middle = len(damaged) // 2
    damaged[middle : middle + 60] = b"\xff\xd8\xff\xd9" * 15  # whole to look at, no decoder takes it
    return [
        picture(b""),
        picture(whole[:100]),
        picture(whole, label=8),
        picture(whole, label=-1),
        b"no example",
    ], picture(bytes(damaged))


def test_bad_records_cost_themselves_and_are_told_with_their_place(run, tmp_path):
    vetted, undecodable = bad_payloads()
    folder = tmp_path / "data"
    folder.mkdir()
    dataset, pictures = write_dataset(folder, (8, 6), bad=[*vetted, undecodable])
    task = task_of(dataset, run, str(tmp_path / "parts"), bad_record_budget=0.5)
    result, found, _ = evaluate(task, tmp_path)
    assert found.tally.num_examples + found.num_rejected == dataset.num_records == 20
    assert result["num_rejected"] == found.num_rejected >= len(vetted)
    told = " / ".join(sorted(found.reasons))
    assert "label 8, wanted 0 to 7" in told
    assert {reject.url for reject in found.rejected} == {dataset.shards[1].url}
    assert len({reject.offset for reject in found.rejected}) == found.num_rejected
    assert found.tally.num_examples >= len(pictures)


def test_too_many_bad_records_end_the_evaluation(run, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    dataset, _ = write_dataset(folder, (8, 6), bad=bad_payloads()[0])
    with pytest.raises(BudgetError, match="of 19 records cannot be used"):
        evaluate(task_of(dataset, run, str(tmp_path / "parts"), bad_record_budget=0.1), tmp_path)


def test_a_label_offset_moves_the_classes(run, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    dataset, _ = write_dataset(folder, (8,))
    shifted = dataclasses.replace(dataset, labels=("background", *NAMES))
    task = task_of(shifted, run, str(tmp_path / "parts"), labels_offset=1, bad_record_budget=0.5)
    assert task.num_classes == 8
    _, found, _ = evaluate(task, tmp_path)
    zeros = sum(i * 3 % 8 == 0 for i in range(8))
    assert (found.num_rejected, found.tally.num_examples) == (zeros, 8 - zeros)


def test_another_number_of_classes_is_one_sentence_with_both_numbers(dataset, run, tmp_path):
    fewer = dataclasses.replace(dataset[0], labels=NAMES[:5])
    with pytest.raises(CheckpointError, match=r"was trained on 8 classes, the dataset shapes/test in .* has 5"):
        evaluate(task_of(fewer, run, str(tmp_path / "parts"), bad_record_budget=1.0), tmp_path)


def test_another_image_size_is_said_to_be_another_net(dataset, run, tmp_path):
    task = dataclasses.replace(task_of(dataset[0], run, str(tmp_path / "parts")), image_size=32)
    with pytest.raises(CheckpointError, match=r"CifarNet/fc3/weights with \[\d+, 384\] instead of"):
        evaluate(task, tmp_path)


def foreign_checkpoint(tf, run, folder, keep):
    """The run's checkpoint as TensorFlow alone writes it, with those variables whose names ``keep`` takes."""
    tf1 = tf.compat.v1
    reader = tf1.train.load_checkpoint(f"{run}/model.ckpt-{STEP}")
    with tf.Graph().as_default(), tf1.Session() as session:
        for name in filter(keep, reader.get_variable_to_shape_map()):
            tf1.get_variable(name, initializer=reader.get_tensor(name))
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "foreign.ckpt"), write_meta_graph=False)
    return str(folder / "foreign.ckpt")


def test_another_net_is_told_by_its_missing_variables(tf, dataset, run, tmp_path):
    url = foreign_checkpoint(tf, run, tmp_path, lambda name: "conv1" not in name)
    with pytest.raises(CheckpointError, match=r"lacks 2 of 10 variables \(CifarNet/conv1/biases, .*is of another net"):
        evaluate(task_of(dataset[0], run, str(tmp_path / "parts"), checkpoint_path=url), tmp_path)


def test_averages_that_were_never_kept_are_told(tf, dataset, run, tmp_path):
    url = foreign_checkpoint(tf, run, tmp_path, lambda name: not name.endswith("ExponentialMovingAverage"))
    flags = {"checkpoint_path": url, "moving_average_decay": 0.9}
    with pytest.raises(CheckpointError, match="its run kept no moving averages"):
        evaluate(task_of(dataset[0], run, str(tmp_path / "parts"), **flags), tmp_path)


def test_a_checkpoint_without_a_global_step_stands_at_step_0(tf, dataset, run, tmp_path):
    url = foreign_checkpoint(tf, run, tmp_path, lambda name: name != "global_step")
    assert evaluate(task_of(dataset[0], run, str(tmp_path / "parts"), checkpoint_path=url), tmp_path)[0]["step"] == 0


def test_a_checkpoint_file_without_a_manifest_is_evaluated_at_the_step_in_it(dataset, run, tmp_path):
    for entry in storage.list_dir(run):
        if not entry.name.endswith(".json"):
            shutil.copy(entry.url, tmp_path / entry.name.replace(f"-{STEP}", "").replace("model", "old"))
    task = task_of(dataset[0], run, str(tmp_path / "parts"), checkpoint_path=str(tmp_path / "old.ckpt"))
    assert task.found.step == -1
    assert evaluate(task, tmp_path)[0]["step"] == STEP


def test_a_request_to_stop_is_obeyed_before_the_next_batch(dataset, run, tmp_path):
    with pytest.raises(ClusterError, match="evaluator:0 was told to stop after 0 examples"):
        evaluate(task_of(dataset[0], run, str(tmp_path / "parts")), tmp_path, stop=lambda: True)
    assert not storage.exists(str(tmp_path / "parts"))


def test_an_evaluator_without_a_record_writes_an_empty_part(dataset, run, tmp_path):
    one = dataclasses.replace(dataset[0], shards=dataset[0].shards[2:], num_records=4)
    task = task_of(one, run, "memory://empty-parts", num_evaluators=6)
    counts = [evaluate(task, tmp_path, index=i)[1].tally.num_examples for i in range(6)]
    assert sorted(counts) == [0, 0, 1, 1, 1, 1]
