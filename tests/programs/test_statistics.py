"""The program that counts pixels, and a training by what it counted: augmented, whitened, resumed."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import config as configs
from sparkcv import preprocess
from sparkcv.config import StatisticsConfig, TrainConfig
from sparkcv.config.augment import Augmentations
from sparkcv.driver import statistics as driver
from sparkcv.errors import BudgetError, ClusterError
from sparkcv.inputs.batches import train_batches
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.validate import ImageCheck
from sparkcv.preprocess.normalization import Normalization
from sparkcv.programs import statistics, train
from sparkcv.records.assignment import assign
from sparkcv.records.statistics import Moments
from sparkcv.roles import NodeContext, Role
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

SIDE = 8


def plan_of(folder, **flags):
    settings = {"dataset_dir": str(folder), "dataset_name": "shapes", "model_name": "lenet", "image_size": SIDE}
    return driver.prepare(StatisticsConfig(**settings, whitening="zca", batch_size=5, **flags))


def count(plan, tmp_path, *, num_workers=1, stop=lambda: False):
    """Runs each worker's part in this process and adds them up; returns sums and results."""
    params = {
        "config": configs.to_dict(plan.config),
        "dataset": plan.dataset.to_dict(),
        "of": vars(plan.of),
        "num_workers": num_workers,
        "parts_url": str(tmp_path / "parts"),
    }
    total, results = Moments((SIDE, SIDE, 3), has_covariance=True), []
    for index in range(num_workers):
        scratch = tmp_path / f"scratch-{index}"
        scratch.mkdir()
        given = json.loads(json.dumps(params))
        ctx = NodeContext(Role("worker", index), {}, given, str(scratch), lambda _: None, stop)
        results.append(statistics.main(ctx))
        total.merge(Moments.read(str(tmp_path / "parts" / f"{index}.npz"), (SIDE, SIDE, 3), has_covariance=True))
    return total, results


@pytest.fixture
def folder(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 6, SIDE))
    return tmp_path / "data"


@pytest.mark.parametrize("num_workers", [1, 3])
def test_any_number_of_workers_counts_each_picture_once(folder, tmp_path, num_workers):
    plan = plan_of(folder)
    total, results = count(plan, tmp_path, num_workers=num_workers)
    assert total.num_records == 12
    assert [result["num_rejected"] for result in results] == [0] * num_workers
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = tf.placeholder(tf.string, [])
        image = preprocess.get("lenet").for_eval(encoded, SIDE)
        pictures = [data.picture(i % 3, shard * 100 + i, SIDE) for shard in range(2) for i in range(6)]
        pixels = (np.array([session.run(image, {encoded: each}) for each in pictures]) * 128 + 128) / 255
    found = total.fit(plan.of, "zca", 0.01)
    np.testing.assert_allclose(found.mean, pixels.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(found.center, pixels.reshape(12, -1).mean(0), atol=1e-5)


def test_a_worker_that_is_left_without_a_record_adds_nothing(tmp_path):
    data.write_dataset(tmp_path / "one", data.drawn_shards(1, 1, SIDE))
    total, results = count(plan_of(tmp_path / "one"), tmp_path, num_workers=2)
    assert (total.num_records, [result["num_rejected"] for result in results]) == (1, [0, 0])


def test_bad_pictures_cost_themselves_up_to_the_budget(tmp_path):
    folder = tmp_path / "damaged"
    shards = data.drawn_shards(1, 6, SIDE)
    shards[0][2] = data.payload(data.undecodable(1), 1)
    data.write_dataset(folder, shards)
    total, results = count(plan_of(folder, bad_record_budget=0.5), tmp_path)
    assert (total.num_records, results[0]["num_rejected"]) == (5, 1)
    assert driver._rejected(results, 5, 0.5) == 1
    with pytest.raises(
        BudgetError, match=r"^4 of 9 .* 0\.3 allows 3; the first: .*\.tfrecord at offset \d+: TensorFlow"
    ):
        driver._rejected(results * 4, 5, 0.3)  # each of four workers within it by itself
    (tmp_path / "again").mkdir()
    with pytest.raises(BudgetError, match="1 of 6"):
        count(plan_of(folder, bad_record_budget=0.0), tmp_path / "again")


def test_a_worker_that_is_told_to_stop_counts_nothing(folder, tmp_path):
    with pytest.raises(ClusterError, match="worker:0 was told to stop after 0 pictures"):
        count(plan_of(folder), tmp_path, stop=lambda: True)


def batches(config, dataset, family, scratch, first=0):
    """The first batch that a worker trains on, with the order of the records fixed."""
    scratch.mkdir()
    parts = assign(dataset.shards, 0, 1)
    spool = Spool(parts, str(scratch), max_bytes=1 << 24, seed=1, check=ImageCheck(3))
    with spool, tf.Graph().as_default():
        made = train_batches(spool, config, family, image_size=SIDE, seed=7, first_picture=first)
        taken = made.next_batch()
        with tf.train.MonitoredSession() as session:
            images, _ = session.run(taken)
            spool.end()
    return images


def test_augmentations_follow_from_the_seed_and_the_number_of_a_picture(folder, tmp_path):
    dataset = plan_of(folder).dataset
    config = TrainConfig(batch_size=6, num_preprocessing_threads=4)
    family = preprocess.get("lenet").augmented(Augmentations.parse("rotation=-90:90,hue=-0.3:0.3"))
    first = batches(config, dataset, family, tmp_path / "1")
    np.testing.assert_array_equal(first, batches(config, dataset, family, tmp_path / "2"))
    later = batches(config, dataset, family, tmp_path / "3", first=600)  # as a run that resumes
    assert all((one != two).any() for one, two in zip(first, later, strict=True))


def test_a_run_is_trained_augmented_and_whitened_and_resumes(folder, tmp_path):
    plan = plan_of(folder)
    total, _ = count(plan, tmp_path)
    url = str(tmp_path / "statistics.npz")
    total.fit(plan.of, "zca", 0.01).write(url)
    flags = {
        "dataset_dir": str(folder),
        "dataset_name": "shapes",
        "train_dir": str(tmp_path / "run"),
        "model_name": "lenet",
        "train_image_size": SIDE,
        "normalization": "zca",
        "statistics": url,
        "augment": "rotation=-20:20,channel_shift=-0.1:0.1",
        "optimizer": "sgd",
        "batch_size": 4,
    }
    for steps in (3, 5):
        config = TrainConfig(**flags, max_number_of_steps=steps)
        params = {"config": configs.to_dict(config), "dataset": plan.dataset.to_dict()}
        scratch = tmp_path / f"train-{steps}"
        scratch.mkdir()
        cluster = {"worker": ["127.0.0.1:1"]}
        ctx = NodeContext(Role("worker", 0), cluster, params, str(scratch), lambda _: None, lambda: False)
        result = train.main(ctx)
        assert result["step"] == steps
    assert result["images"] == 8


def test_all_paths_have_equal_bits_of_a_whitened_picture(folder, tmp_path):
    from sparkcv.predict.engines.decoding import TFDecoder

    plan = plan_of(folder)
    total, _ = count(plan, tmp_path)
    normalization = Normalization("zca", total.fit(plan.of, "zca", 0.01))
    family = preprocess.get("lenet").normalized(normalization)
    encoded = data.picture(1, 5, SIDE)
    decoder = TFDecoder("lenet", SIDE, normalization=normalization)
    (scored,) = decoder.decode([(encoded, 1)])
    decoder.close()
    with tf.Graph().as_default(), tf.Session() as session:
        trained, evaluated = session.run([family.for_train(encoded, SIDE), family.for_eval(encoded, SIDE)])
    np.testing.assert_array_equal(trained, evaluated)
    np.testing.assert_array_equal(scored, evaluated)
