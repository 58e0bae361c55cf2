"""The pipelines in TensorFlow: everything arrives, and what does not is counted to the record."""

import pathlib
from collections import Counter

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import preprocess
from sparkcv.config import TrainConfig
from sparkcv.errors import BudgetError, DataError, MissingFileError, StorageError
from sparkcv.inputs.batches import eval_batches, train_batches
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.validate import ImageCheck
from sparkcv.records.assignment import Assignment
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

CONFIG = TrainConfig(batch_size=4, num_preprocessing_threads=2)


@pytest.fixture
def stored(tmp_path):
    """Three shards of eight pictures; returns a function that makes their assignments with some replaced."""
    shards = data.drawn_shards(3, 8)

    def make(**bad):
        for place, payload in bad.items():
            shard, index = (int(part) for part in place.strip("at").split("_"))
            shards[shard][index] = payload
        (tmp_path / "stored").mkdir(exist_ok=True)
        return [Assignment(data.write_shard(tmp_path / "stored" / f"{i}", one)) for i, one in enumerate(shards)]

    return make


def open_spool(parts, tmp_path, **more):
    settings = {"max_bytes": 1 << 24, "seed": 1, "check": ImageCheck(3), "quarantine": Quarantine(24, 0.5)}
    return Spool(parts, str(tmp_path), **{**settings, **more})


def train_values(spool, steps, *, config=CONFIG, clones=1, device="/cpu:0"):
    """Labels, counts and sizes of ``steps`` training batches."""
    with tf.Graph().as_default():
        batches = train_batches(spool, config, preprocess.get("inception"), image_size=24, device=device)
        taken = [batches.next_batch() for _ in range(clones)]
        assert taken[0][0].shape.as_list() == [4, 24, 24, 3]
        assert taken[0][1].dtype == tf.int64
        found = []
        with tf.train.MonitoredSession() as session:
            try:
                for _ in range(steps):
                    values = session.run({"taken": taken, **batches.fetches})
                    found.append((values["taken"], *batches.read(values)))
            finally:
                spool.end()
        return batches, found


def test_training_batches_have_their_shape_range_and_labels(stored, tmp_path):
    with open_spool(stored(), tmp_path) as spool:
        _, found = train_values(spool, 12)
    images = np.stack([taken[0][0] for taken, *_ in found])
    assert images.dtype == np.float32
    assert images.min() >= -1
    assert images.max() <= 1
    assert images.std() > 0.1
    labels = Counter(int(label) for taken, *_ in found for label in taken[0][1])
    assert set(labels) == {0, 1, 2}


def test_without_bad_records_nothing_is_lost(stored, tmp_path):
    with open_spool(stored(), tmp_path) as spool:
        batches, found = train_values(spool, 20)
    counts = found[-1][1]
    assert counts.lost == 0
    assert counts.delivered == counts.tried == 80
    assert counts.read >= counts.tried
    held, capacity = batches.common_gauge(counts)
    assert 0 < held <= capacity == 80


def test_records_that_only_the_decoder_refuses_are_counted_exactly(stored, tmp_path):
    bad = {"at0_1": data.payload(data.undecodable(1), 1), "at2_7": data.payload(data.undecodable(2), 1)}
    with open_spool(stored(**bad), tmp_path) as spool:
        _, found = train_values(spool, 22 * 3 // 4)
    counts = found[-1][1]
    # 66 good records are three epochs of 22; the shuffle mixes epochs, so the losses so far lie round 6.
    assert counts.delivered == 64
    assert counts.tried == counts.delivered + counts.lost
    assert 1 <= counts.lost <= 8
    losses = [one[1].lost for one in found]
    assert losses == sorted(losses)


def test_the_labels_offset_is_taken_off(stored, tmp_path):
    shards = [[data.payload(data.picture(0, i), 1 + i % 2) for i in range(8)]]
    parts = [Assignment(data.write_shard(tmp_path / "one", shards[0]))]
    config = TrainConfig(batch_size=4, labels_offset=1)
    with open_spool(parts, tmp_path, check=ImageCheck(3, 1)) as spool:
        _, found = train_values(spool, 4, config=config)
    assert {int(label) for taken, *_ in found for label in taken[0][1]} == {0, 1}


def test_each_clone_takes_its_own_batch(stored, tmp_path):
    config = TrainConfig(batch_size=4, num_clones=2, clone_on_cpu=True)
    with open_spool(stored(), tmp_path) as spool:
        batches, found = train_values(spool, 5, config=config, clones=2)
    assert batches.prefetch_capacity == 4
    assert found[-1][1].delivered == 40
    assert all(0 <= size <= 4 for _, _, size in found)


def test_the_common_queue_is_bounded_in_bytes_too(stored, tmp_path):
    with open_spool(stored(), tmp_path) as spool, tf.Graph().as_default():
        large = train_batches(spool, CONFIG, preprocess.get("inception"), image_size=24, record_bytes=50e6)
    assert large.common_capacity == 10


def test_everything_is_pinned_to_the_worker_in_a_cluster(stored, tmp_path):
    with open_spool(stored(), tmp_path) as spool, tf.Graph().as_default() as graph:
        device = "/job:worker/task:3/device:CPU:0"
        batches = train_batches(spool, CONFIG, preprocess.get("inception"), image_size=24, device=device)
        with tf.device("/job:worker/task:3"):
            batches.next_batch()
        loose = {op.name for op in graph.get_operations() if not op.device.startswith("/job:worker/task:3")}
    assert loose == set()


@pytest.mark.parametrize("missing", [0, 2])
def test_an_error_in_storage_ends_the_data_and_is_raised(stored, tmp_path, missing):
    parts = stored()
    pathlib.Path(parts[missing].shard.url).unlink()
    with open_spool(parts, tmp_path, seed=None, parallel=1) as spool:
        with pytest.raises((tf.errors.OutOfRangeError, MissingFileError)):
            _fail(spool)
        assert isinstance(spool.error, MissingFileError)


def _fail(spool):
    with tf.Graph().as_default():
        batches = train_batches(spool, CONFIG, preprocess.get("inception"), image_size=24)
        taken = batches.next_batch()
        with tf.train.MonitoredSession() as session:
            try:
                while True:
                    session.run(taken)
            except tf.errors.OutOfRangeError:
                batches.check()


def test_a_spool_file_that_somebody_deletes_is_an_error_not_an_endless_loss(stored, tmp_path):
    parts = stored()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_spool(parts, scratch) as spool:
        spool.release(spool.take().ticket)  # at least one shard is on disk, and all will be
        for _ in range(2):
            spool.release(spool.take().ticket)
        for path in scratch.rglob("*.tfrecord"):
            path.unlink()
        with pytest.raises(StorageError, match="is gone"):
            _fail(spool)


@pytest.mark.parametrize(("num_bad", "error"), [(8, DataError), (16, BudgetError)])
def test_pictures_that_are_all_bad_are_an_error_not_a_wait(tmp_path, num_bad, error):
    parts = [Assignment(data.write_shard(tmp_path / "one", [data.payload(b"GIF89a", 1)] * num_bad))]
    with open_spool(parts, tmp_path) as spool, pytest.raises(error):
        _fail(spool)


def eval_pass(spool, **more):
    """Every value of one evaluation pass, the identities, and the rejects at its end."""
    with tf.Graph().as_default():
        settings = {"image_size": 24, "batch_size": 5, "num_threads": 2, **more}
        batches = eval_batches(spool, preprocess.get("inception"), **settings)
        found, ids = [], []
        with tf.Session() as session:
            session.run(batches.initializer)
            try:
                while True:
                    found.append(session.run({"images": batches.images, "labels": batches.labels, **batches.key}))
                    ids += batches.ids(found[-1])
            except tf.errors.OutOfRangeError:
                return found, ids, batches.finish()


def test_an_evaluation_sees_everything_once_in_order_and_keeps_the_last_partial_batch(stored, tmp_path):
    parts = stored()
    with open_spool(parts, tmp_path, seed=None, num_epochs=1) as spool:
        found, ids, rejects = eval_pass(spool)
    assert [len(values["labels"]) for values in found] == [5, 5, 5, 5, 4]
    assert [one.filename for one in ids] == [f"{s}-{i}.jpg" for s in range(3) for i in range(8)]
    assert np.concatenate([values["labels"] for values in found]).tolist() == [i % 3 for i in range(8)] * 3
    assert rejects == []


def test_an_evaluation_names_every_example_by_shard_and_offset(stored, tmp_path):
    parts = stored(at1_0=data.payload(b"", 1))  # vetted out: the offsets of the others stay those in storage
    with open_spool(parts, tmp_path, seed=None, num_epochs=1) as spool:
        _, ids, _ = eval_pass(spool)
    second = [one for one in ids if one.url == parts[1].shard.url]
    assert [one.filename for one in second] == [f"1-{i}.jpg" for i in range(1, 8)]
    stored_bytes = pathlib.Path(parts[1].shard.url).read_bytes()
    for one in second:
        assert one.filename.encode() in stored_bytes[one.offset : one.offset + 6000]
    assert second[0].offset == len(data.shard_bytes([data.payload(b"", 1)]))


def test_an_evaluation_names_the_records_that_the_decoder_refused(stored, tmp_path):
    bad = {"at0_7": data.payload(data.undecodable(1), 1), "at2_7": data.payload(data.undecodable(2), 1)}
    parts = stored(**bad)
    with open_spool(parts, tmp_path, seed=None, num_epochs=1) as spool:
        _, ids, rejects = eval_pass(spool)
        assert spool.quarantine.count == 2
    assert len(ids) == 22
    assert [(one.url, one.reason) for one in rejects] == [
        (parts[0].shard.url, "TensorFlow cannot decode the picture"),
        (parts[2].shard.url, "TensorFlow cannot decode the picture"),
    ]


def test_an_evaluation_over_the_budget_raises_at_its_end(stored, tmp_path):
    parts = stored(at0_1=data.payload(data.undecodable(), 1))
    spool = open_spool(parts, tmp_path, seed=None, num_epochs=1, quarantine=Quarantine(24, 0.0))
    with spool, pytest.raises(BudgetError, match="1 of 24"):
        eval_pass(spool)


def test_an_evaluation_whose_storage_fails_raises_at_its_end(stored, tmp_path):
    parts = stored()
    pathlib.Path(parts[2].shard.url).unlink()
    with open_spool(parts, tmp_path, seed=None, num_epochs=1, parallel=1) as spool, pytest.raises(MissingFileError):
        eval_pass(spool)


def test_grey_pictures_have_one_channel(stored, tmp_path):
    with open_spool(stored(), tmp_path, seed=None, num_epochs=1) as spool:
        found, _, _ = eval_pass(spool, use_grayscale=True)
    assert found[0]["images"].shape == (5, 24, 24, 1)
