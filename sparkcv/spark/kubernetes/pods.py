"""What Kubernetes says of a pod: why it does not start, and how it ended, with the setting to change."""

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient
from sparkcv.spark.kubernetes.quantity import quantity

__all__ = ["container_of", "ended", "executors", "held_up", "lost", "named", "terminated", "waits_for"]

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_TELLING = ("Evicted", "Preempted", "TaintManagerEviction", "NodeNotReady")
_OOM = "OOMKilled"
_HELD_UP = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")


def executors(client: KubernetesClient, application: str) -> dict[str, dict[str, Any]]:
    """Return the executors' pods that are there, by the executor's number; raises ApiError."""
    selector = urllib.parse.quote(f"spark-app-selector={application},spark-role=executor")
    found = client.get(f"pods?labelSelector={selector}")
    return {one["metadata"]["labels"].get("spark-exec-id", ""): one for one in found.get("items", [])}


def named(pod: Mapping[str, Any]) -> str:
    """Return a pod's name and node: ``pod a on node b``."""
    node = pod.get("spec", {}).get("nodeName")
    return f"pod {pod['metadata']['name']}" + (f" on node {node}" if node else "")


def container_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container that Spark runs in, by its words, among those that a service mesh or a log agent adds."""
    several: list[dict[str, Any]] = pod.get("spec", {}).get("containers") or [{}]
    return next((one for one in several if one.get("args", [])[:1] in (["driver"], ["executor"])), several[0])


def terminated(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the container that Spark runs in has ended, as Kubernetes has it; {} if it has not."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    name = container_of(pod).get("name")
    own = [one for one in statuses if one.get("name") == name] or statuses[:1]
    return dict(own[0].get("state", {}).get("terminated") or {}) if own else {}


def waits_for(pod: Mapping[str, Any]) -> str:
    """Return what keeps a pod from starting, with what to change; "" if it runs, or only has not started yet."""
    status = pod.get("status", {})
    if status.get("phase") != "Pending":
        return ""
    for one in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = one.get("state", {}).get("waiting", {})
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE:
            return (
                f"{named(pod)} has no image ({reason}: {message or one.get('image')}): see --image"
                " (spark.kubernetes.container.image), its tag, and spark.kubernetes.container.image.pullSecrets"
            )
        if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            return f"{named(pod)} does not start ({reason}: {message})"
    for one in status.get("conditions", []):
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            reason, message = one.get("reason", "Pending"), one.get("message", "")
            return f"{named(pod)} has no node ({reason}: {message}){_room(message)}"
    return ""


def held_up(client: KubernetesClient, pod: Mapping[str, Any]) -> str:
    """Return what keeps a pod that has its node from starting there: a volume, its network; "" if nothing is known.

    That is told by its events alone. What was overcome since counts no more: the event that came last says so.
    """
    if pod.get("status", {}).get("phase") != "Pending" or not pod.get("spec", {}).get("nodeName"):
        return ""
    events = _all_events(client, pod["metadata"]["name"])
    last = max(map(_time, events), default="")
    latest = [one for one in events if _time(one) == last]
    if not latest or any(one["reason"] not in _HELD_UP for one in latest):
        return ""
    told = " ".join(latest[0].get("message", "").split())
    return (
        f"{named(pod)} does not start ({latest[0]['reason']}: {told}): see its volumes and its node, or raise"
        " spark.sparkcv.kubernetes.pendingTimeout where that comes right later"
    )


def ended(pod: Mapping[str, Any]) -> str:
    """Return how a pod that failed ended: ``pod a on node b was OOMKilled``; "" if it has not failed."""
    status, done = pod.get("status", {}), terminated(pod)
    if status.get("phase") != "Failed" and not done.get("exitCode"):
        return ""
    if status.get("reason"):
        return f"{named(pod)} was {status['reason']}: {status.get('message', '')}{_change(status['reason'])}"
    if done:
        return f"{named(pod)} {_exit(done.get('reason', ''), int(done.get('exitCode', -1)), _limit(pod))}"
    return f"{named(pod)} failed"


def lost(client: KubernetesClient, pod: Mapping[str, Any], reason: str) -> str:
    """Return why an executor's pod was lost, from Spark's words for it and what the API still knows; one sentence.

    ``pod`` is the pod as it was seen running.
    """
    told = "; ".join(_events(client, pod["metadata"]["name"]))
    brief = _after(reason, "The API gave the following brief reason")
    message = _after(reason, "The API gave the following message")
    why, code = _after(reason, r"termination reason"), _after(reason, r"exit code")
    if brief and brief != "N/A":
        return f"its {named(pod)} was {brief}: {message}{_change(brief)}"
    if code.isdigit():
        sentence = f"its {named(pod)} {_exit(why, int(code), _limit(pod))}"
        return f"{sentence} ({told})" if told else sentence
    if told:
        return f"its {named(pod)} was deleted: {told}{_change(told)}"
    return f"its {named(pod)} was deleted, by a person or the cluster manager"


def _exit(reason: str, code: int, limit_mb: int) -> str:
    if reason == _OOM:
        return f"was {_OOM} (exit code {code}), over its memory limit" + (f" of {limit_mb} MB" if limit_mb else "")
    by = f", killed by signal {code - 128}" if 128 < code < 160 else ""
    return f"ended with exit code {code}{by}" + (f" ({reason})" if reason not in ("", "Error", "Completed") else "")


def _change(reason: str) -> str:
    if "Evicted" in reason:
        return (
            "; the node ran out of something, and what asks for less than it uses goes first: raise"
            " spark.executor.memoryOverhead, or lower --spool_bytes where it is the disk"
        )
    if "Preempt" in reason:
        return "; pods of a higher priority took its place: see the priorityClassName of the executors' template"
    return ""


def _room(message: str) -> str:
    if "Insufficient" in message:
        return (
            ": ask for smaller executors (spark.executor.memory and memoryOverhead, spark.kubernetes.executor.request"
            ".cores), for fewer roles, or wait for room"
        )
    if "unbound" in message:
        return ": its claim has no volume yet, see its storage class and kubectl describe pvc"
    if "persistentvolumeclaim" in message:
        return ": create the claim in this namespace, or see spark.kubernetes.executor.volumes"
    return ""


def _events(client: KubernetesClient, name: str) -> list[str]:
    """Return what the cluster did to a pod, by its events; [] where they may not be read."""
    return [
        f"{one['reason']}: {one.get('message', '')}" for one in _all_events(client, name) if one["reason"] in _TELLING
    ]


def _all_events(client: KubernetesClient, name: str) -> list[dict[str, Any]]:
    try:
        found = client.get(f"events?fieldSelector={urllib.parse.quote(f'involvedObject.name={name}')}")
    except ApiError:
        return []
    return [one for one in found.get("items", []) if one.get("reason")]


def _time(event: Mapping[str, Any]) -> str:
    """Return when an event came last; as text of UTC it sorts. Whoever writes events fills in one or the other."""
    told = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next((str(one)[:19] for one in told if one), "")


def _after(text: str, label: str) -> str:
    found = re.search(rf"{label}: *([^\n]*)", text)
    return found[1].strip() if found else ""


def _limit(pod: Mapping[str, Any]) -> int:
    return quantity(container_of(pod).get("resources", {}).get("limits", {}).get("memory", "")) >> 20
