"""Feeding: LeNet on drawn shapes whose records Spark's tasks feed to a worker, as TensorFlowOnSpark's programs do.

    Command:  python conf/feeding_lenet.py --dataset_dir /tmp/shapes --train_dir RUN
    Cost:     55 s on 2 shared cores, Spark's start among them.
    Expected: accuracy 0.958 on 96 pictures that it was not trained on.

The rows are encoded pictures with their labels; the worker decodes and distorts them. docs/training.md#recipes draws
and converts the shapes, and evaluates RUN. Where rows are shards of a storage as they stand, reading from
files costs less: rows that Spark computes are what feeding is for.
"""

import argparse
import sys
from typing import Any

from sparkcv.compat import TFCluster, dfutil
from sparkcv.spark.session import spark_session

BATCH, SIDE, CLASSES = 32, 28, 8
ENCODED, LABEL = "image/encoded", "image/class/label"


def train(args: dict[str, str], ctx: Any) -> None:
    """Run on the worker: take batches of rows until Spark has no more, then save."""
    import os

    from sparkcv import nets, preprocess
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default():
        encoded, labels = tf.placeholder(tf.string, [None]), tf.placeholder(tf.int64, [None])
        family = preprocess.get("inception")
        images = tf.map_fn(
            lambda one: family.for_train(one, SIDE, min_crop_area=0.5), encoded, fn_output_signature=tf.float32
        )
        logits, _ = nets.get("lenet").build(images, CLASSES, is_training=True)
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        step = tf.train.get_or_create_global_step()
        update = tf.train.AdamOptimizer(0.001).minimize(loss, step)
        saver = tf.train.Saver()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            feed = ctx.get_data_feed()
            while not feed.should_stop():
                rows = feed.next_batch(BATCH)
                if rows:
                    values = {encoded: [row[0] for row in rows], labels: [row[1] for row in rows]}
                    session.run(update, values)
            os.makedirs(args["train_dir"], exist_ok=True)
            saver.save(session, os.path.join(args["train_dir"], "model.ckpt"), global_step=step)


def main() -> int:
    """Feed the training split, as many epochs as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--train_dir", required=True, help="a local folder")
    parser.add_argument("--num_epochs", type=int, default=60)
    flags = parser.parse_args()
    with spark_session("feeding", num_executors=1) as spark:
        context = spark.sparkContext
        cluster = TFCluster.run(
            context, train, {"train_dir": flags.train_dir}, 1, 0, input_mode=TFCluster.InputMode.SPARK
        )
        table = dfutil.loadTFRecords(context, f"{flags.dataset_dir}/shapes_train-*", binary_features=[ENCODED])
        rows = table.rdd.map(lambda row: (bytes(row[ENCODED]), row[LABEL]))
        cluster.train(rows, num_epochs=flags.num_epochs)
        cluster.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
