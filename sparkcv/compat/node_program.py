"""The program of each node of a compat cluster: makes the context, calls the user's function, reports its end."""

import contextlib
import dataclasses
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from sparkcv.cluster.fork_exit import children_ending_here
from sparkcv.compat import closure
from sparkcv.compat.closure import Call
from sparkcv.compat.context import TFNodeContext
from sparkcv.compat.manager import Manager
from sparkcv.compat.serving import leaving_when_asked
from sparkcv.compat.tensorboard import tensorboard
from sparkcv.compat.user_error import error_of
from sparkcv.errors import UsageError
from sparkcv.feeding.coordinator_client import CoordinatorClient
from sparkcv.feeding.feeder import place
from sparkcv.feeding.receiver import Receiver
from sparkcv.roles import NodeContext

__all__ = ["ProgramOrder", "SERVICES", "main"]

SERVICES = ("ps", "evaluator")  # they run until they are stopped, and are fed nothing
_POLL_S = 0.1


@dataclasses.dataclass(frozen=True)
class ProgramOrder:
    """The driver's order to every node, as JSON.

    Attributes:
        jobs: [job, number of its nodes] in the order of the executor_ids.
        default_fs: Spark's default file system.
        working_dir: of the driver.
        queues: names of the queues.
        release_port: whether the port is given up before the user's function is called.
        tensorboard: executor_id of the node that starts it; -1: none.
        log_dir: for TensorBoard.
        coordinator: host and port of the driver's coordinator; [] where nothing is fed.
        num_parallel: of independent instances, which know nothing of each other; 0 for the nodes of a cluster.
        first: executor_id of the first instance of this launch.
    """

    jobs: list[list[Any]]
    default_fs: str
    working_dir: str
    queues: list[str]
    release_port: bool = True
    tensorboard: int = -1
    log_dir: str = ""
    coordinator: list[Any] = dataclasses.field(default_factory=list)
    num_parallel: int = 0
    first: int = 0


def main(ctx: NodeContext) -> dict[str, Any]:
    """Call the user's function, which the payload holds, as ``ctx.role``."""
    call, order = closure.load(ctx.payload), ProgramOrder(**ctx.params)
    executor_id = _executor_id(order, ctx)
    cluster = {job: ctx.cluster[job] for job, _ in order.jobs if not order.num_parallel}
    host, _, port = ctx.cluster[ctx.role.job][ctx.role.index].rpartition(":")
    status = {
        "executor_id": executor_id,
        "host": host,
        "job_name": ctx.role.job,
        "task_index": ctx.role.index,
        "port": int(port),
        "tb_pid": 0,
        "tb_port": 0,
        "pid": os.getpid(),
        "attempt": ctx.attempt,
    }
    _set_environment(cluster, ctx, call)
    with contextlib.ExitStack() as stack:
        if order.tensorboard == executor_id:
            log_dir = order.log_dir or f"tensorboard_{executor_id}"
            status["tb_pid"], status["tb_port"] = stack.enter_context(tensorboard(host, log_dir))
        fed = stack.enter_context(_fed(ctx, order, call, host))
        ctx.report(status)
        context = TFNodeContext(
            executor_id,
            "" if order.num_parallel else ctx.role.job,
            0 if order.num_parallel else ctx.role.index,
            cluster,
            order.default_fs,
            order.working_dir,
            fed.manager,
            None if order.release_port else stack.enter_context(_held(int(port))),
            ctx.scratch_dir,
        )
        context.num_workers = order.num_parallel or context.num_workers
        with leaving_when_asked(ctx, status, ctx.role.job in SERVICES):
            _call(call, context, f"{ctx.role.job}:{executor_id if order.num_parallel else ctx.role.index}")
            while ctx.role.job in SERVICES and not ctx.stop_requested():
                time.sleep(_POLL_S)  # stock's ps may return at once, too, and still counts as serving
        if fed.client is not None:
            fed.client.say("returned")
    return {}


def _executor_id(order: ProgramOrder, ctx: NodeContext) -> int:
    first = order.first
    for job, count in order.jobs:
        if job == ctx.role.job:
            return first + ctx.role.index
        first += count
    raise UsageError(f"the cluster has no job {ctx.role.job!r}")


def _set_environment(cluster: dict[str, list[str]], ctx: NodeContext, call: Call) -> None:
    if isinstance(call.tf_args, list):
        sys.argv = call.tf_args
    if "master" in cluster or "chief" in cluster:
        task = {"type": ctx.role.job, "index": ctx.role.index}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})
    _set_devices(call.tf_args)


def _set_devices(tf_args: Any) -> None:
    """Use only ``tf_args.num_gpus`` of the GPUs that Spark gave this node, as stock does."""
    wanted = tf_args.get("num_gpus") if isinstance(tf_args, dict) else getattr(tf_args, "num_gpus", None)
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not isinstance(wanted, int) or seen is None:
        return
    devices = [device for device in seen.split(",") if device]
    if devices and wanted > len(devices):
        raise UsageError(f"tf_args asks for {wanted} GPUs, but Spark gave this node {len(devices)}: {seen}")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices[:wanted])


@dataclasses.dataclass(frozen=True)
class _Feeding:
    manager: Manager
    client: CoordinatorClient | None = None


@contextlib.contextmanager
def _fed(ctx: NodeContext, order: ProgramOrder, call: Call, host: str) -> Iterator[_Feeding]:
    """Yield the node's queues, and its connection to the driver's coordinator if Spark feeds it."""
    if not order.coordinator or ctx.role.job in SERVICES:
        yield _Feeding(Manager(order.queues))
        return
    with Receiver(host, call.secret, order.queues) as receiver:
        introduction = ["node", str(ctx.role), ctx.attempt, host, receiver.port, place()]
        client = CoordinatorClient(
            (order.coordinator[0], order.coordinator[1]), call.secret, introduction, receiver.end, receiver.state
        )
        try:
            yield _Feeding(Manager(order.queues, receiver, lambda: client.say("enough")), client)
        finally:
            client.close()


@contextlib.contextmanager
def _held(port: int) -> Iterator[socket.socket]:
    """Hold a socket on the node's port until the program releases it; the agent holds the port all the while."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("0.0.0.0", port))  # noqa: S104 - nothing is accepted here
        yield holder


def _call(call: Call, context: TFNodeContext, role: str) -> None:
    try:
        with children_ending_here():
            call.map_fun(call.tf_args, context)
    except (Exception, SystemExit) as err:  # whatever a user's function raises
        raise error_of(err, f"map_fun {closure.name_of(call.map_fun)} of {role}") from err
