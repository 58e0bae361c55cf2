"""One Kubernetes of the tests, and submissions to it as a user's shell would do them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sparkcv.spark import class_data
from tests.hadoop import wait_until
from tests.hadoop.submit import ROOT, spark_home
from tests.kubernetes import image, manifests
from tests.kubernetes.api import Api
from tests.kubernetes.client import Client
from tests.kubernetes.controllers import request_bytes
from tests.kubernetes.kubelet import NAMESPACE, Kubelet
from tests.kubernetes.real import ControlPlane, unavailable
from tests.spark_programs import PROGRAMS

IMAGE = "registry.example/sparkcv:1"
ROLE_JOB = ROOT / "tests" / "yarn" / "programs"
_SPARKCV = "import sys; from sparkcv.cli import main; sys.exit(main())"
_GONE_S = 60
WITHOUT_REAL = unavailable()
# Each test of a cluster runs on either.
PLANES = ["memory", *([] if WITHOUT_REAL else [pytest.param("real", marks=pytest.mark.kubernetes)])]


class Kubernetes:
    """Control plane, kubelet, and a folder for all of them."""

    def __init__(self, root: Path, plane: Any):
        """``plane`` is an ``api.Api`` or a ``real.ControlPlane``; all may do there what conf/kubernetes/ grants."""
        self.root, self.plane, self.client = root, plane, plane.client
        self.submitted: list[Submitted] = []
        self.image = image.of_environment(root, ROOT / "conf", ROLE_JOB, PROGRAMS)
        if self.image:  # sparkcv and its jobs are the image's own
            self.kubelet = Kubelet(plane, root, self.image.env | {"PYTHONPATH": f"{ROLE_JOB}:{PROGRAMS}"})
            self.kubelet.image = self.image
        else:
            self.kubelet = Kubelet(plane, root, {"PYTHONPATH": f"{ROOT}:{ROLE_JOB}:{PROGRAMS}"})
            self.kubelet.image_paths = {"/opt/sparkcv": str(ROOT)}
        manifests.apply(self.client)
        self._given = self._objects()
        (root / "conf").mkdir()
        java = f"{class_data.QUICK_JAVA} -Dlog4j2.level=WARN"
        defaults = {
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.kubernetes.namespace": NAMESPACE,
            "spark.kubernetes.container.image": IMAGE,
            "spark.kubernetes.driver.master": plane.pod_master,
            "spark.kubernetes.executor.podTemplateFile": str(ROOT / "conf" / "kubernetes" / "executor-pod.yaml"),
            "spark.ui.enabled": "false",
            **class_data.conf(java),
        }
        (root / "conf" / "spark-defaults.conf").write_text("".join(f"{k} {v}\n" for k, v in defaults.items()))

    @property
    def master(self) -> str:
        return f"k8s://{self.plane.master}"

    def for_pods(self, folder: str | Path) -> Path:
        """Where pods find a folder of the test's: those in an image are not root, and see only the cluster's own."""
        if not self.image:
            return Path(folder)
        copied = Path(tempfile.mkdtemp(dir=self.root)) / Path(folder).name
        shutil.copytree(folder, copied)
        subprocess.run(["chmod", "-R", "a+rX", copied.parent], check=True)
        return copied

    def pods(self, role: str = "executor") -> list[dict[str, Any]]:
        """The pods of a role that run, the oldest first."""
        found = self.client.find("pods", NAMESPACE, f"spark-role={role}")
        running = [one for one in found if one["status"].get("phase") == "Running"]
        return sorted(running, key=lambda one: int(one["metadata"]["labels"].get("spark-exec-id", "0")))

    def preempt(self, name: str) -> str:
        """Have an executor's pod, or another on its node, make way for one of a higher priority; return its name."""
        if not self.plane.is_real:
            self.kubelet.preempt(name)
            return name
        node = self.client.get("pods", NAMESPACE, name)["spec"]["nodeName"]
        there = [one for one in self.pods() if one["spec"]["nodeName"] == node]
        kept_mb = sum(request_bytes(one) for one in there[1:]) >> 20
        template = manifests.objects()["Pod", "executor-pod"]["spec"]
        container = {**template["containers"][0], "name": "urgent", "image": IMAGE, "command": ["true"]}
        container["resources"] = {"requests": {"memory": f"{self.kubelet.nodes[node] - kept_mb}Mi"}}
        spec = {**template, "containers": [container], "priorityClassName": "urgent"}
        spec |= {"nodeSelector": {"kubernetes.io/hostname": node}, "restartPolicy": "Never"}
        self.client.create("priorityclasses", "", {"metadata": {"name": "urgent"}, "value": 1000})
        made = self.client.create("pods", NAMESPACE, {"metadata": {"name": "urgent"}, "spec": spec})

        def has_run() -> bool:
            return self.client.get("pods", NAMESPACE, "urgent")["status"].get("phase") == "Succeeded"

        wait_until(has_run, "the pod of a higher priority to have run", 60)
        self.client.delete("pods", NAMESPACE, "urgent")
        self.client.delete("priorityclasses", "", "urgent")
        said = f"Preempted by pod {made['metadata']['uid']} on node {node}"
        events = self.client.find("events", NAMESPACE, fields="reason=Preempted")
        return next(str(one["involvedObject"]["name"]) for one in events if one["message"] == said)

    def left(self) -> list[str]:
        """What is in the namespace beside what was there at first."""
        return sorted(self._objects() - self._given)

    def _objects(self) -> set[str]:
        kinds = ("pods", "configmaps", "services", "networkpolicies", "persistentvolumeclaims", "jobs")
        return {f"{kind}/{one['metadata']['name']}" for kind in kinds for one in self.client.find(kind, NAMESPACE)}

    def assert_nothing_is_left(self) -> None:
        """No object, and no process of a pod."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.left() and not self.kubelet.all_pids(), "the namespace to empty", _GONE_S)
        assert (self.left(), self.kubelet.all_pids()) == ([], [])

    def environment(self) -> dict[str, str]:
        """What a user's shell holds."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK", "PYTHONPATH", "HADOOP_"))}
        return kept | {
            "SPARK_HOME": spark_home(),
            "SPARK_CONF_DIR": str(self.root / "conf"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "SPARK_SUBMIT_OPTS": f"{class_data.QUICK_JAVA} {class_data.options()}",
            "PYTHONPATH": f"{ROOT}:{ROLE_JOB}:{PROGRAMS}",
            **self.plane.environment(self.root),
        }

    def roles(self, deed: str, *words: str, conf: Mapping[str, str] | None = None, executors: int = 3) -> "Submitted":
        """spark-submit role_job.py in client mode."""
        command = [str(Path(spark_home()) / "bin" / "spark-submit"), "--master", self.master, "--num-executors"]
        command += [str(executors), "--conf", "spark.scheduler.minRegisteredResourcesRatio=0"]
        for name, value in (conf or {}).items():
            command += ["--conf", f"{name}={value}"]
        return Submitted(self, [*command, str(ROLE_JOB / "role_job.py"), "--deed", deed, *words])

    def sparkcv(self, *words: str) -> "Submitted":
        """``sparkcv submit --master k8s://... WORDS``."""
        return Submitted(self, [sys.executable, "-c", _SPARKCV, "submit", "--master", self.master, *words])

    def close(self) -> None:
        """End all: what a failed test has submitted, too."""
        for one in self.submitted:
            one.end()
        self.kubelet.close()


class Submitted:
    """A process of a user's, and what it has said."""

    def __init__(self, cluster: Kubernetes, command: Sequence[str]):
        self.cluster = cluster
        cluster.submitted.append(self)
        self.log = Path(tempfile.mkstemp(prefix="submit-", suffix=".log", dir=cluster.root)[1])
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=cluster.environment(),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, timeout_s: float = 240.0) -> int:
        """The exit code."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"not over after {timeout_s} s: {self.output[-6000:]}") from None

    def until(self, said: str, timeout_s: float = 180.0) -> None:
        """Wait until it has said so."""

        def has_said() -> bool:
            assert self.process.poll() is None or said in self.output, self.output[-6000:]
            return said in self.output

        wait_until(has_said, said, timeout_s)

    def end(self) -> None:
        """SIGKILL to all of its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def kubernetes(which: str = "memory") -> Iterator[Kubernetes]:
    """Give one, its control plane ``memory`` or ``real``; its pods end with it."""
    root = Path(tempfile.mkdtemp(prefix="sparkcv-k8s-"))
    try:
        with control_plane(which, root / "plane") as plane:
            cluster = Kubernetes(root, plane)
            try:
                yield cluster
            finally:
                cluster.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def quota(client: Client, pods: int) -> Iterator[None]:
    """Let the namespace have so many pods meanwhile."""
    hard = {"pods": str(pods)}
    client.create("resourcequotas", NAMESPACE, {"metadata": {"name": "night"}, "spec": {"hard": hard}})

    def holds() -> bool:
        return client.get("resourcequotas", NAMESPACE, "night").get("status", {}).get("hard") == hard

    wait_until(holds, "the quota to hold", 30)
    try:
        yield
    finally:
        client.delete("resourcequotas", NAMESPACE, "night")


@contextlib.contextmanager
def control_plane(which: str, root: Path) -> Iterator[Any]:
    """Give the control plane alone."""
    with ControlPlane(root) if which == "real" else contextlib.closing(Api()) as found:
        yield found


def last_line(text: str, prefix: str = "role_job.py: ") -> str:
    """The sentence with which a job ended."""
    return next(line for line in reversed(text.splitlines()) if line.startswith(prefix))


__all__ = ["Kubernetes", "Submitted", "control_plane", "kubernetes", "last_line", "quota"]
