"""Launch agents by a stock ``TFCluster.run`` of tensorflowonspark, each node of which is one task slot.

The only module that imports tensorflowonspark. All nodes are "worker" in its eyes, in InputMode.TENSORFLOW: so each
runs in its Spark task's own process, and ends with it. What it lacks is added here: an exchange and the news that an
agent died (rendezvous.py), and a bound on what it does to Spark (scoped_context.py). What cannot be added from outside
stays as it is, and tests/launchers/test_tfos.py says what that is: it polls every 5 s, and its reservation server
unpickles what anybody sends.
"""

import argparse
import contextlib
import functools
import subprocess
import threading
import warnings
from typing import TYPE_CHECKING, Any

from sparkcv import logs
from sparkcv.channel.control import Server, new_secret
from sparkcv.errors import ClusterError
from sparkcv.launchers import Body
from sparkcv.launchers.barrier import BarrierLaunch, BarrierLauncher, gpus_of, scratch_root
from sparkcv.launchers.rendezvous import Rendezvous, RendezvousOrder, join
from sparkcv.launchers.scoped_context import ScopedContext

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["TfosLaunch", "TfosLauncher"]

_POLL_S = 0.1
_RESERVATION_TIMEOUT_S = 3600  # the supervisor's own is shorter, and tells who is missing

_log = logs.get(__name__)
_reaper: "subprocess.Popen[bytes] | None" = None  # in a Spark task's process


class TfosLauncher(BarrierLauncher):
    """Start agents as the nodes of a TFCluster on ``spark``; slots and interface are as BarrierLauncher's."""

    def __init__(self, spark: "SparkSession"):
        """Raise ClusterError where tensorflowonspark cannot be imported, or for a session that cannot hold roles."""
        super().__init__(spark)
        _tf_cluster()

    def launch(self, name: str, count: int, body: Body) -> "TfosLaunch":
        """Start the TFCluster, from a thread of its own."""
        return TfosLaunch(self._spark, name, count, body, self.bind_host())


class TfosLaunch(BarrierLaunch):
    """A TFCluster that was started: over once it has been shut down, whether it succeeded or failed."""

    _attempts_each = 4  # Spark's default of spark.task.maxFailures

    def __init__(self, spark: "SparkSession", name: str, count: int, body: Body, bind_host: tuple[str, str]):
        """Start it and return at once; ``bind_host`` is as the launcher's."""
        self._bind_host = bind_host
        self.rendezvous = Rendezvous(count)
        self._is_cancelled = threading.Event()
        super().__init__(spark, name, count, body)

    def complaint(self, task: str) -> str:
        """Return the error of the slot that failed first, or else Spark's record of it."""
        if self.rendezvous.faulty_slot is not None:
            return f"task slot {self.rendezvous.faulty_slot} failed: {self.rendezvous.fault}"
        return super().complaint(task)

    def cancel(self) -> None:
        """Cancel what runs, and let the cluster start nothing more."""
        self._is_cancelled.set()
        super().cancel()

    def _run(self) -> None:
        try:
            secret = new_secret()
            with Server(self._bind_host[0], secret, self.rendezvous.received, self.rendezvous.closed) as server:
                order = RendezvousOrder((self._bind_host[1], server.port), secret, self._body)
                stock = _Stock(ScopedContext(self._context, self._group, self._name), self._count, order)
                self._follow(stock)
                self._error = self._first_error(stock)
        except Exception as err:  # noqa: BLE001 - it travels to the supervisor by error()
            self._error = self._error or f"{type(err).__name__}: {err}"

    def _follow(self, stock: "_Stock") -> None:
        """Return once stock has ended, which the first slot that fails makes it do."""
        is_ending = False
        while stock.is_alive():
            if not is_ending and (self._is_cancelled.is_set() or self.rendezvous.fault):
                is_ending = True
                with contextlib.suppress(Exception):  # the session may be gone; then stock fails by itself
                    stock.context.cancelAllJobs()
            stock.join(_POLL_S)

    def _first_error(self, stock: "_Stock") -> str:
        if self.rendezvous.faulty_slot is not None:
            return f"task slot {self.rendezvous.faulty_slot}: {self.rendezvous.fault}"
        return stock.context.error or ("" if self.rendezvous.all_left() else stock.error)


class _Stock(threading.Thread):
    """Run a TFCluster from start to shutdown; nothing that it raises, ``sys.exit`` included, gets out of here."""

    def __init__(self, context: ScopedContext, count: int, order: RendezvousOrder):
        super().__init__(name="sparkcv-tfos", daemon=True)
        self.context, self._count, self._order = context, count, order
        self.error = ""
        self.start()

    def run(self) -> None:
        """Run in the thread."""
        try:
            self._run()
        except SystemExit as err:
            self.error = f"TFCluster called sys.exit({err.code})"
        except Exception as err:  # noqa: BLE001 - it travels by ``error``
            self.error = f"TFCluster failed: {type(err).__name__}: {err}"

    def _run(self) -> None:
        stock = _tf_cluster()
        stock.tf_status.clear()  # of the module: a failed cluster would end every later one in this process
        cluster = stock.run(
            self.context,
            functools.partial(_take_slot, self._order, self._count),
            argparse.Namespace(),
            self._count,
            num_ps=0,
            input_mode=stock.InputMode.TENSORFLOW,
            reservation_timeout=_RESERVATION_TIMEOUT_S,
        )
        try:
            cluster.shutdown(timeout=-1)  # with one it would set a SIGALRM, which ends the process by sys.exit
        finally:
            cluster.server.stop()


def _tf_cluster() -> Any:
    """Import stock's module, which takes seconds, as it imports TensorFlow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources warns of itself
        try:
            from tensorflowonspark import TFCluster
        except ImportError as err:
            raise ClusterError(
                f"--launcher tensorflowonspark: it cannot be imported here: {err}; it needs tensorflowonspark 2.2.5 and"
                " a setuptools below 81"
            ) from err
    return TFCluster


def _take_slot(order: RendezvousOrder, count: int, args: Any, ctx: Any) -> None:
    """Take a slot: the node's "main function", in the Spark task's own process."""
    del args
    from pyspark import TaskContext

    context = TaskContext.get()
    _end_along(ctx.mgr)
    task = f"{context.stageId()}.{context.taskAttemptId()}"
    join(order, ctx.executor_id, count, task, scratch_root(), gpus_of(context))


def _end_along(manager: Any) -> None:
    """See that the node's manager process ends with this one, as stock leaves it running if this is killed."""
    global _reaper
    if _reaper is not None:
        _reaper.kill()  # its manager went when this process, used again, made another
        _reaper.wait()
    command = ["/bin/sh", "-c", "read -r _; kill -9 $0", str(manager._process.pid)]
    # The shell waits on a pipe that only this process holds open.
    _reaper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
