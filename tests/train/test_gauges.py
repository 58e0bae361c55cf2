"""The gauges of a run name who is slow: real pipelines in which the reader, the decoder or the step takes its time."""

import contextlib
import time

import pytest
import tensorflow.compat.v1 as tf

from sparkcv import preprocess
from sparkcv.config import TrainConfig
from sparkcv.driver.progress import describe
from sparkcv.inputs.batches import train_batches
from sparkcv.inputs.meter import Meter
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.undecodable import TrialDecoder, UndecodableCheck
from sparkcv.inputs.validate import ImageCheck
from sparkcv.records.assignment import Assignment
from sparkcv.roles import Role
from sparkcv.train import hooks
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

CONFIG = TrainConfig(batch_size=2, num_preprocessing_threads=1)
NUM_STEPS, NUM_SHARDS, PER_SHARD = 12, 24, 4
PAUSE_S = 0.1


class SlowDecoder:
    """A preprocessing whose pictures each take their time."""

    def for_train(self, picture, size, **options):
        image = preprocess.get("inception").for_train(picture, size, **options)
        slow = tf.numpy_function(lambda values: (time.sleep(PAUSE_S), values)[1], [image], tf.float32)
        slow.set_shape(image.shape)
        return slow


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    shards = data.drawn_shards(NUM_SHARDS, PER_SHARD)
    return [Assignment(data.write_shard(folder / f"{at}", one)) for at, one in enumerate(shards)]


def line(parts, scratch, slow):
    """The progress line after some steps of a worker's input."""
    check = ImageCheck(3)

    def slow_check(payload):
        time.sleep(PAUSE_S)
        return check(payload)

    largest = max(part.shard.num_bytes for part in parts)
    meter = Meter(CONFIG.batch_size)
    with (
        tf.Graph().as_default(),
        Spool(
            parts,
            str(scratch),
            max_bytes=3 * largest,  # every epoch fetches its shards anew
            seed=1,
            check=slow_check if slow == "reader" else check,
            parallel=1,
        ) as spool,
    ):
        decoder = SlowDecoder() if slow == "decoder" else preprocess.get("inception")
        batches = train_batches(spool, CONFIG, decoder, image_size=24, record_bytes=1 << 28)  # a queue of 4 records
        taken = batches.next_batch()
        undecodable = UndecodableCheck(spool, lambda: TrialDecoder(decoder, 24), batches.in_flight())
        with contextlib.closing(undecodable):
            gauges = hooks.Inputs(spool, batches, undecodable, meter)
            with tf.train.MonitoredSession(hooks=[gauges]) as session:
                try:
                    for _ in range(NUM_STEPS):
                        session.run(taken)
                        if slow == "step":
                            time.sleep(4 * PAUSE_S)
                finally:
                    spool.end()
    status = meter.report()
    assert status["queues"]["common"][1] == 4
    return describe({Role("worker", 0): status})


@pytest.mark.parametrize("slow", ["reader", "decoder", "step"])
def test_the_progress_line_names_who_is_slow(parts, tmp_path, slow):
    said = line(parts, tmp_path, slow)
    assert f"{slow}-bound" in said
    others = {"reader", "decoder", "step"} - {slow}
    assert not any(f"{other}-bound" in said for other in others)
