"""Preloaded data: decoded once, every picture once an epoch, bounded, and what is wrong with the shards still told."""

from collections import Counter

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import preprocess
from sparkcv.config import TrainConfig
from sparkcv.config.augment import Augmentations
from sparkcv.errors import MissingFileError, UsageError
from sparkcv.inputs.batches import train_batches
from sparkcv.inputs.decoded_size import DecodedSize
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.validate import ImageCheck
from sparkcv.preprocess import EncodedPicture, decode
from sparkcv.records.assignment import Assignment
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

SIDE = 16
CONFIG = TrainConfig(batch_size=4, num_preprocessing_threads=2, input_mode="preloaded")
FAMILY = preprocess.get("lenet")


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "stored").mkdir()
    shards = data.drawn_shards(2, 6, SIDE)
    return [Assignment(data.write_shard(tmp_path / "stored" / str(i), one)) for i, one in enumerate(shards)]


def open_spool(parts, tmp_path, max_bytes=1 << 20, **more):
    check = ImageCheck(3, see=DecodedSize(max_bytes, 12).add)
    settings = {"max_bytes": 1 << 24, "seed": 1, "num_epochs": 1, "quarantine": Quarantine(12, 0.5)}
    return Spool(parts, str(tmp_path), check=check, **settings | more)


def train(spool, steps, family=FAMILY):
    """Images, labels and counts of ``steps`` batches; raises what the input raises."""
    with tf.Graph().as_default():
        batches = train_batches(spool, CONFIG, family, image_size=SIDE, seed=3)
        taken, found = batches.next_batch(), []
        with tf.train.MonitoredSession() as session:
            try:
                for _ in range(steps):
                    values = session.run({"taken": taken, **batches.fetches})
                    batches.check()
                    found.append((*values["taken"], batches.read(values)[0]))
            except tf.errors.OutOfRangeError:
                batches.check()
                raise
            finally:
                spool.end()
    return found


def test_every_picture_comes_once_an_epoch_in_another_order(stored, tmp_path):
    with open_spool(stored, tmp_path) as spool:
        found = train(spool, 9)
    epochs = [[image.tobytes() for images, *_ in found[at : at + 3] for image in images] for at in (0, 3, 6)]
    assert [len(set(epoch)) for epoch in epochs] == [12, 12, 12]
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2])
    assert epochs[0] != epochs[1]
    labels = Counter(int(label) for _, labels, _ in found for label in labels)
    assert labels == {0: 12, 1: 12, 2: 12}
    counts = found[-1][2]
    assert (counts.read, counts.tried, counts.delivered, counts.lost) == (12, 12, 12, 0)


def test_the_shards_are_read_once(stored, tmp_path):
    with open_spool(stored, tmp_path) as spool:
        train(spool, 9)
        assert spool.num_read == 12


def test_what_is_drawn_goes_on_in_each_epoch(stored, tmp_path):
    turned = FAMILY.augmented(Augmentations.parse("rotation=-180:180"))
    with open_spool(stored, tmp_path) as spool:
        found = train(spool, 6, turned)
    images = {image.tobytes() for images, *_ in found for image in images}
    assert len(images) == 24


def test_a_picture_that_cannot_be_decoded_is_lost_once(tmp_path):
    shards = data.drawn_shards(1, 12, SIDE)
    shards[0][4] = data.payload(data.undecodable(1), 1)
    parts = [Assignment(data.write_shard(tmp_path / "one", shards[0]))]
    with open_spool(parts, tmp_path) as spool:
        found = train(spool, 11)
    assert found[-1][2].lost == 1
    assert len({image.tobytes() for images, *_ in found for image in images}) == 11


def test_a_dataset_that_does_not_fit_ends_the_run(stored, tmp_path):
    wanted = r"--input_mode preloaded: got 12 pictures a worker .* wanted at most --cache_bytes 4000"
    with open_spool(stored, tmp_path, max_bytes=4000) as spool, pytest.raises(UsageError, match=wanted):
        train(spool, 50)


def test_a_shard_that_is_gone_ends_the_run(stored, tmp_path):
    (tmp_path / "stored" / "1").unlink()
    with open_spool(stored, tmp_path, parallel=1) as spool, pytest.raises(MissingFileError):
        train(spool, 50)


def test_a_picture_that_cannot_be_used_is_not_held():
    check = ImageCheck(3, see=DecodedSize(SIDE * SIDE * 3, 2).add)
    assert "label 7, wanted 0 to 2" in check(
        data.example.encode(data.example.ImageExample(data.picture(0, 0, SIDE), "jpeg", 7))
    )
    assert check(data.payload(data.picture(0, 1, SIDE), 1)) is None
    with pytest.raises(UsageError, match="--cache_bytes 768"):
        check(data.payload(data.picture(0, 2, SIDE), 1))


def test_pixels_are_taken_for_what_is_encoded():
    encoded = data.picture(0, 3, 40, "png")
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = decode.decode(encoded)
        held = EncodedPicture(tf.constant(b""), pixels=pixels)
        for family in ("inception", "vgg", "cifarnet", "lenet"):
            chosen = preprocess.get(family)
            ours = session.run([chosen.for_eval(held, 24), chosen.for_eval(encoded, 24)])
            np.testing.assert_array_equal(*ours, err_msg=family)
