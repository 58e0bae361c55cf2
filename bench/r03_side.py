"""One side of R3: steps of Inception v3 at 299 px on a worker's own input, or on one batch that is always the same.

Counted are the steps after the first two, which allocate memory and fill the queues; what is read and decoded ahead
meanwhile counts, in the side that has it.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow.compat.v1 as tf
from feed import CORES, open_spool
from side_by_side import Watch

from sparkcv import preprocess
from sparkcv.config import TrainConfig
from sparkcv.inputs.batches import train_batches
from sparkcv.records.shards import Dataset, open_dataset
from sparkcv.train import step
from sparkcv.train.replicas import Topology

FIRST, BATCH, SIZE = 2, 8, 299


def main() -> int:
    """Train, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=["real", "synthetic"], required=True)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--steps", type=int, required=True)
    flags = parser.parse_args()
    tf.disable_eager_execution()
    config = TrainConfig(
        dataset_dir=flags.dataset_dir,
        dataset_name="photographs",
        train_image_size=SIZE,
        batch_size=BATCH,
        num_preprocessing_threads=CORES,
        optimizer="momentum",
    )
    dataset = open_dataset(flags.dataset_dir, config.dataset_name, config.dataset_split_name)
    with next_batch_of(config, dataset, flags.how) as (next_batch, close):
        graph = step.build(
            config,
            num_records=dataset.num_records,
            num_classes=dataset.num_classes,
            next_batch=next_batch,
            topology=Topology(num_ps=0, num_workers=1, task=0),
            warm_start=None,
        )
        watch = timed(graph.train_op, flags.steps, close)
    watch.tell(flags.steps * BATCH)
    return 0


@contextlib.contextmanager
def next_batch_of(
    config: TrainConfig, dataset: Dataset, how: str
) -> Iterator[tuple[Callable[[], tuple[Any, Any]], Callable[[], None]]]:
    """Give what adds a batch to the graph, and what ends its input."""
    if how == "synthetic":
        images = tf.random.stateless_uniform([BATCH, SIZE, SIZE, 3], [1, 2], -1.0, 1.0)
        held = tf.get_variable("synthetic", initializer=images, trainable=False, collections=["local_variables"])
        yield lambda: (held.read_value(), tf.constant([0, 1] * (BATCH // 2), tf.int64)), lambda: None
        return
    with tempfile.TemporaryDirectory() as scratch, open_spool(dataset, scratch) as spool:
        batches = train_batches(spool, config, preprocess.get("inception"), image_size=SIZE, record_bytes=110_000)
        yield batches.next_batch, spool.close


def timed(train_op: Any, steps: int, close: Callable[[], None]) -> Watch:
    """Run the steps in a plain session."""
    threads = tf.ConfigProto(intra_op_parallelism_threads=CORES, inter_op_parallelism_threads=CORES)
    coordinator = tf.train.Coordinator()
    with tf.Session(config=threads) as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
        tf.train.start_queue_runners(session, coordinator)
        for _ in range(FIRST):
            session.run(train_op)
        with Watch() as watch:
            for _ in range(steps):
                session.run(train_op)
        coordinator.request_stop()
        close()  # the queue runner may wait in it
    return watch


if __name__ == "__main__":
    sys.exit(main())
