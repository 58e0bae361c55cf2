"""The driver's pod of cluster mode, followed from its creation to its end, which gives the exit code."""

import threading
import time
from collections.abc import Callable
from typing import Any

from sparkcv import logs
from sparkcv.errors import EXIT_FAILED, EXIT_OK, ClusterError, PreemptedError
from sparkcv.spark.kubernetes import pods
from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient

__all__ = ["follow"]

_POLL_S = 1.0
_GONE_S = 60.0  # the API may be away for so long
_ENDED = ("Succeeded", "Failed")
_LOG_END_S = 5.0

_log = logs.get(__name__)


def follow(client: KubernetesClient, name: str, patience_s: float, output: Any) -> int:
    """Return the exit code of the driver in the pod ``name``, once it has ended; delete the pod, and so all it owns.

    ``output``, a Java stream, gets its log. Raises ClusterError, with the pod deleted, if it does not start within
    ``patience_s`` and Kubernetes says why, and if it was killed; PreemptedError if its pod was deleted.
    """
    pod = _until(client, name, lambda one: one["status"].get("phase") not in ("Pending", None), patience_s)
    _log.info("the driver runs: %s", pods.named(pod))
    stream = threading.Thread(target=_copy_log, args=(client, name, output), name="sparkcv-driver-log", daemon=True)
    stream.start()
    try:
        pod = _until(client, name, lambda one: one["status"].get("phase") in _ENDED)
    finally:
        stream.join(_LOG_END_S)
    client.delete(f"pods/{name}")
    code = _exit_code(pod)
    if code is None:
        raise ClusterError(f"the driver was lost: {pods.ended(pod)}")
    if code > 128 or _was_killed(pod):
        raise ClusterError(f"the driver died: {pods.ended(pod)}{_driver_memory(pod)}")
    return code


def _until(
    client: KubernetesClient, name: str, is_so: Callable[[dict[str, Any]], bool], patience_s: float | None = None
) -> dict[str, Any]:
    """Return the pod once ``is_so``; with a patience, give up where something keeps it from starting."""
    blocked_s, heard_s, last = None, time.monotonic(), {}
    while True:
        now_s = time.monotonic()
        try:
            last, heard_s = client.get(f"pods/{name}"), now_s
            if is_so(last):
                return last
            why = pods.waits_for(last)
        except ApiError as err:
            if err.code == 404:
                raise _deleted(client, name, last) from err
            if now_s > heard_s + _GONE_S:
                raise
            why = ""
        blocked_s = (blocked_s or now_s) if why else None
        if patience_s is not None and blocked_s is not None and now_s >= blocked_s + patience_s:
            client.delete(f"pods/{name}")
            raise ClusterError(f"the driver has not started: {why}")
        time.sleep(_POLL_S)  # a watch would need Java to call back


def _deleted(client: KubernetesClient, name: str, last: dict[str, Any]) -> ClusterError | PreemptedError:
    """Return what to say of a pod that is gone: one that is deleted is told by SIGTERM, and saves its run."""
    if not last:
        return ClusterError(f"the driver's pod {name} is not there in namespace {client.namespace}")
    why = pods.lost(client, last, "")
    if "deletionTimestamp" in last["metadata"]:
        return PreemptedError(f"the driver was told to end: {why}; the same command goes on from the newest checkpoint")
    return ClusterError(f"the driver was lost: {why}")


def _exit_code(pod: dict[str, Any]) -> int | None:
    if pod["status"].get("phase") == "Succeeded":
        return EXIT_OK
    for one in pod["status"].get("containerStatuses", []):
        done = one.get("state", {}).get("terminated")
        if done and not pod["status"].get("reason"):
            return int(done.get("exitCode", EXIT_FAILED)) or EXIT_FAILED
    return None


def _was_killed(pod: dict[str, Any]) -> bool:
    return "OOMKilled" in pods.ended(pod)


def _driver_memory(pod: dict[str, Any]) -> str:
    return ": raise spark.driver.memoryOverhead" if _was_killed(pod) else ""


def _copy_log(client: KubernetesClient, name: str, output: Any) -> None:
    """Have Java copy the log to ``output`` until the pod has ended: a user sees what the driver says."""
    from py4j.protocol import Py4JError

    try:
        client.copy_log(name, output)
    except (Py4JError, OSError) as err:
        _log.warning("the driver's log cannot be shown: %s", str(err).split("\n")[0])
