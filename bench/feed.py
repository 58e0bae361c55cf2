"""One side of R2: one epoch of a dataset through a worker's own input, with or without a training step behind it.

Counted is all from the opening of the spool to the last batch, so that every byte of the epoch comes from the dataset's
storage within it; TensorFlow's import is not.
"""

import argparse
import tempfile

import tensorflow.compat.v1 as tf
from side_by_side import Watch

from sparkcv import preprocess
from sparkcv.config import TrainConfig
from sparkcv.inputs.batches import TrainBatches, train_batches
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.validate import ImageCheck
from sparkcv.records.assignment import assign
from sparkcv.records.shards import Dataset, open_dataset
from sparkcv.train import step
from sparkcv.train.replicas import Topology

CORES = 2


def main() -> None:
    """Feed, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--image_size", type=int, required=True)
    parser.add_argument("--train_steps", type=int, default=0, help="0: input only, a whole epoch")
    parser.add_argument("--daemon", type=int, action="append", default=[], help="pid whose CPU time counts too")
    flags = parser.parse_args()
    tf.disable_eager_execution()
    config = TrainConfig(
        dataset_dir=flags.dataset_dir,
        dataset_name="photographs",
        train_image_size=flags.image_size,
        batch_size=16 if flags.train_steps else 32,
        num_preprocessing_threads=CORES,
        optimizer="momentum",
    )
    dataset = open_dataset(flags.dataset_dir, config.dataset_name, config.dataset_split_name)
    with tempfile.TemporaryDirectory() as scratch, Watch(flags.daemon) as watch, open_spool(dataset, scratch) as spool:
        batches = train_batches(
            spool, config, preprocess.get("inception"), image_size=flags.image_size, record_bytes=110_000
        )
        fetch, num_batches = built(config, dataset, batches, flags.train_steps)
        drain(fetch, num_batches, spool)
    watch.tell(num_batches * config.batch_size)


def open_spool(dataset: Dataset, scratch: str) -> Spool:
    """Open the spool as a worker's."""
    return Spool(
        assign(dataset.shards, 0, 1),
        scratch,
        max_bytes=4 << 30,
        seed=0,
        check=ImageCheck(dataset.num_classes, 0, 1 << 26),
        num_readers=4,
    )


def built(config: TrainConfig, dataset: Dataset, batches: TrainBatches, train_steps: int) -> tuple[object, int]:
    """Return what to run for each batch, and how many of them."""
    if not train_steps:
        return [tensor.op for tensor in batches.next_batch()], dataset.num_records // config.batch_size
    graph = step.build(
        config,
        num_records=dataset.num_records,
        num_classes=dataset.num_classes,
        next_batch=batches.next_batch,
        topology=Topology(num_ps=0, num_workers=1, task=0),
        warm_start=None,
    )
    return graph.train_op, train_steps


def drain(fetch: object, num_batches: int, spool: Spool) -> None:
    """Run so many batches in a plain session."""
    threads = tf.ConfigProto(intra_op_parallelism_threads=CORES, inter_op_parallelism_threads=CORES)
    coordinator = tf.train.Coordinator()
    with tf.Session(config=threads) as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
        tf.train.start_queue_runners(session, coordinator)
        for _ in range(num_batches):
            session.run(fetch)
        coordinator.request_stop()
        spool.close()  # the queue runner may wait in it


if __name__ == "__main__":
    main()
