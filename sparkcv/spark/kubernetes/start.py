"""The start of an application on Kubernetes: what cannot work is told at once, and the wait for executors is bounded.

Spark itself waits for ever for pods that no node has room for, whose image is not there, or that nobody may create.
"""

import dataclasses
import re
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from sparkcv import logs
from sparkcv.errors import ClusterError, UsageError
from sparkcv.spark import kubernetes, yarn
from sparkcv.spark.kubernetes import pods, preflight
from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient, connect, make
from sparkcv.spark.kubernetes.permissions import DRIVER_VERBS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Obstacles", "PATIENCE", "await_executors", "check", "client_of", "patience_s"]

PATIENCE = "spark.sparkcv.kubernetes.pendingTimeout"
_DEFAULT_PATIENCE = "40s"  # a refusal within a minute of the start
_DURATION = re.compile(r"(\d+)(s|m|min|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_ALL_S = 60.0  # conversion and scoring start on whoever is there by then
_FIRST_S = 660.0  # a node that has not had the image yet fetches gigabytes before its first executor starts
_MOST_ASKED = 3
_ROUNDS = 3  # of executors that all ended: no one of that many was at fault by itself
# Spark would end the application, with exit code 11 and no word of ours, after twice as many as there are executors; it
# counts pods that a quota keeps out. How many losses a run can take, its own budget says.
_UNLESS_SET = {"spark.executor.maxNumFailures": "1000000"}
_POLL_S, _LOOK_EVERY_S = 0.2, 2.0
_FORGET_S = 15.0  # nobody has asked since: that was another wait

_log = logs.get(__name__)
_clients: dict[str, KubernetesClient] = {}  # of the application that runs


def check(conf: Mapping[str, str]) -> dict[str, str]:
    """Ask the API whether a session of these properties, and of those of spark-submit, can start.

    Return further properties for it; {} on another master, where nothing is asked. Raises ClusterError or UsageError,
    whose one sentence says what to change.
    """
    jvm, _ = yarn.java()
    java_conf = jvm.org.apache.spark.SparkConf()
    if not kubernetes.runs_on({"spark.master": java_conf.get("spark.master", "")}):
        return {}
    for name, value in conf.items():
        java_conf.set(name, value)
    given = {entry._1(): entry._2() for entry in java_conf.getAll()}
    patience_s(given)
    with connect(jvm, java_conf) as client:
        preflight.check(client, given, DRIVER_VERBS)
    return {name: value for name, value in _UNLESS_SET.items() if name not in given}


def client_of(spark: "SparkSession") -> KubernetesClient:
    """Return the client of the application that runs; raises ApiError."""
    application = spark.sparkContext.applicationId
    if application not in _clients:
        while _clients:
            _clients.popitem()[1].close()
        _clients[application] = make(yarn.java()[0], spark.sparkContext._jsc.sc().conf())
    return _clients[application]


def await_executors(spark: "SparkSession") -> None:
    """Wait a minute at most for all executors; does nothing on another master.

    Where by then none is there, it goes on waiting for the first of those that are starting. Raises ClusterError where
    none comes: after the patience where Kubernetes says what keeps them, else after ten minutes more.
    """
    if not kubernetes.is_kubernetes(spark):
        return
    if spark.sparkContext.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        return  # they come with the tasks
    wanted = int(spark.sparkContext.getConf().get("spark.executor.instances", "2"))
    obstacles, start_s = Obstacles(spark), time.monotonic()
    while (there := _registered(spark)) < wanted:
        waited_s, why = time.monotonic() - start_s, obstacles.lasting(wanted - there)
        if there > 0 and (why or waited_s > _ALL_S):
            _log.warning("%d of %d executors are there: %s", there, wanted, why or "the others are still starting")
            return
        if waited_s > _FIRST_S or (why and obstacles.num_starting == 0):
            within = f" within {waited_s:.0f} s" if waited_s > _FIRST_S else ""
            see = f"see kubectl describe pods -l spark-app-selector={spark.sparkContext.applicationId}"
            raise ClusterError(f"no executor has started{within}: {why or see}")
        time.sleep(_POLL_S)


def patience_s(conf: Any) -> float:
    """Return the seconds for which a pod may be kept from starting; raises UsageError for a bad property."""
    text = conf.get(PATIENCE, _DEFAULT_PATIENCE)
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{PATIENCE}: got {text!r}, wanted a time such as 40s or 10min")
    return float(int(found[1]) * _SECONDS[found[2][:1]])


@dataclasses.dataclass
class Obstacles:
    """What keeps executors' pods from starting, looked at every 2 s.

    Attributes:
        num_starting: of the pods, those that nothing keeps.
        num_placed: those that have a node; None where that says nothing of when they start.
    """

    spark: "SparkSession"
    num_starting: int = 0
    num_placed: int | None = None
    _ended: str = ""
    _since_s: float | None = None
    _looked_s: float = 0.0
    _why: str = ""

    def lasting(self, num_missing: int) -> str:
        """Return what has kept one of ``num_missing`` executors for as long as the patience is; "" before."""
        now_s = time.monotonic()
        if now_s >= self._looked_s + _LOOK_EVERY_S:
            if now_s > self._looked_s + _FORGET_S:
                self._since_s = None
            self._looked_s, self._why = now_s, self.look(num_missing)
            self._since_s = (self._since_s or now_s) if self._why else None
        is_lasting = self._since_s is not None and now_s - self._since_s >= patience_s(
            self.spark.sparkContext.getConf()
        )
        return self._why if is_lasting else ""

    def look(self, num_missing: int) -> str:
        """Return what keeps executors now: of their pods, or of the API where it makes none."""
        try:
            self.num_placed, client = None, client_of(self.spark)
            found = pods.executors(client, self.spark.sparkContext.applicationId).values()
            reasons = [why for pod in found if (why := pods.waits_for(pod))]
            starting = [pod for pod in found if _may_run(pod)]
            self.num_starting = len(starting) - len(reasons)
            if ending := self._ending(found):
                self.num_starting = 0
                return ending
            self.num_placed = sum("nodeName" in pod.get("spec", {}) for pod in starting)
            if reasons:
                more = f" (and {len(reasons) - 1} more)" if reasons[1:] else ""
                return reasons[0] + more
            if len(starting) - _registered(self.spark) >= num_missing:
                return self._held_up(client, starting)
            return preflight.refusal(client, dict(self.spark.sparkContext.getConf().getAll()))
        except ApiError as err:
            self.num_starting = 0
            return str(err)

    def _held_up(self, client: KubernetesClient, starting: list[dict[str, Any]]) -> str:
        """Return what a node says that keeps a pod, by the events of some: those of all would be many requests."""
        placed = [pod for pod in starting if pod["status"]["phase"] == "Pending"][:_MOST_ASKED]
        found = [why for pod in placed if (why := pods.held_up(client, pod))]
        if found and len(found) == len(placed):
            self.num_starting = 0
        return found[0] if found else ""

    def _ending(self, found: Collection[dict[str, Any]]) -> str:
        """Return how executors end that end as soon as they start; "" before all have done so several times.

        Spark replaces them without an end, deletes them at once, and counts on: the newest number says how often.
        """
        self._ended = next((ended for pod in found if (ended := pods.ended(pod))), self._ended)
        newest = max((int(pod["metadata"]["labels"].get("spark-exec-id", 0)) for pod in found), default=0)
        asked = int(self.spark.sparkContext.getConf().get("spark.executor.instances", "2"))
        if not self._ended or _registered(self.spark) or newest <= _ROUNDS * asked:
            return ""
        return (
            f"executors end as soon as they start, the last that was seen: {self._ended}; see the image, and kubectl"
            " logs with --conf spark.kubernetes.executor.deleteOnTermination=false"
        )


def _may_run(pod: dict[str, Any]) -> bool:
    ends = "deletionTimestamp" in pod["metadata"]
    return not ends and pod.get("status", {}).get("phase") in ("Pending", "Running")


def _registered(spark: "SparkSession") -> int:
    store = spark.sparkContext._jsc.sc().statusStore()
    return max(0, int(store.executorList(True).size()) - 1)  # one is the driver
