"""TensorFlow's server of a role, and the settings of its sessions; needs little of TensorFlow, for a ps."""

from __future__ import annotations

from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.python.training.server_lib import ClusterSpec, Server

from sparkcv.config import TrainConfig
from sparkcv.roles import NodeContext, share_of_cores

__all__ = ["STEP_TIMEOUT_S", "config_of", "server", "session_config"]

STEP_TIMEOUT_S = 600  # with a dead ps a step waits without a word


def session_config(ctx: NodeContext, num_intra_op_threads: int = 0, *, use_gpus: bool = True) -> ConfigProto:
    """Return threads as asked, or (0) this machine's cores shared with its other workers; filters and time limits.

    The filters keep a worker from waiting for other workers. No operation takes longer than 10 minutes. Without
    ``use_gpus`` TensorFlow leaves the memory of the host's GPUs to others.
    """
    threads = num_intra_op_threads or share_of_cores(ctx, "worker")
    return ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=max(2, threads),
        allow_soft_placement=True,
        device_count={} if use_gpus else {"GPU": 0},
        operation_timeout_in_ms=STEP_TIMEOUT_S * 1000,
        device_filters=["/job:ps", f"/job:worker/task:{ctx.role.index}"] if ctx.cluster.get("ps") else [],
    )


def config_of(ctx: NodeContext, config: TrainConfig) -> ConfigProto:
    """Return the session's settings for a training run's flags."""
    return session_config(ctx, config.num_intra_op_threads, use_gpus=config.num_gpus != 0)


def server(ctx: NodeContext, config: ConfigProto) -> Server:
    """Start this process's gRPC server; it lives as long as the process, as TF cannot stop one."""
    jobs = {job: ctx.cluster[job] for job in ("ps", "worker") if job in ctx.cluster}
    spec = ClusterSpec(jobs)
    return Server(spec, job_name=ctx.role.job, task_index=ctx.role.index, config=config, protocol="grpc")
