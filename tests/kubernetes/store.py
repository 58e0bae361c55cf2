"""The objects of a Kubernetes API in memory: versions, watches, selectors, owners, and who may do what."""

import copy
import datetime
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

KINDS = {
    "pods": ("v1", "Pod"),
    "configmaps": ("v1", "ConfigMap"),
    "services": ("v1", "Service"),
    "secrets": ("v1", "Secret"),
    "events": ("v1", "Event"),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim"),
    "persistentvolumes": ("v1", "PersistentVolume"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "resourcequotas": ("v1", "ResourceQuota"),
    "namespaces": ("v1", "Namespace"),
    "nodes": ("v1", "Node"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
    "roles": ("rbac.authorization.k8s.io/v1", "Role"),
    "rolebindings": ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    "jobs": ("batch/v1", "Job"),
    "priorityclasses": ("scheduling.k8s.io/v1", "PriorityClass"),
}
_SET = re.compile(r"(\S+) (in|notin) \(([^)]*)\)")


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, reason: str, message: str):
        super().__init__(message)
        self.code, self.reason = code, reason

    def body(self) -> dict[str, Any]:
        """The Status object that a client gets."""
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}}
        return status | {"message": str(self), "reason": self.reason, "code": self.code}


class Store:
    """All objects, by (resource, namespace, name). Any thread may use it."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.log: list[tuple[int, str, str, dict[str, Any]]] = []  # version, ADDED..., resource, object as it was
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._version = 100

    @property
    def version(self) -> int:
        return self._version

    def get(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        with self.changed:
            found = self._objects.get((resource, namespace, name))
            if found is None:
                raise ApiError(404, "NotFound", f'{resource} "{name}" not found')
            return copy.deepcopy(found)

    def find(self, resource: str, namespace: str = "", labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        with self.changed:
            return [
                copy.deepcopy(one)
                for (kind, where, _), one in sorted(self._objects.items())
                if kind == resource and (not namespace or where == namespace) and matches(one, labels, fields)
            ]

    def create(self, resource: str, namespace: str, given: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        made = copy.deepcopy(given)
        meta = made.setdefault("metadata", {})
        if not meta.get("name"):
            meta["name"] = f"{meta.get('generateName', resource + '-')}{uuid.uuid4().hex[:5]}"
        version, kind = KINDS.get(resource, ("v1", resource.rstrip("s").title()))
        made.update(apiVersion=version, kind=kind)
        with self.changed:
            if (resource, namespace, meta["name"]) in self._objects:
                raise ApiError(409, "AlreadyExists", f'{resource} "{meta["name"]}" already exists')
            meta.update(uid=str(uuid.uuid4()), creationTimestamp=now())
            if namespace:
                meta["namespace"] = namespace
            if resource == "pods":
                made["status"] = {"phase": "Pending"}
            if resource == "resourcequotas":
                made["status"] = {"hard": made["spec"]["hard"]}
            if dry_run:
                return made
            self._objects[resource, namespace, meta["name"]] = made
            return self._note("ADDED", resource, made)

    def change(
        self, resource: str, namespace: str, name: str, how: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> dict[str, Any]:
        """Have ``how`` change the object, or return another to put in its place."""
        with self.changed:
            found = self._objects.get((resource, namespace, name))
            if found is None:
                raise ApiError(404, "NotFound", f'{resource} "{name}" not found')
            changed = copy.deepcopy(found)
            changed = how(changed) or changed
            self._objects[resource, namespace, name] = changed
            return self._note("MODIFIED", resource, changed)

    def delete(self, resource: str, namespace: str, name: str, grace_s: int | None = None) -> dict[str, Any]:
        """Delete it; a pod on a node is only marked, and its kubelet deletes it once its processes have ended."""
        with self.changed:
            found = self.get(resource, namespace, name)
            if resource != "pods" or not found["spec"].get("nodeName") or not runs(found):
                return self.remove(resource, namespace, name)
            grace_s = found["spec"].get("terminationGracePeriodSeconds", 30) if grace_s is None else grace_s
            if grace_s == 0:
                return self.remove(resource, namespace, name)

            def mark(pod: dict[str, Any]) -> None:
                pod["metadata"].setdefault("deletionTimestamp", now())
                pod["metadata"].setdefault("deletionGracePeriodSeconds", grace_s)

            return self.change(resource, namespace, name, mark)

    def remove(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        """Remove it at once, and delete all that it owns, as the garbage collector does."""
        with self.changed:
            gone = self._objects.pop((resource, namespace, name), None)
            if gone is None:
                return {}
            self._note("DELETED", resource, gone)
            for kind, where, other in list(self._objects):
                owners = self._objects.get((kind, where, other), {}).get("metadata", {}).get("ownerReferences", [])
                if any(owner["uid"] == gone["metadata"]["uid"] for owner in owners):
                    self.delete(kind, where, other)
            return gone

    def watch(
        self, resource: str, namespace: str, labels: str, fields: str, since: int, is_open: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """Yield what happens after version ``since`` while ``is_open``; {} now and then where nothing happens."""
        at = 0
        while is_open():
            with self.changed:
                news = self.log[at:]
                at = len(self.log)
                if not news:
                    self.changed.wait(0.5)
                    news, at = self.log[at:], len(self.log)
            for version, deed, kind, one in news:
                where = one["metadata"].get("namespace", "")
                if version > since and kind == resource and namespace in ("", where) and matches(one, labels, fields):
                    yield {"type": deed, "object": one}
            if not news:
                yield {}

    def _note(self, deed: str, resource: str, one: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        one["metadata"]["resourceVersion"] = str(self._version)
        kept = copy.deepcopy(one)
        self.log.append((self._version, deed, resource, kept))
        self.changed.notify_all()
        return copy.deepcopy(kept)


def runs(pod: dict[str, Any]) -> bool:
    """Whether a pod runs, or may yet."""
    return pod["status"].get("phase") not in ("Succeeded", "Failed")


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def matches(one: dict[str, Any], labels: str, fields: str) -> bool:
    """Whether an object fits a label selector and a field selector."""
    have = one["metadata"].get("labels") or {}
    for name, how, values in _SET.findall(labels):
        if (have.get(name) in re.split(r"\s*,\s*", values)) != (how == "in"):
            return False
    for term in filter(None, _SET.sub("", labels).split(",")):
        name, sign, value = re.fullmatch(r"\s*([^=!\s]+)\s*(==?|!=|)\s*(\S*)\s*", term).groups()
        if sign == "" and name not in have:
            return False
        if sign and (have.get(name) == value) != (sign != "!="):
            return False
    for term in filter(None, fields.split(",")):
        path, _, value = term.partition("=")
        found: Any = one
        for word in path.split("."):
            found = (found or {}).get(word)
        if str(found or "") != value:
            return False
    return True
