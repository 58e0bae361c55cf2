"""Run a user's function as the nodes of a TensorFlow cluster on Spark's executors, and feed it rows.

Names, parameters and defaults are those of TensorFlowOnSpark 2.2.5. What differs is how it ends: a node that dies is
noticed, named, and started again or reported with its reason, and ``shutdown`` returns only for a cluster that ended
well.
"""

import contextlib
import functools
import os
import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import logs
from sparkcv.channel.control import new_secret
from sparkcv.compat.closure import Call, check_call, dump
from sparkcv.compat.cluster_jobs import first_trainer, is_in_lockstep, jobs_of, template
from sparkcv.compat.cluster_run import ClusterRun, order_of, policy_of, set_up_log
from sparkcv.errors import RoleFailedError, UsageError
from sparkcv.feeding.coordinator import Coordinator
from sparkcv.feeding.feeder import FeedPlan, feed
from sparkcv.launchers import Launcher
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.detached import DetachedLauncher
from sparkcv.roles import Role
from sparkcv.spark.errors import own_error
from sparkcv.spark.session import default_fs

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext
    from pyspark.sql import SparkSession
    from pyspark.streaming import DStream, StreamingContext

__all__ = ["InputMode", "TFCluster", "run"]

_DEFAULT_EPOCHS = 10  # stock's "arbitrarily large" number
_FAILURE_S, _POLL_S = 15.0, 0.1
_log = logs.get(__name__)


class InputMode:
    """Who brings the data."""

    TENSORFLOW = 0  # the program reads it itself
    SPARK = 1  # Spark feeds the rows of an RDD


class TFCluster:
    """A running cluster; made by ``run``.

    Attributes:
        sc: the SparkContext.
        cluster_info: a dict for each node: executor_id, host, job_name, task_index, port, tb_pid, tb_port.
        cluster_meta: id, cluster_template (job -> executor_ids), num_executors, default_fs, working_dir, release_port.
        input_mode, queues, num_executors, defaultFS, working_dir, cluster_id: as given to, or found by, ``run``.
        nodeRDD: an RDD of the executor_ids.
    """

    def __init__(
        self, sc: "SparkContext", run: ClusterRun, secret: bytes, meta: dict[str, Any], input_mode: int, queues: Any
    ):
        """Take a run whose nodes have started."""
        self.sc, self._run, self._secret = sc, run, secret
        self.meta = self.cluster_meta = meta
        self.cluster_id, self.num_executors = meta["id"], meta["num_executors"]
        self.defaultFS, self.working_dir = meta["default_fs"], meta["working_dir"]
        self.input_mode, self.queues = input_mode, queues
        self.nodeRDD = sc.parallelize(range(self.num_executors), self.num_executors)

    @property
    def cluster_info(self) -> list[dict[str, Any]]:
        """What each node says of itself, by executor_id; a node that was started again says it anew."""
        return sorted(self._run.nodes.values(), key=lambda node: int(node["executor_id"]))

    def train(
        self,
        dataRDD: "RDD[Any] | DStream[Any]",
        num_epochs: int = 0,
        feed_timeout: float = 600,
        qname: str = "input",
    ) -> None:
        """Feed the workers all rows, ``num_epochs`` times (0 is 10), and return once they have taken them.

        It ends early where every worker has called ``terminate()``. ``feed_timeout`` is how many seconds a worker may
        take no row, after which the run is ended. A DStream is fed from now on, as its rows come, until
        ``shutdown(ssc)``.

        Raises:
            RoleFailedError: a worker failed, with its report.
            DataError: a row of a type that cannot be carried.
            ClusterError: a worker took no row for too long, or returned before it had taken all.
        """
        plan = self._plan("train", qname, feed_timeout, wants_results=False)
        if num_epochs < 0:
            raise UsageError(f"num_epochs counts from 0, not {num_epochs}")
        from pyspark.streaming import DStream

        if isinstance(dataRDD, DStream):
            dataRDD.foreachRDD(lambda rdd: rdd.foreachPartition(functools.partial(_feed_all, plan)))
            return
        epochs = [dataRDD] * (num_epochs or _DEFAULT_EPOCHS)
        with self._own_failure():
            self.sc.union(epochs).foreachPartition(functools.partial(_feed_all, plan))

    def inference(self, dataRDD: "RDD[Any]", feed_timeout: float = 600, qname: str = "input") -> "RDD[Any]":
        """Return an RDD with the workers' result for each row, in the rows' order, computed when Spark needs it."""
        plan = self._plan("inference", qname, feed_timeout, wants_results=True)
        return dataRDD.mapPartitions(functools.partial(feed, plan))

    def shutdown(self, ssc: "StreamingContext | None" = None, grace_secs: float = 0, timeout: float = 259200) -> None:
        """End the feeding, wait for the workers to return, then stop ps and evaluator.

        ``grace_secs`` is taken and not needed: what a worker still has to do is waited for, up to ``timeout`` seconds
        (-1: for ever). With a streaming context it first waits for that, and stops it once all workers have enough.

        Raises:
            RoleFailedError: a node failed, with its report.
            ClusterError: the nodes did not end in time; they have been ended.
        """
        if ssc is not None:
            self._wait_for_stream(ssc)
        if self._run.coordinator is not None:
            self._run.coordinator.end()
        self._run.wait(timeout)

    def abort(self, reason: str) -> None:
        """End every node at once, without waiting for its work."""
        self._run.abort(reason)

    def tensorboard_url(self) -> str | None:
        """Return the URL of TensorBoard; None if the cluster has none."""
        found = (node for node in self.cluster_info if node["tb_port"])
        return next((f"http://{node['host']}:{node['tb_port']}" for node in found), None)

    def _plan(self, what: str, qname: str, feed_timeout: float, *, wants_results: bool) -> FeedPlan:
        if self.input_mode != InputMode.SPARK or self._run.coordinator is None:
            raise UsageError(f"TFCluster.{what}() needs input_mode=InputMode.SPARK")
        if qname not in self.queues:
            raise UsageError(f"the cluster has no queue {qname!r}, only {', '.join(self.queues)}")
        self._run.raise_failure()
        address = (self.meta["server_addr"][0], self._run.coordinator.port)
        return FeedPlan(address, self._secret, qname, feed_timeout, wants_results)

    @contextlib.contextmanager
    def _own_failure(self) -> Iterator[None]:
        """Raise the run's own failure instead of Spark's error, or else the sentence that Spark's error quotes."""
        tag = f"sparkcv-{secrets.token_hex(8)}"
        self.sc.addJobTag(tag)
        try:
            with self._run.if_it_fails(lambda: self.sc.cancelJobsWithTag(tag)):  # Spark would try its tasks 4 times
                self._run.raise_failure()
                yield
        except Exception as err:
            text = str(getattr(err, "java_exception", "")) + str(err)
            ours = own_error(text)
            is_of_run = isinstance(ours, RoleFailedError) or "ChannelError" in text
            failure = self._run.failure_within(_FAILURE_S if is_of_run else _POLL_S)
            if failure is not None:
                raise failure from None
            if ours is not None:
                raise ours from err
            raise
        finally:
            self.sc.removeJobTag(tag)

    def _wait_for_stream(self, ssc: "StreamingContext") -> None:
        while not ssc.awaitTerminationOrTimeout(1):
            has_enough = self._run.coordinator is not None and self._run.coordinator.has_enough()
            if has_enough or self._run.is_over():
                ssc.stop(stopSparkContext=False, stopGraceFully=has_enough)
                return


def run(
    sc: "SparkContext",
    map_fun: Callable[[Any, Any], Any],
    tf_args: Any,
    num_executors: int,
    num_ps: int,
    tensorboard: bool = False,
    input_mode: int = InputMode.TENSORFLOW,
    log_dir: str | None = None,
    driver_ps_nodes: bool = False,
    master_node: str | None = None,
    reservation_timeout: float = 600,
    queues: Sequence[str] = ("input", "output", "error"),
    eval_node: bool = False,
    release_port: bool = True,
) -> TFCluster:
    """Start ``map_fun(tf_args, ctx)`` on ``num_executors`` nodes and return once it runs on all of them.

    Of the nodes ``num_ps`` are ps (with ``driver_ps_nodes`` on the driver's host), one is the chief, named
    ``master_node``, if that is given, one the evaluator with ``eval_node``, and the rest are workers. Executors have
    ``reservation_timeout`` seconds to be there, half of it to be granted.

    Raises:
        UsageError: arguments that cannot work, or a ``map_fun`` that cannot be called or sent.
        ClusterError: more nodes than Spark has slots.
        RoleFailedError: a node failed, with its report.
    """
    check_call(map_fun)
    jobs = jobs_of(num_executors, num_ps, master_node, eval_node)
    is_fed = input_mode == InputMode.SPARK
    if is_fed and driver_ps_nodes:
        raise UsageError("driver_ps_nodes needs input_mode=InputMode.TENSORFLOW")
    if is_fed and eval_node:
        raise UsageError("eval_node needs input_mode=InputMode.TENSORFLOW")
    secret = new_secret()
    payload = dump(Call(map_fun, tf_args, secret))
    set_up_log()
    roles = [Role(job, index) for job, count in jobs for index in range(count)]
    launcher = _launcher(sc, roles, num_ps, is_fed=is_fed, driver_ps_nodes=driver_ps_nodes)
    bind, host = launcher.bind_host()
    policy = policy_of(sc, together=is_in_lockstep(jobs), has_generations=not is_fed)
    coordinator = Coordinator(bind, secret, [str(role) for role in roles if role.job != "ps"]) if is_fed else None
    order = order_of(
        jobs,
        sc,
        queues=list(queues),
        release_port=release_port,
        tensorboard=first_trainer(roles) if tensorboard else -1,
        log_dir=log_dir or "",
        coordinator=[host, coordinator.port] if coordinator else [],
    )
    cluster_run = ClusterRun(
        launcher, roles, order, payload, policy=policy, start_timeout_s=reservation_timeout, coordinator=coordinator
    )
    cluster_run.wait_until_started()
    executor_ids = template(jobs)
    meta = {
        "id": random.getrandbits(64),
        "cluster_template": executor_ids,
        "num_executors": num_executors,
        "default_fs": default_fs(sc),
        "working_dir": os.getcwd(),
        "server_addr": (host, coordinator.port if coordinator else 0),
        "release_port": release_port,
    }
    cluster = TFCluster(sc, cluster_run, secret, meta, input_mode, queues)
    _log.info("all %d nodes run: %s", num_executors, executor_ids)
    if url := cluster.tensorboard_url():
        _log.info("TensorBoard: %s", url)
    return cluster


def _launcher(
    sc: "SparkContext", roles: Sequence[Role], num_ps: int, *, is_fed: bool, driver_ps_nodes: bool
) -> Launcher:
    session = _session(sc)
    everyone = range(len(roles))
    if is_fed:
        return DetachedLauncher(session, hold=[at for at in everyone if roles[at].job == "ps"])
    if driver_ps_nodes and num_ps:
        return DetachedLauncher(session, hold=everyone, on_driver=range(num_ps))
    return BarrierLauncher(session)


def _session(sc: "SparkContext") -> "SparkSession":
    from pyspark.sql import SparkSession

    return SparkSession(sc)


def _feed_all(plan: FeedPlan, rows: Iterable[Any]) -> None:
    for _ in feed(plan, rows):
        pass
