"""The start of an application on Kubernetes: what cannot work is told at once, and the wait for executors is bounded.

Spark itself waits for ever for pods that no node has room for, whose image is not there, or that nobody may create.
"""

import dataclasses
import re
import time
from collections.abc import Mapping
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

    Raises ClusterError where after the patience none is there, and Kubernetes says what keeps them.
    """
    if not kubernetes.is_kubernetes(spark):
        return
    if spark.sparkContext.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        return  # they come with the tasks
    wanted = int(spark.sparkContext.getConf().get("spark.executor.instances", "2"))
    obstacles, deadline_s = Obstacles(spark), time.monotonic() + _ALL_S
    while (there := _registered(spark)) < wanted and time.monotonic() < deadline_s:
        if why := obstacles.lasting(wanted - there):
            if there == 0 and obstacles.num_starting == 0:
                raise ClusterError(f"no executor has started: {why}")
            if there > 0:
                _log.warning("%d of %d executors are there: %s", there, wanted, why)
                return
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
    """What keeps executors' pods from starting, looked at every 2 s; ``num_starting`` are those that nothing keeps."""

    spark: "SparkSession"
    num_starting: int = 0
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
            client = client_of(self.spark)
            found = pods.executors(client, self.spark.sparkContext.applicationId).values()
            reasons = [why for pod in found if (why := pods.waits_for(pod))]
            starting = [pod for pod in found if pod.get("status", {}).get("phase") in ("Pending", "Running")]
            self.num_starting = len(starting) - len(reasons)
            if reasons:
                more = f" (and {len(reasons) - 1} more)" if reasons[1:] else ""
                return reasons[0] + more
            if len(starting) - _registered(self.spark) >= num_missing:
                # One request, for one of them: what a node or a volume refuses to one, it mostly does to all.
                stuck = next((pod for pod in starting if pod["status"]["phase"] == "Pending"), None)
                return pods.held_up(client, stuck) if stuck else ""
            return preflight.refusal(client, dict(self.spark.sparkContext.getConf().getAll()))
        except ApiError as err:
            return str(err)


def _registered(spark: "SparkSession") -> int:
    store = spark.sparkContext._jsc.sc().statusStore()
    return max(0, int(store.executorList(True).size()) - 1)  # one is the driver
