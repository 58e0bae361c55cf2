"""The default launcher: one Spark barrier stage, one task per agent, all started together or not at all."""

import contextlib
import functools
import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparkcv.errors import ClusterError
from sparkcv.launchers import Body, Slots, TaskSlot
from sparkcv.spark import kubernetes, yarn
from sparkcv.spark.errors import heart, loss_sentence, spark_sentence
from sparkcv.spark.kubernetes.executor_pods import ExecutorPods
from sparkcv.spark.kubernetes.start import Obstacles
from sparkcv.spark.local_dirs import scratch_root
from sparkcv.spark.memory import ExecutorMemory, executor_memory
from sparkcv.spark.session import bind_host, bracketed, submitted_executors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["BarrierLaunch", "BarrierLauncher", "gpus_of", "own_host"]

_MAX_STAGE_ATTEMPTS = 4  # Spark's default of spark.stage.maxConsecutiveAttempts


class BarrierLauncher:
    """Starts agents as the tasks of a barrier stage of ``spark``."""

    def __init__(self, spark: "SparkSession"):
        """Take a session; raises ClusterError for one that cannot run barrier stages."""
        self._context = spark.sparkContext
        self._spark = spark
        self._obstacles = Obstacles(spark) if kubernetes.is_kubernetes(spark) else None
        if self._context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
            raise ClusterError(
                "spark.dynamicAllocation.enabled is true, but all roles have to start together: "
                "submit with --conf spark.dynamicAllocation.enabled=false and --num-executors"
            )

    def slots(self) -> Slots:
        """Count the task slots of the executors that are there now, and of all that were asked for.

        Raises ClusterError once the application has ended, as nobody else tells while executors are waited for.
        """
        if stopped := _stopped(self._context):
            raise ClusterError(f"the Spark application has ended: {stopped}")
        scala = self._context._jsc.sc()
        now = int(scala.maxNumConcurrentTasks(scala.resourceProfileManager().defaultResourceProfile()))
        return Slots(now, self._most(now))

    def granted(self) -> int | None:
        """Count the task slots of the executors that YARN has granted, or Kubernetes placed; None elsewhere."""
        with _java_may_be_gone():
            each = self._slots_each()
            executors = self._obstacles.num_placed if self._obstacles else yarn.granted_executors(self._spark)
            return None if executors is None or each is None else executors * each
        return None

    def obstacle(self, num_missing: int) -> str:
        """Return what Kubernetes says of executors that do not start, in its words; "" elsewhere."""
        with _java_may_be_gone():
            return self._obstacles.lasting(num_missing) if self._obstacles else ""
        return ""

    def bind_host(self) -> tuple[str, str]:
        """Return Spark's own answer, as in ``session.bind_host``."""
        return bind_host(self._spark)

    def launch(self, name: str, count: int, body: Body) -> "BarrierLaunch":
        """Submit the stage as a job group of its own, from a thread of its own."""
        return BarrierLaunch(self._spark, name, count, body)

    def _most(self, now: int) -> int | None:
        master = self._context.master
        if master.startswith("local") and not master.startswith("local-cluster"):
            return now
        executors, each = submitted_executors(self._spark), self._slots_each()
        return None if executors is None or each is None else executors * each

    def _slots_each(self) -> int | None:
        """Count the task slots of an executor; None where Spark's standalone master decides."""
        conf = self._context.getConf()
        cores = conf.get("spark.executor.cores", "" if self._context.master.startswith("spark:") else "1")
        return int(cores) // int(conf.get("spark.task.cpus", "1")) if cores else None


class BarrierLaunch:
    """One barrier stage under way."""

    _attempts_each = 1  # how often Spark tries a task within one attempt of the stage

    def __init__(self, spark: "SparkSession", name: str, count: int, body: Body):
        """Submit the stage and return at once."""
        from pyspark import InheritableThread

        self._context = spark.sparkContext
        self._name, self._count, self._body = name, count, body
        self._group = f"sparkcv-{uuid.uuid4().hex}"
        self._error = ""
        self._pods = ExecutorPods(spark) if kubernetes.is_kubernetes(spark) else None
        self._thread = InheritableThread(target=self._run, name="sparkcv-launch", daemon=True)
        self._thread.start()

    def is_over(self) -> bool:
        """Return whether Spark's job has ended."""
        return not self._thread.is_alive()

    def error(self) -> str:
        """Return what Spark's message says of the cause, if the job failed."""
        return self._error if self.is_over() else ""

    def place(self, task: str) -> str:
        """Return the executor that Spark's status store names for that task."""
        with _java_may_be_gone():
            executor = self._executor_of(task)
            pod = self._pods.named(executor) if executor and self._pods else ""
            return f"Spark executor {executor}{pod and ', '}{pod}" if executor else ""
        return ""

    def loss(self, task: str) -> str:
        """Return why Spark removed the executor of that task; "" while it counts as alive."""
        with _java_may_be_gone():
            executors = self._status_store().executorList(False)
            name = self._executor_of(task)
            for at in range(executors.size()):
                found = executors.apply(at)
                if found.id() == name and not found.isActive():
                    reason = found.removeReason()
                    if not reason.isDefined():
                        return "Spark removed the executor"
                    told = self._pods.lost(name, str(reason.get())) if self._pods else ""
                    return told or loss_sentence(reason.get())
        return ""

    def complaint(self, task: str) -> str:
        """Return the error of the task that failed first in the stage, which Spark may be trying again."""
        with _java_may_be_gone():
            for found in self._tasks_beside(task):
                if found.status() == "FAILED" and found.errorMessage().isDefined():
                    return f"task {found.index()} failed: {heart(str(found.errorMessage().get()))}"
        return ""

    def stopped(self) -> str:
        """Return how the whole Spark application ended, or its Java process; "" while it runs."""
        return _stopped(self._context)

    def memory(self) -> ExecutorMemory | None:
        """Return it by Spark's properties, where the cluster manager holds executors to them."""
        with _java_may_be_gone():
            conf = self._context.getConf()
            bounds = self._context.master == "yarn" or self._pods is not None
            return executor_memory(dict(conf.getAll())) if bounds else None
        return None

    def _status_store(self) -> Any:
        return self._context._jsc.sc().statusStore()

    def _tasks_beside(self, task: str) -> Iterator[Any]:
        """Yield Spark's records of all tasks of a task's stage, earliest attempt first."""
        stage = int(task.partition(".")[0])
        for attempt in range(_MAX_STAGE_ATTEMPTS):
            tasks = self._status_store().taskList(stage, attempt, self._count * self._attempts_each)
            for at in range(tasks.size()):
                yield tasks.apply(at)

    def _executor_of(self, task: str) -> str:
        number = int(task.partition(".")[2])
        return next((str(found.executorId()) for found in self._tasks_beside(task) if found.taskId() == number), "")

    def cancel(self) -> None:
        """Cancel the job; Spark kills a Python worker that does not end within about 2 s."""
        if not self.is_over():
            with _java_may_be_gone():
                self._context.cancelJobGroup(self._group)

    def join(self, timeout_s: float) -> bool:
        """Wait for Spark's job to end."""
        self._thread.join(timeout_s)
        return self.is_over()

    def _run(self) -> None:
        try:
            self._context.setJobGroup(self._group, self._name)
            tasks = self._context.parallelize(range(self._count), self._count).barrier()
            tasks.mapPartitions(functools.partial(_run_body, self._body)).collect()
        except Exception as err:  # noqa: BLE001 - it travels to the supervisor by error()
            self._error = spark_sentence(err)


def _stopped(context: Any) -> str:
    """Return how a whole Spark application ended, or its Java process; "" while it runs."""
    with _java_may_be_gone():
        is_stopped = context._jsc.sc().isStopped()
        return "it was stopped from outside, by the cluster manager or a person" if is_stopped else ""
    return "its Java process is gone"


@contextlib.contextmanager
def _java_may_be_gone() -> Iterator[None]:
    """Go on where Spark's Java process does not answer any more: that must not hide why a run ended."""
    from py4j.protocol import Py4JError

    with contextlib.suppress(Py4JError, OSError):
        yield


def _run_body(body: Body, _: Iterator[int]) -> Iterator[Any]:
    """Be the Spark task: run the body in its slot."""
    from pyspark import BarrierTaskContext

    context = BarrierTaskContext.get()
    index = context.partitionId()
    body(
        TaskSlot(
            index=index,
            host=own_host(context.getTaskInfos()[index].address),
            task=f"{context.stageId()}.{context.taskAttemptId()}",
            scratch_root=scratch_root(),
            exchange=context.allGather,
            gpus=gpus_of(context),
        )
    )
    return iter(())


def own_host(address: str) -> str:
    """Return by which name other executors reach this one.

    Spark's ``address`` is the one that the driver sees its connection come from. On Kubernetes that is the node's where
    a driver outside of the cluster is spoken to by address translation; a pod knows its own.
    """
    own = os.environ.get("SPARK_EXECUTOR_POD_IP") or address.rpartition(":")[0]
    return bracketed(own)


def gpus_of(context: Any) -> tuple[str, ...]:
    """Return the addresses of this task's GPUs; () unless ``spark.task.resource.gpu.amount`` asks for some."""
    gpu = context.resources().get("gpu")
    return () if gpu is None else tuple(map(str, gpu.addresses))
