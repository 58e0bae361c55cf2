"""Programs with TensorFlow 2 and Keras 3 as users write them: fed by Spark, mirrored, and with a ps."""

import os


def _versions():
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf, keras


def _line(keras):
    """y = 2x + 1, by one weight."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="y")])
    model.compile(keras.optimizers.SGD(0.3), "mse")
    return model


def fit_fed_rows(args, ctx):
    """Keras 3 in eager mode, fed by Spark through a generator; the chief exports what it learned."""
    tf, keras = _versions()
    assert keras.__version__.startswith("3")
    assert tf.keras.__version__.startswith("3")
    assert tf.executing_eagerly()
    feed = ctx.get_data_feed(input_mapping=args.get("input_mapping") if isinstance(args, dict) else args.input_mapping)
    export_dir = args["export_dir"] if isinstance(args, dict) else args.export_dir
    keras.utils.set_random_seed(1)
    model = _line(keras)

    def batches():
        while not feed.should_stop():
            batch = feed.next_batch(32)
            if batch["x"]:
                yield tf.constant(batch["x"], shape=(len(batch["x"]), 1)), tf.constant(batch["y"])

    for x, y in batches():
        model.train_on_batch(x, y)
    if ctx.job_name == "chief":
        model.export(export_dir, verbose=False)


def mirror(args, ctx):
    """Workers that step together; the first process of worker:0 dies in its third step, if asked to."""
    tf, _ = _versions()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        model = tf.Variable(0.0)
    flag = os.path.join(args["folder"], "killed")

    @tf.function
    def step():
        def add():
            total = tf.distribute.get_replica_context().all_reduce("sum", tf.constant(1.0))
            model.assign_add(total)

        strategy.run(add)

    for at in range(5):
        step()
        if at == 2 and args.get("dies") and ctx.job_name == "worker" and not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), 9)
    with open(os.path.join(args["folder"], f"total-{ctx.job_name}"), "w") as file:
        file.write(str(float(model.numpy())))


def serve_and_coordinate(args, ctx):
    """A ParameterServerStrategy: ps and workers join their servers, which return to nobody; the chief does the work."""
    tf, _ = _versions()
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if ctx.job_name in ("ps", "worker"):
        server = tf.distribute.Server(
            resolver.cluster_spec(), job_name=ctx.job_name, task_index=ctx.task_index, protocol="grpc"
        )
        server.join()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        variable = tf.Variable(0.0)

    @tf.function
    def add():
        variable.assign_add(1.0)

    for _ in range(10):
        coordinator.schedule(add)
    coordinator.join()
    with open(os.path.join(args["folder"], "total"), "w") as file:
        file.write(str(float(variable.numpy())))
