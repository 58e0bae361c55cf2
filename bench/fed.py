"""One side of the feeding bench: a program of TensorFlowOnSpark's form takes all rows that Spark feeds it.

``python bench/fed.py --how ours|stock --rows N``: the last line printed is the measurement. The program, its rows and
the Spark are the same; only the import differs. A first feeding, which starts Spark's Python processes, is not counted.
"""

import argparse
import itertools
import logging
import sys

import psutil
import side_by_side

from sparkcv.spark.session import spark_session

PARTITIONS, BATCH = 4, 100


def take_all(args, ctx):  # noqa: D103 - a user's map_fun; by value, as it is in a __main__
    feed = ctx.get_data_feed()
    while not feed.should_stop():
        feed.next_batch(args["batch"])


def rows(sc, count):
    """Return an RDD of pictures as stock's MNIST example has them: 784 numbers and a label, made where they are."""
    row = ([at % 256 for at in range(784)], 3)
    return sc.parallelize(range(PARTITIONS), PARTITIONS).flatMap(
        lambda part: itertools.repeat(row, count // PARTITIONS)
    )


def main() -> int:
    """Feed, and tell how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=["ours", "stock"], required=True)
    parser.add_argument("--rows", type=int, required=True)
    flags = parser.parse_args()
    if flags.how == "ours":
        from sparkcv.compat import TFCluster
    else:
        from tensorflowonspark import TFCluster
    logging.getLogger("tensorflowonspark").setLevel(logging.ERROR)
    with spark_session("feeding", num_executors=1) as spark:
        sc = spark.sparkContext
        cluster = TFCluster.run(sc, take_all, {"batch": BATCH}, 1, 0, input_mode=TFCluster.InputMode.SPARK)
        cluster.train(rows(sc, 10 * PARTITIONS), num_epochs=1)
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        with side_by_side.Watch(pids) as watch:
            cluster.train(rows(sc, flags.rows), num_epochs=1)
        cluster.shutdown()
    watch.tell(flags.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
