"""The shape of the estimator examples, whose ``tf.estimator`` is gone: a graph, a ps, workers, a monitored session."""

import importlib


def train(args, ctx):
    import numpy as np
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.disable_eager_execution()
    config = v1.ConfigProto(intra_op_parallelism_threads=1)
    server = v1.train.Server(tf.train.ClusterSpec(ctx.cluster_spec), ctx.job_name, ctx.task_index, config=config)
    if ctx.job_name == "ps":
        server.join()
        return
    feed = ctx.get_data_feed()
    device = v1.train.replica_device_setter(
        worker_device=f"/job:worker/task:{ctx.task_index}", cluster=tf.train.ClusterSpec(ctx.cluster_spec)
    )
    with v1.device(device):
        pictures, labels = v1.placeholder(tf.float32, [None, 784]), v1.placeholder(tf.int64, [None])
        scores = pictures @ v1.get_variable("w", [784, 10], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
        step = v1.train.get_or_create_global_step()
        train_op = v1.train.AdamOptimizer(0.01).minimize(loss, step)
    is_chief = ctx.task_index == 0
    folder = f"{args.folder}/model" if is_chief else None
    with v1.train.MonitoredTrainingSession(server.target, is_chief, folder, save_checkpoint_steps=10) as session:
        while not feed.should_stop():
            batch = feed.next_batch(16)
            if batch:
                fed = {pictures: np.array([row[0] for row in batch]) / 255, labels: [row[1] for row in batch]}
                session.run(train_op, fed)


def run(spark, package: str, folder: str) -> int:
    """Train on rows that Spark feeds, and return the step of the last checkpoint."""
    import argparse

    from digits import digits

    cluster_of = importlib.import_module(f"{package}.TFCluster")
    pictures, labels = digits(300)
    rows = [(picture.reshape(-1).tolist(), int(label)) for picture, label in zip(pictures, labels, strict=True)]
    args = argparse.Namespace(folder=folder)
    mode = cluster_of.InputMode.SPARK
    cluster = cluster_of.run(spark.sparkContext, train, args, 3, 1, input_mode=mode)
    cluster.train(spark.sparkContext.parallelize(rows, 5), 2)
    cluster.shutdown(grace_secs=5)
    with open(f"{folder}/model/checkpoint") as pointer:
        return int(pointer.readline().rpartition("-")[2].strip().strip('"'))
