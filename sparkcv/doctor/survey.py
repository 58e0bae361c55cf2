"""One Spark stage that touches every executor once, and what Spark's own books say of those that it did not reach."""

import dataclasses
import json
import platform
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sparkcv.config.port_range import PortRange
from sparkcv.doctor.facts import Machine, Silent
from sparkcv.doctor.finding import APPLICATION, Location
from sparkcv.doctor.probe import ProbeOrder
from sparkcv.spark.errors import heart, spark_sentence
from sparkcv.spark.session import bind_host
from sparkcv.tokens.server import TokenServer, TokenServerAddress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Survey", "executors"]

_MAX_ATTEMPTS = 4  # of a stage; Spark's default of spark.stage.maxConsecutiveAttempts
_MAX_ROUNDS = 3


def executors(spark: "SparkSession") -> dict[str, str]:
    """Return the host of each executor that is there now, by its name; with a local master that is the driver."""
    books = spark.sparkContext._jsc.sc().statusStore()
    found = books.executorList(True)
    hosts = {}
    for at in range(found.size()):
        row = found.apply(at)
        hosts[str(row.id())] = str(row.hostPort()).rpartition(":")[0]
    master = spark.sparkContext.master
    if not master.startswith("local") or master.startswith("local-cluster"):
        hosts.pop("driver", None)
    return hosts


class Survey:
    """Asks executors for facts of themselves; the stage's tasks are all there at once (``is_barrier``) or come along.

    Attributes:
        machines: what was told, by executor.
        silent: of those that told nothing.
    """

    def __init__(self, spark: "SparkSession", order: ProbeOrder, *, is_barrier: bool, timeout_s: float):
        self._spark, self._order, self._is_barrier = spark, order, is_barrier
        self._deadline_s = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self.machines: dict[str, Machine] = {}
        self.silent: list[Silent] = []

    def run(self, num_tasks: Callable[[], int], *, wants_all: bool = True) -> "Survey":
        """Run stages of ``num_tasks()`` tasks until each executor has told; Spark's errors become ``silent``.

        An executor that comes while a stage runs, or that another job keeps busy, gets another try.
        """
        for _ in range(_MAX_ROUNDS if wants_all else 1):
            with TokenServer(*bind_host(self._spark), PortRange.parse(self._order.port_range)) as tokens:
                stage = _Stage(self._spark, self._order, num_tasks(), self._is_barrier, tokens.address)
                is_over = stage.run(max(1.0, self._deadline_s - time.monotonic()))
            hosts = executors(self._spark)
            for name, values in stage.told().items():
                self.machines.setdefault(name, Machine.of(Location(name, hosts.get(name, ""), True), values))
            self.silent = stage.failures() if stage.error else []
            if not is_over:
                late = Silent(APPLICATION, f"the examination did not end within {self._timeout_s:.0f} s")
                self.silent = [late, *(one for one in self.silent if one.place.is_executor)]
            if self.silent or not hosts.keys() - self.machines.keys():
                break
        if wants_all:
            self.silent += self._passed_over()
        return self

    def _passed_over(self) -> list[Silent]:
        """The executors of which neither they themselves nor Spark told anything."""
        known = self.machines.keys() | {one.place.name for one in self.silent}
        why = "Spark gave it no task to be seen by"
        if self.silent:
            why = "given up when that of others failed"
        left = {name: host for name, host in executors(self._spark).items() if name not in known}
        return [Silent(Location(name, host, True), why, is_own=not self.silent) for name, host in left.items()]


class _Stage:
    """One Spark job of one stage, run in a thread of its own so that it can be given up."""

    def __init__(
        self, spark: "SparkSession", order: ProbeOrder, count: int, is_barrier: bool, tokens: TokenServerAddress | None
    ):
        self._tokens = tokens
        self._context, self._count, self._is_barrier = spark.sparkContext, count, is_barrier
        self._order = dataclasses.asdict(order)
        self._group = f"sparkcv-doctor-{uuid.uuid4().hex}"
        self._rows: list[tuple[int, int, str]] = []
        self.error = ""

    def run(self, timeout_s: float) -> bool:
        """Whether it ended in time; ``error`` is Spark's, if it failed."""
        from pyspark import InheritableThread

        thread = InheritableThread(target=self._collect, name="sparkcv-doctor", daemon=True)
        thread.start()
        thread.join(timeout_s)
        if not thread.is_alive():
            return True
        self._context.cancelJobGroup(self._group)
        thread.join(10.0)
        return False

    def told(self) -> dict[str, dict[str, Any]]:
        """The facts of each executor that sent some."""
        if not self._rows:
            return {}
        names = {row.taskId(): str(row.executorId()) for row in self._tasks(self._rows[0][0])}
        found: dict[str, dict[str, Any]] = {}
        for _, task, text in self._rows:
            values = json.loads(text)
            if values and task in names:
                found.setdefault(names[task], values)
        return found

    def failures(self) -> list[Silent]:
        """The executors whose tasks failed, each with the first reason; or the job's error, if no task tells."""
        tracker = self._context.statusTracker()
        reasons: dict[Location, str] = {}
        for job in tracker.getJobIdsForGroup(self._group):
            info = tracker.getJobInfo(job)
            for stage in info.stageIds if info else ():
                for row in self._tasks(stage):
                    if row.status() == "FAILED" and row.errorMessage().isDefined():
                        place = Location(str(row.executorId()), str(row.host()), True)
                        reasons.setdefault(place, heart(str(row.errorMessage().get())))
        return [Silent(place, why) for place, why in reasons.items()] or [Silent(APPLICATION, self.error)]

    def _tasks(self, stage: int) -> Iterator[Any]:
        books = self._context._jsc.sc().statusStore()
        for attempt in range(_MAX_ATTEMPTS):
            tasks = books.taskList(stage, attempt, self._count)
            for at in range(tasks.size()):
                yield tasks.apply(at)

    def _collect(self) -> None:
        try:
            self._context.setJobGroup(self._group, "sparkcv doctor")
            seats = self._context.parallelize(range(self._count), self._count)
            task = _task_of(self._order, self._is_barrier, dataclasses.asdict(self._tokens) if self._tokens else None)
            self._rows = (seats.barrier() if self._is_barrier else seats).mapPartitions(task).collect()
        except Exception as err:  # noqa: BLE001 - it is what the survey tells
            self.error = spark_sentence(err)


def _task_of(
    order: dict[str, Any], is_barrier: bool, tokens: dict[str, Any] | None
) -> Callable[[Any], Iterator[tuple[int, int, str]]]:
    """The stage's task. It travels by value, and so runs, and can say so, where there is no sparkcv to import."""

    def task(_: Any) -> Any:
        from pyspark import BarrierTaskContext, TaskContext

        context: Any = BarrierTaskContext.get() if is_barrier else TaskContext.get()
        try:
            from sparkcv.doctor import probe
        except ImportError as err:
            if is_barrier:
                context.allGather("0")
                context.barrier()
            found = {"python": platform.python_version(), "import_error": str(err)}
        else:
            if tokens is not None:
                from sparkcv.tokens import server

                server.attach(server.TokenServerAddress(**tokens))
            found = probe.examine(context, probe.ProbeOrder(**order), is_barrier)
        yield context.stageId(), context.taskAttemptId(), json.dumps(found)

    return task
