"""Programs of the tests of security: what a run shows of itself while it goes on."""

import os
import time
from pathlib import Path

_PATIENCE_S = 300


def _wait_for(check) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


def serve(ctx):
    """A ps and a worker that listen as in training; once it may, the worker goes on with a variable on the ps."""
    import tensorflow.compat.v1 as tf

    from sparkcv.train import sessions

    if ctx.role.job == "worker":
        sessions.await_ps(ctx.cluster["ps"], _PATIENCE_S)
    server = sessions.server(ctx, sessions.session_config(ctx))
    if ctx.role.job == "ps":
        ctx.report({"pid": os.getpid(), "agent": os.getppid(), "cluster": ctx.cluster})
        return {"was_stopped": _wait_for(ctx.stop_requested)}
    with tf.Graph().as_default(), tf.device("/job:ps/task:0"):
        variable = tf.Variable(41.0, use_resource=True)
        step, start = variable.assign_add(1.0), variable.initializer
        with tf.Session(server.target, config=sessions.session_config(ctx)) as session:
            session.run(start)
            ctx.report({"pid": os.getpid(), "agent": os.getppid(), "cluster": ctx.cluster})
            assert _wait_for(Path(ctx.params["go"]).exists)
            return {"value": float(session.run(step))}


def devices(ctx):
    """Which devices it sees."""
    return {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}


def show(ctx):
    """Says which devices it sees; ends once it may."""
    seen = devices(ctx)
    print("shows its devices")
    ctx.report({"pid": os.getpid(), "agent": os.getppid(), **seen})
    if ctx.role.job == "ps":
        _wait_for(ctx.stop_requested)
    else:
        assert _wait_for(Path(ctx.params["go"]).exists)
    return {"devices": seen, "cluster": ctx.cluster}
