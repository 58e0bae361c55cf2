"""A kubelet and a scheduler whose pods are local processes, with what a test does to them.

Each pod has an address of its own (127.0.1.N), a folder, its volumes as folders in it, and the entrypoint of the
image; where a path of a mount stands in its variables, words or ConfigMaps, it is the folder's. There is no image, no
network and no mount of a pod's own: what is real are the processes, their memory, their signals and exit codes.
"""

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.hadoop.submit import ROOT, spark_home
from tests.kubernetes.store import ApiError, Store, now

ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"
NAMESPACE = "vision"
_MARK = "TESTS_POD_UID"
_POLL_S = 0.1
_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclasses.dataclass
class _Running:
    process: subprocess.Popen[bytes]
    pod: dict[str, Any]
    limit_bytes: int
    reason: str = ""  # why it was killed by the kubelet: OOMKilled
    end: dict[str, Any] = dataclasses.field(default_factory=dict)  # status that a test gave it


class Kubelet:
    """Runs the pods of a store."""

    def __init__(
        self, store: Store, root: Path, env: Mapping[str, str] | None = None, nodes: Mapping[str, int] | None = None
    ):
        """``env`` is the image's; ``nodes`` are memory in MB by name."""
        self.store, self.root = store, root
        self.nodes = dict(nodes or {"node-a": 100_000, "node-b": 100_000})
        self.missing_images: set[str] = set()
        self.image_paths: dict[str, str] = {}  # folders of the image, and where they are here
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SPARK_HOME": spark_home(),
            "LANG": "C.UTF-8",
            "HADOOP_USER_NAME": "sparkcv",
        } | dict(env or {})
        self._running: dict[str, _Running] = {}  # by uid
        self._started: set[str] = set()
        self._next_ip = 10
        self._lock = threading.RLock()
        self._closing = threading.Event()
        store.on_delete = self._terminate
        self._thread = threading.Thread(target=self._loop, name="tests-kubelet", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Kill all that runs."""
        self._closing.set()
        self._thread.join(10)
        with self._lock:
            for one in self._running.values():
                _kill_all(one.pod)

    def log(self, name: str) -> str:
        """What a pod has written."""
        path = self.root / name / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def all_pids(self) -> list[int]:
        """Every process of every pod that there was."""
        return pids(None)

    def process(self, name: str) -> psutil.Process:
        """The first process of a pod."""
        uid = self.store.get("pods", NAMESPACE, name)["metadata"]["uid"]
        return psutil.Process(self._running[uid].process.pid)

    def kill(self, name: str) -> None:
        """SIGKILL to all processes of a pod."""
        _kill_all(self.store.get("pods", NAMESPACE, name))

    def starve(self, name: str) -> None:
        """Have a pod be over its memory limit, as if it had grown."""
        uid = self.store.get("pods", NAMESPACE, name)["metadata"]["uid"]
        self._running[uid].limit_bytes = 1

    def evict(self, name: str, message: str = "The node was low on resource: memory.") -> None:
        """End a pod as a node under pressure does."""
        self._event(name, "Evicted", message)
        self._end_with(name, {"phase": "Failed", "reason": "Evicted", "message": message})

    def preempt(self, name: str) -> None:
        """Delete a pod for the sake of another one with a higher priority."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
        }

        def note(pod: dict[str, Any]) -> None:
            pod["status"].setdefault("conditions", []).append(condition)

        self.store.change("pods", NAMESPACE, name, note)
        self._event(name, "Preempted", "Preempted by pod 1f0 on node node-a")
        self.store.delete("pods", NAMESPACE, name)

    def _event(self, pod: str, reason: str, message: str) -> None:
        involved = {"kind": "Pod", "namespace": NAMESPACE, "name": pod}
        event = {"metadata": {"generateName": f"{pod}."}, "involvedObject": involved}
        self.store.create("events", NAMESPACE, event | {"reason": reason, "message": message, "type": "Warning"})

    def _end_with(self, name: str, status: dict[str, Any]) -> None:
        pod = self.store.get("pods", NAMESPACE, name)
        self._running[pod["metadata"]["uid"]].end = status
        _kill_all(pod)

    def _loop(self) -> None:
        while not self._closing.is_set():
            with self.store.changed:
                pods = self.store.find("pods")
            for job in self.store.find("jobs"):
                self._control(job, pods)
            for pod in pods:
                if pod["metadata"]["uid"] not in self._started:
                    self._schedule(pod)
            with self._lock:
                running = list(self._running.items())
            for uid, one in running:
                if one.process.poll() is not None:
                    self._ended(uid, one)
                elif one.limit_bytes and _resident(one.process.pid) > one.limit_bytes:
                    one.reason = "OOMKilled"
                    _kill_all(one.pod)
            with self.store.changed:
                self.store.changed.wait(_POLL_S)

    def _control(self, job: dict[str, Any], pods: list[dict[str, Any]]) -> None:
        """Be the Job controller: another pod after one that failed, unless its exit code ends the Job."""
        uid = job["metadata"]["uid"]
        own = [one for one in pods if any(ref["uid"] == uid for ref in one["metadata"].get("ownerReferences", []))]
        phases = [one["status"].get("phase") for one in own]
        final = job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
        codes = [
            one["state"].get("terminated", {}).get("exitCode")
            for pod in own
            for one in pod["status"].get("containerStatuses", [])
        ]
        if set(phases) - {"Failed"} or phases.count("Failed") > job["spec"]["backoffLimit"] or set(final) & set(codes):
            return
        meta = {
            "generateName": f"{job['metadata']['name']}-",
            "labels": job["spec"]["template"]["metadata"].get("labels", {}),
            "ownerReferences": [{"kind": "Job", "name": job["metadata"]["name"], "uid": uid}],
        }
        self.store.create("pods", NAMESPACE, {"metadata": meta, "spec": job["spec"]["template"]["spec"]})

    def _schedule(self, pod: dict[str, Any]) -> None:
        wanted = _request_mb(pod)
        missing = self._missing_claim(pod)
        free = dict(self.nodes)
        for one in self.store.find("pods"):
            node = one["spec"].get("nodeName")
            if node in free and one["status"].get("phase") in ("Pending", "Running"):
                free[node] -= _request_mb(one)
        node = next((name for name, left in sorted(free.items(), key=lambda one: -one[1]) if left >= wanted), None)
        if missing or node is None:
            why = f"0/{len(free)} nodes are available: {len(free)} Insufficient memory."
            if missing:
                why = f'0/{len(free)} nodes are available: persistentvolumeclaim "{missing}" not found.'
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
            if pod["status"].get("conditions") != [condition]:
                self._status(pod, {"phase": "Pending", "conditions": [condition]})
            return
        uid = pod["metadata"]["uid"]
        self._started.add(uid)
        pod["spec"]["nodeName"] = node
        container = pod["spec"]["containers"][0]
        if container["image"] in self.missing_images:
            why = f'Back-off pulling image "{container["image"]}"'
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": why}}
            self._status(pod, {"phase": "Pending", "containerStatuses": [_container(pod, waiting)]})
            return
        try:
            self._start(pod, container)
        except ApiError as err:
            waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": str(err)}}
            self._status(pod, {"phase": "Pending", "containerStatuses": [_container(pod, waiting)]})
            self._started.discard(uid)  # it is tried again

    def _missing_claim(self, pod: dict[str, Any]) -> str:
        there = {
            one["metadata"]["name"] for one in self.store.find("persistentvolumeclaims", pod["metadata"]["namespace"])
        }
        for volume in pod["spec"].get("volumes", []):
            name = volume.get("persistentVolumeClaim", {}).get("claimName")
            if name and name not in there:
                return str(name)
        return ""

    def _start(self, pod: dict[str, Any], container: dict[str, Any]) -> None:
        folder = self.root / pod["metadata"]["name"]
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "work").mkdir(parents=True)
        with self._lock:
            address, self._next_ip = f"127.0.1.{self._next_ip}", self._next_ip + 1
        pod["status"]["podIP"] = address
        mounts = self._mounts(pod, container, folder) | self.image_paths
        termination = container.get("terminationMessagePath", "/dev/termination-log")
        mounts[termination] = str(folder / "termination-log")
        self._write_maps(pod, container, mounts)
        command = container.get("command") or [str(ENTRYPOINT)]
        given = {one["name"]: self._value(one, pod) for one in container.get("env", [])}
        words = [_local(_expanded(word, given), mounts) for word in [*command, *container.get("args", [])]]
        env = self.env | {
            "HOME": str(folder),
            "TMPDIR": str(folder / "work"),
            _MARK: f"{os.getpid()}.{pod['metadata']['uid']}",
        }
        env |= {name: _local(value, mounts) for name, value in given.items()}
        env.setdefault("SPARKCV_TERMINATION_LOG", str(folder / "termination-log"))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                words,
                env=env,
                cwd=folder / "work",
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        limit = container.get("resources", {}).get("limits", {}).get("memory")
        with self._lock:
            self._running[pod["metadata"]["uid"]] = _Running(process, pod, _bytes(limit) if limit else 0)
        running = {"running": {"startedAt": now()}}
        started = {
            "phase": "Running",
            "podIP": address,
            "startTime": now(),
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [_container(pod, running)],
        }
        self._status(pod, started)

    def _mounts(self, pod: dict[str, Any], container: dict[str, Any], folder: Path) -> dict[str, str]:
        volumes = {one["name"]: one for one in pod["spec"].get("volumes", [])}
        found = {}
        for mount in container.get("volumeMounts", []):
            volume = volumes[mount["name"]]
            if "hostPath" in volume:
                found[mount["mountPath"]] = volume["hostPath"]["path"]
                continue
            where = folder / "volumes" / mount["name"]
            if "persistentVolumeClaim" in volume:  # it outlives pods
                where = self.root / "claims" / volume["persistentVolumeClaim"]["claimName"]
            where.mkdir(parents=True, exist_ok=True)
            if mount["mountPath"] != "/dev/shm":
                found[mount["mountPath"]] = str(where)
        return found

    def _write_maps(self, pod: dict[str, Any], container: dict[str, Any], mounts: Mapping[str, str]) -> None:
        for volume in pod["spec"].get("volumes", []):
            name = volume.get("configMap", {}).get("name")
            if name is None:
                continue
            held = self.store.get("configmaps", pod["metadata"]["namespace"], name)
            for mount in container.get("volumeMounts", []):
                if mount["name"] == volume["name"]:
                    paths = {one["key"]: one["path"] for one in volume["configMap"].get("items", [])}
                    for file, text in (held.get("data") or {}).items():
                        if not paths or file in paths:
                            path = Path(mounts[mount["mountPath"]], paths.get(file, file))
                            path.write_text(_local(text, mounts))

    def _value(self, one: dict[str, Any], pod: dict[str, Any]) -> str:
        source = one.get("valueFrom")
        if source is None:
            return str(one.get("value") or "")
        if "fieldRef" in source:
            found: Any = pod
            for word in source["fieldRef"]["fieldPath"].split("."):
                found = found[word]
            return str(found)
        raise ApiError(400, "BadRequest", f"the tests' kubelet does not know {sorted(source)}")

    def _ended(self, uid: str, one: _Running) -> None:
        _kill_all(one.pod)  # what its first process has left behind, as the end of a container's processes does
        with self._lock:
            del self._running[uid]
        code = one.process.returncode
        code = 128 - code if code < 0 else code
        name = one.pod["metadata"]["name"]
        told = self.root / name / "termination-log"
        ended = {"exitCode": code, "reason": one.reason or ("Completed" if code == 0 else "Error"), "finishedAt": now()}
        if told.exists():
            ended["message"] = told.read_text(errors="replace")[-4096:]
        status = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [_container(one.pod, {"terminated": ended})],
        }
        self._status(one.pod, status | one.end)
        with contextlib.suppress(ApiError):
            if self.store.get("pods", NAMESPACE, name)["metadata"].get("deletionTimestamp"):
                self.store.remove("pods", NAMESPACE, name)

    def _status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        def put(one: dict[str, Any]) -> None:
            one["status"] = {**one["status"], **status}
            if "nodeName" in pod["spec"]:
                one["spec"]["nodeName"] = pod["spec"]["nodeName"]

        with contextlib.suppress(ApiError):  # it may be gone
            changed = self.store.change("pods", pod["metadata"]["namespace"], pod["metadata"]["name"], put)
            pod["status"] = changed["status"]

    def _terminate(self, pod: dict[str, Any], grace_s: int) -> bool:
        """SIGTERM, then SIGKILL; False for a pod that does not run."""
        with self._lock:
            one = self._running.get(pod["metadata"]["uid"])
        if one is None:
            self._started.add(pod["metadata"]["uid"])
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.process.pid, signal.SIGTERM if grace_s else signal.SIGKILL)

        def end() -> None:
            deadline_s = time.monotonic() + grace_s
            while one.process.poll() is None and time.monotonic() < deadline_s:
                time.sleep(_POLL_S)
            _kill_all(pod)

        threading.Thread(target=end, name="tests-kubelet-end", daemon=True).start()
        return True


def pids(pod: dict[str, Any] | None) -> list[int]:
    """All processes of a pod, or of all pods of this process's, by the variable that they have inherited."""
    mark = f"{_MARK}={os.getpid()}.{pod['metadata']['uid'] if pod else ''}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if any(one == mark or (pod is None and one.startswith(mark)) for one in path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
    return found


def _kill_all(pod: dict[str, Any]) -> None:
    for pid in pids(pod):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _resident(pid: int) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for one in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss - one.memory_info().shared
    return total


def _request_mb(pod: dict[str, Any]) -> float:
    resources = pod["spec"]["containers"][0].get("resources", {})
    return _bytes(resources.get("requests", {}).get("memory", "0")) / 2**20


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([A-Za-z]*)", text)
    assert found, text
    return int(found[1]) * _UNITS[found[2]]


def _container(pod: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    container = pod["spec"]["containers"][0]
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def _expanded(word: str, env: Mapping[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), word)


def _local(text: str, mounts: Mapping[str, str]) -> str:
    for path in sorted(mounts, key=len, reverse=True):
        text = re.sub(rf"(?:(?<![\w./-])|(?<=://)){re.escape(path)}(?![\w-])", mounts[path], text)
    return text
