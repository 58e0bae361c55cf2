"""A kubelet whose pods are local processes, with what a test does to them.

Each pod has an address of its own (127.0.1.N), a folder, its volumes as folders in it, and the entrypoint of the
image; where a path of a mount stands in its variables, words or ConfigMaps, it is the folder's. There is no network of
a pod's own, and an image only where ``image.py`` is given one: what is real are the processes, their memory, their
signals and exit codes.
"""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.hadoop.submit import ROOT, spark_home
from tests.kubernetes import pod_files
from tests.kubernetes.controllers import memory_bytes
from tests.kubernetes.image import ENTRYPOINT as ENTRYPOINT_IN_IMAGE
from tests.kubernetes.image import Image
from tests.kubernetes.store import ApiError, now, runs

ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"
NAMESPACE = "vision"
_MARK = "TESTS_POD_UID"
_POLL_S, _HEARTBEAT_S = 0.1, 10.0
_ROOM_MB = 100_000


@dataclasses.dataclass
class _Running:
    process: subprocess.Popen[bytes]
    pod: dict[str, Any]
    limit_bytes: int
    reason: str = ""  # why it was killed by the kubelet: OOMKilled
    end: dict[str, Any] = dataclasses.field(default_factory=dict)  # status that a test gave it
    is_ending: bool = False


class Kubelet:
    """Runs the pods of its nodes; it knows of them by the API alone, whichever that is."""

    def __init__(self, plane: Any, root: Path, env: Mapping[str, str] | None = None):
        """``env`` is the image's."""
        self.client, self.root, self._plane = plane.client, root, plane
        self.missing_images: set[str] = set()
        self.image_paths: dict[str, str] = {}  # folders of the image, and where they are here
        self.image: Image | None = None  # whose files the pods have for their root, if there is one
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SPARK_HOME": spark_home(),
            "LANG": "C.UTF-8",
            "HADOOP_USER_NAME": "sparkcv",
        } | dict(env or {})
        self._pods: dict[str, dict[str, Any]] = {}  # as the API has them, by uid
        self._running: dict[str, _Running] = {}
        self._started: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._lock = threading.RLock()
        self._closing, self._news = threading.Event(), threading.Event()
        self.nodes: dict[str, int] = {}
        plane.join(self)
        self.resize({"node-a": _ROOM_MB, "node-b": _ROOM_MB})
        self._threads = [
            threading.Thread(target=deed, name=f"tests-kubelet-{deed.__name__}", daemon=True)
            for deed in (self._watch, self._loop)
        ]
        for one in self._threads:
            one.start()

    def resize(self, nodes: Mapping[str, int]) -> None:
        """Have these nodes, by name, with so many MB of memory, and say that they are ready."""
        self.nodes = dict(nodes)
        there = {one["metadata"]["name"] for one in self.client.find("nodes")}
        for name, memory_mb in nodes.items():
            if name not in there:
                labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
                self.client.create("nodes", "", {"metadata": {"name": name, "labels": labels}})
            size = {"cpu": "64", "memory": f"{memory_mb}Mi", "pods": "110", "ephemeral-storage": "100Gi"}
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now()}
            status = {
                "capacity": size,
                "allocatable": size,
                "conditions": [{**ready, "message": "the tests' kubelet runs"}],
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self._plane.kubelet_port}},
            }
            self.client.change("nodes", "", name, lambda one: one.setdefault("status", {}).update(status), "status")  # noqa: B023
        self._heard_s = time.monotonic()

    def close(self) -> None:
        """Kill all that runs; the thread that watches ends with the API."""
        self._closing.set()
        self._news.set()
        self._threads[1].join(30)
        with self._lock:
            for one in self._running.values():
                _kill_all(one.pod)
                one.process.wait()

    def log(self, name: str) -> str:
        """What a pod has written."""
        path = self.root / name / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_of(self, name: str, *, follow: bool) -> Iterator[str]:
        """Yield what a pod has written, and what it writes until it ends."""
        sent, is_over = 0, not follow
        while not self._closing.is_set():
            is_over = is_over or not any(one.pod["metadata"]["name"] == name for one in [*self._running.values()])
            text = self.log(name)
            yield text[sent:]
            sent = len(text)
            if is_over:
                return
            self._closing.wait(0.2)

    def all_pids(self) -> list[int]:
        """Every process of every pod that there was."""
        return pids(None)

    def kill(self, name: str) -> None:
        """SIGKILL to all processes of a pod."""
        _kill_all(self.client.get("pods", NAMESPACE, name))

    def starve(self, name: str) -> None:
        """Have a pod be over its memory limit, as if it had grown."""
        uid = self.client.get("pods", NAMESPACE, name)["metadata"]["uid"]
        self._running[uid].limit_bytes = 1

    def evict(self, name: str, message: str = "The node was low on resource: memory.") -> None:
        """End a pod as a node under pressure does."""
        self._event(name, "Evicted", message)
        pod = self.client.get("pods", NAMESPACE, name)
        end = {"phase": "Failed", "reason": "Evicted", "message": message}
        self._running[pod["metadata"]["uid"]].end = end
        _kill_all(pod)

    def preempt(self, name: str) -> None:
        """Delete a pod for the sake of another one with a higher priority, as the scheduler does."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
        }

        def note(pod: dict[str, Any]) -> None:
            pod["status"].setdefault("conditions", []).append(condition)

        self.client.change("pods", NAMESPACE, name, note, "status")
        self._event(name, "Preempted", "Preempted by pod 1f0 on node node-a")
        self.client.delete("pods", NAMESPACE, name)

    def _event(self, pod: str, reason: str, message: str) -> None:
        involved = {"apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": pod}
        event = {"metadata": {"generateName": f"{pod}."}, "involvedObject": involved}
        self.client.create("events", NAMESPACE, event | {"reason": reason, "message": message, "type": "Warning"})

    def _watch(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(OSError, ValueError, ApiError):  # the API is away: it is asked anew
                for found in self.client.follow("pods"):
                    self._pods = dict(found)
                    self._news.set()
            self._closing.wait(_POLL_S)

    def _loop(self) -> None:
        while not self._closing.is_set():
            self._news.wait(_POLL_S)
            self._news.clear()
            with contextlib.suppress(OSError, ApiError):  # the API is away: all is done and said once it is back
                if time.monotonic() > self._heard_s + _HEARTBEAT_S:
                    self.resize(self.nodes)
                for pod in list(self._pods.values()):
                    if pod["spec"].get("nodeName") in self.nodes:
                        self._sync(pod)
                with self._lock:
                    running = list(self._running.items())
                for uid, one in running:
                    if uid not in self._pods:
                        _kill_all(one.pod)  # deleted at once, by somebody who did not want to wait
                    if one.process.poll() is not None:
                        self._ended(uid, one)
                    elif one.limit_bytes and _resident(one.process.pid) > one.limit_bytes:
                        one.reason = "OOMKilled"
                        _kill_all(one.pod)

    def _sync(self, pod: dict[str, Any]) -> None:
        """Start a pod that is new; end one that is deleted, and delete it for good once it has ended."""
        meta = pod["metadata"]
        uid = meta["uid"]
        if "deletionTimestamp" in meta:
            with self._lock:
                one = self._running.get(uid)
            if one is None:
                self._started.add(uid)
                self.client.delete("pods", meta["namespace"], meta["name"], 0, uid)
            elif not one.is_ending:
                one.is_ending = True
                self._terminate(one, meta.get("deletionGracePeriodSeconds", 30))
        elif uid not in self._started and runs(pod):
            self._started.add(uid)
            container = pod["spec"]["containers"][0]
            if container["image"] in self.missing_images:
                why = f'Back-off pulling image "{container["image"]}"'
                self._wait(pod, "ImagePullBackOff", why)
                return
            try:
                self._start(pod, container)
            except ApiError as err:
                self._wait(pod, "CreateContainerConfigError", str(err))
                self._started.discard(uid)  # it is tried again
                self._closing.wait(_POLL_S)

    def _wait(self, pod: dict[str, Any], reason: str, message: str) -> None:
        waiting = {"waiting": {"reason": reason, "message": message}}
        self._status(pod, {"phase": "Pending", "containerStatuses": [_container(pod, waiting)]})

    def _start(self, pod: dict[str, Any], container: dict[str, Any]) -> None:
        folder = self.root / pod["metadata"]["name"]
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "work").mkdir(parents=True)
        address = self._addresses.setdefault(pod["metadata"]["uid"], f"127.0.1.{10 + len(self._addresses)}")
        pod["status"]["podIP"] = address
        mounts = pod_files.mounts_of(pod, folder, self.root / "claims") | self.image_paths
        termination = container.get("terminationMessagePath", "/dev/termination-log")
        mounts[termination] = str(folder / "termination-log")
        pod_files.write(self.client, pod, mounts)
        command = container.get("command") or [ENTRYPOINT_IN_IMAGE if self.image else str(ENTRYPOINT)]
        given = {one["name"]: pod_files.value(one, pod) for one in container.get("env", [])}
        words = [
            pod_files.local(pod_files.expanded(word, given), mounts) for word in [*command, *container.get("args", [])]
        ]
        if self.image:
            words = self.image.in_pod(pod, folder, words)
        words = self._plane.in_pod(mounts, words)
        env = self.env | {
            "HOME": str(folder),
            "TMPDIR": str(folder / "work"),
            _MARK: f"{os.getpid()}.{pod['metadata']['uid']}",
        }
        env |= self._plane.pod_environment
        env |= {name: pod_files.local(value, mounts) for name, value in given.items()}
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
        limit_bytes = memory_bytes(container.get("resources", {}).get("limits", {}))
        with self._lock:
            self._running[pod["metadata"]["uid"]] = _Running(process, pod, limit_bytes)
        running = {"running": {"startedAt": now()}}
        started = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": now(),
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [_container(pod, running)],
        }
        self._status(pod, started)

    def _ended(self, uid: str, one: _Running) -> None:
        _kill_all(one.pod)  # what its first process has left behind, as the end of a container's processes does
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
        with self._lock:
            del self._running[uid]

    def _status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        def put(one: dict[str, Any]) -> None:
            if one["metadata"]["uid"] != pod["metadata"]["uid"]:
                raise ApiError(404, "NotFound", "this is another one with its name")
            kept = {given["type"]: given for given in one["status"].get("conditions", [])}
            kept |= {given["type"]: given for given in status.get("conditions", [])}
            one["status"] = {**one["status"], **status, "conditions": list(kept.values())}

        with contextlib.suppress(ApiError):  # it may be gone
            changed = self.client.change("pods", pod["metadata"]["namespace"], pod["metadata"]["name"], put, "status")
            pod["status"] = changed["status"]

    def _terminate(self, one: _Running, grace_s: int) -> None:
        """SIGTERM, then SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.process.pid, signal.SIGTERM if grace_s else signal.SIGKILL)

        def end() -> None:
            deadline_s = time.monotonic() + grace_s
            while one.process.poll() is None and time.monotonic() < deadline_s:
                time.sleep(_POLL_S)
            _kill_all(one.pod)

        threading.Thread(target=end, name="tests-kubelet-end", daemon=True).start()


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
