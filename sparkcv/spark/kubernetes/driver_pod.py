"""The driver's pod of cluster mode, followed from its creation to its end, which gives the exit code."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any

from sparkcv import logs
from sparkcv.errors import EXIT_FAILED, EXIT_OK, EXIT_PREEMPTED, ClusterError, PreemptedError
from sparkcv.spark.kubernetes import pods
from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient

__all__ = ["follow", "remove"]

_POLL_S = 1.0
_GONE_S = 60.0  # the API may be away for so long, and a pod that was told to end may be late by that
_GRACE_S = 30  # Kubernetes' own
_ENDED = ("Succeeded", "Failed")
_LOG_END_S = 5.0
_LOG_AGAIN_S = 10.0  # more than it takes to learn that the driver, and so its log, has ended
_GOES_ON = "the same command goes on from the newest checkpoint"

_log = logs.get(__name__)


def follow(client: KubernetesClient, name: str, patience_s: float, output: Any) -> int:
    """Return the exit code of the driver in the pod ``name``, once it has ended; delete the pod, and so all it owns.

    ``output``, a Java stream, gets its log. Raises ClusterError, with the pod deleted, if it does not start within
    ``patience_s`` and Kubernetes says why, and if it was killed; PreemptedError if its pod was deleted.
    """
    pod = _until(client, name, lambda one: one["status"].get("phase") not in ("Pending", None), patience_s)
    _log.info("the driver runs: %s", pods.named(pod))
    is_over = threading.Event()
    stream = threading.Thread(
        target=_copy_log, args=(client, pod, output, is_over), name="sparkcv-driver-log", daemon=True
    )
    stream.start()
    try:
        pod = _until(client, name, _has_ended)
    finally:
        is_over.set()
        stream.join(_LOG_END_S)
    remove(client, name)
    code, reason = _exit_code(pod), pod["status"].get("reason")
    if code == EXIT_OK:
        return EXIT_OK
    if code == EXIT_PREEMPTED and reason:
        raise PreemptedError(f"the driver was told to end: {pods.ended(pod)}; {_GOES_ON}")
    if code is None or reason:
        raise ClusterError(f"the driver was lost: {pods.ended(pod)}")
    if code > 128 or _was_killed(pod):
        raise ClusterError(f"the driver died: {pods.ended(pod)}{_driver_memory(pod)}")
    return code


def remove(client: KubernetesClient, name: str) -> None:
    """Delete the pod, and so all it owns; what keeps that from being is told, and hides nothing else.

    An API that is away is asked again for a minute.
    """
    deadline_s = time.monotonic() + _GONE_S
    while True:
        try:
            client.delete(f"pods/{name}")
            return
        except ApiError as err:
            if 400 <= err.code < 500 or time.monotonic() >= deadline_s:
                _log.warning("pod %s is left in namespace %s, kubectl delete it: %s", name, client.namespace, err)
                return
        time.sleep(_POLL_S)


def _has_ended(pod: dict[str, Any]) -> bool:
    """Tell whether the driver has: where another container runs beside it, the pod goes on."""
    several = len(pod["status"].get("containerStatuses", [])) > 1
    return pod["status"].get("phase") in _ENDED or (several and bool(pods.terminated(pod)))


def _until(
    client: KubernetesClient, name: str, is_so: Callable[[dict[str, Any]], bool], patience_s: float | None = None
) -> dict[str, Any]:
    """Return the pod once ``is_so``; with a patience, give up where something keeps it from starting."""
    blocked_s, told_s, heard_s, last = None, None, time.monotonic(), {}
    while True:
        now_s = time.monotonic()
        try:
            last, heard_s = client.get(f"pods/{name}"), now_s
            if is_so(last):
                return last
            why = pods.waits_for(last) or (pods.held_up(client, last) if patience_s is not None else "")
        except ApiError as err:
            if err.code == 404:
                raise _deleted(client, name, last) from err
            if now_s > heard_s + _GONE_S:
                raise
            why = ""
        blocked_s = (blocked_s or now_s) if why else None
        if patience_s is not None and blocked_s is not None and now_s >= blocked_s + patience_s:
            remove(client, name)
            raise ClusterError(f"the driver has not started: {why}")
        told_s = (told_s or now_s) if "deletionTimestamp" in last.get("metadata", {}) else None
        if (
            told_s is not None
            and now_s >= told_s + last["metadata"].get("deletionGracePeriodSeconds", _GRACE_S) + _GONE_S
        ):
            raise ClusterError(
                f"the driver was told to end, and its node does not say that it has: {pods.named(last)}; once the node"
                f" is known to be gone, kubectl delete pod {name} --force, and {_GOES_ON}"
            )
        time.sleep(_POLL_S)  # a watch would need Java to call back


def _deleted(client: KubernetesClient, name: str, last: dict[str, Any]) -> ClusterError | PreemptedError:
    """Return what to say of a pod that is gone: one that is deleted is told by SIGTERM, and saves its run."""
    if not last:
        return ClusterError(f"the driver's pod {name} is not there in namespace {client.namespace}")
    why = pods.lost(client, last, "")
    if "deletionTimestamp" in last["metadata"]:
        return PreemptedError(f"the driver was told to end: {why}; {_GOES_ON}")
    return ClusterError(f"the driver was lost: {why}")


def _exit_code(pod: dict[str, Any]) -> int | None:
    if pod["status"].get("phase") == "Succeeded":
        return EXIT_OK
    done = pods.terminated(pod)
    return int(done.get("exitCode", EXIT_FAILED)) if done else None


def _was_killed(pod: dict[str, Any]) -> bool:
    return "OOMKilled" in pods.ended(pod)


def _driver_memory(pod: dict[str, Any]) -> str:
    return ": raise spark.driver.memoryOverhead" if _was_killed(pod) else ""


def _copy_log(client: KubernetesClient, pod: dict[str, Any], output: Any, is_over: threading.Event) -> None:
    """Have Java copy the log to ``output`` until the pod has ended: a user sees what the driver says.

    A stream that ends before is opened anew: balancers and kubelets close those that are hours old, or silent.
    """
    from py4j.protocol import Py4JError

    name, container = pod["metadata"]["name"], pods.container_of(pod)["name"]
    shown_s, is_told = None, False
    while True:
        start_s = time.monotonic()
        try:
            client.copy_log(name, container, output, None if shown_s is None else math.ceil(start_s - shown_s))
            shown_s = time.monotonic()
        except (Py4JError, OSError) as err:
            if not is_told and not is_over.is_set():
                _log.warning("the driver's log cannot be shown for now: %s", str(err).split("\n")[0])
            is_told = True
            shown_s = time.monotonic() if time.monotonic() > start_s + _POLL_S else shown_s
        if is_over.wait(_LOG_AGAIN_S):
            return
