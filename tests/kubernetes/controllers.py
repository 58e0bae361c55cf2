"""The scheduler and the controller of Jobs beside the API in memory.

Where the control plane is real, so are they.
"""

import contextlib
import re
import threading
from typing import Any

from tests.kubernetes.store import ApiError, Store

_POLL_S = 0.1
_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


class Controllers:
    """Looks at pods and Jobs whenever something has changed."""

    def __init__(self, store: Store):
        self._store = store
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tests-k8s-controllers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(10)

    def _loop(self) -> None:
        seen = -1
        while not self._closing.is_set():
            if seen == self._store.version:
                with self._store.changed:
                    self._store.changed.wait(_POLL_S)
                continue
            seen = self._store.version
            pods = self._store.find("pods")
            for job in self._store.find("jobs"):
                self._control(job, pods)
            for pod in pods:
                if "nodeName" not in pod["spec"]:
                    with contextlib.suppress(ApiError):  # it is gone meanwhile
                        self._schedule(pod)

    def _control(self, job: dict[str, Any], pods: list[dict[str, Any]]) -> None:
        """Make another pod after one that failed, unless its exit code ends the Job."""
        meta, spec = job["metadata"], job["spec"]
        own = [p for p in pods if any(ref["uid"] == meta["uid"] for ref in p["metadata"].get("ownerReferences", []))]
        phases = [one["status"].get("phase") for one in own]
        final = spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
        codes = [
            one["state"].get("terminated", {}).get("exitCode")
            for pod in own
            for one in pod["status"].get("containerStatuses", [])
        ]
        if set(phases) - {"Failed"} or phases.count("Failed") > spec["backoffLimit"] or set(final) & set(codes):
            return
        made = {
            "generateName": f"{meta['name']}-",
            "labels": spec["template"]["metadata"].get("labels", {}),
            "ownerReferences": [{"kind": "Job", "name": meta["name"], "uid": meta["uid"]}],
        }
        self._store.create("pods", meta["namespace"], {"metadata": made, "spec": spec["template"]["spec"]})

    def _schedule(self, pod: dict[str, Any]) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        nodes = self._store.find("nodes")
        free = {one["metadata"]["name"]: memory_bytes(one["status"]["allocatable"]) for one in nodes}
        for one in self._store.find("pods"):
            if one["spec"].get("nodeName") in free and one["status"].get("phase") in ("Pending", "Running"):
                free[one["spec"]["nodeName"]] -= request_bytes(one)
        wanted, missing = request_bytes(pod), self._missing_claim(pod)
        node = next((name for name, left in sorted(free.items(), key=lambda one: -one[1]) if left >= wanted), None)
        if node is not None and not missing:

            def bind(one: dict[str, Any]) -> None:
                one["spec"]["nodeName"] = node
                one["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]

            self._store.change("pods", namespace, name, bind)
            return
        why = f"0/{len(free)} nodes are available: {len(free)} Insufficient memory."
        if missing:
            why = f'0/{len(free)} nodes are available: persistentvolumeclaim "{missing}" not found.'
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
        if pod["status"].get("conditions") != [condition]:
            self._store.change("pods", namespace, name, lambda one: one["status"].update(conditions=[condition]))

    def _missing_claim(self, pod: dict[str, Any]) -> str:
        there = {
            one["metadata"]["name"] for one in self._store.find("persistentvolumeclaims", pod["metadata"]["namespace"])
        }
        for volume in pod["spec"].get("volumes", []):
            name = volume.get("persistentVolumeClaim", {}).get("claimName")
            if name and name not in there:
                return str(name)
        return ""


def memory_bytes(resources: dict[str, str]) -> int:
    """The memory of requests, limits or a node; 0 for none."""
    found = re.fullmatch(r"(\d+)([A-Za-z]*)", resources.get("memory", "0"))
    assert found, resources
    return int(found[1]) * _UNITS[found[2]]


def request_bytes(pod: dict[str, Any]) -> int:
    return memory_bytes(pod["spec"]["containers"][0].get("resources", {}).get("requests", {}))
