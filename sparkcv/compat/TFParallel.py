"""Run a user's function many times over on Spark's executors, independently: no cluster, no feeding."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sparkcv.channel.control import new_secret
from sparkcv.compat.closure import Call, check_call, dump
from sparkcv.compat.cluster_run import ClusterRun, order_of, policy_of, set_up_log
from sparkcv.errors import UsageError
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.slots import wait_for_slots
from sparkcv.roles import Role

if TYPE_CHECKING:
    from pyspark import SparkContext

__all__ = ["run"]

_START_TIMEOUT_S = 600.0


def run(
    sc: "SparkContext",
    map_fn: Callable[[Any, Any], Any],
    tf_args: Any,
    num_executors: int,
    use_barrier: bool = True,
) -> None:
    """Run ``map_fn(tf_args, ctx)`` ``num_executors`` times, and return once all have returned.

    ``ctx.executor_id`` (and ``ctx.worker_num``) tells the instances apart, ``ctx.num_workers`` is how many there are.
    With ``use_barrier`` all of them run at the same time; else as many at once as Spark has slots, one wave after the
    other.

    Raises:
        UsageError: arguments that cannot work, or a ``map_fn`` that cannot be called or sent.
        ClusterError: more instances than Spark has slots.
        RoleFailedError: an instance failed, with its report.
    """
    from pyspark.sql import SparkSession

    check_call(map_fn)
    if num_executors < 1:
        raise UsageError(f"num_executors counts from 1, not {num_executors}")
    payload = dump(Call(map_fn, tf_args, new_secret()))
    set_up_log()
    launcher = BarrierLauncher(SparkSession(sc))
    first = 0
    while first < num_executors:
        count = num_executors - first
        if not use_barrier:
            wait_for_slots(launcher, 1, _START_TIMEOUT_S / 2)
            count = min(count, launcher.slots().now)
        order = order_of([("worker", count)], sc, queues=[], num_parallel=num_executors, first=first)
        roles = [Role("worker", index) for index in range(count)]
        policy = policy_of(sc)
        run = ClusterRun(launcher, roles, order, payload, policy=policy, start_timeout_s=_START_TIMEOUT_S)
        with run.ended_by_an_error():
            run.wait(0)
        first += count
