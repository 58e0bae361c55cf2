"""``spark-submit`` of this checkout's jobs to a real YARN, as a user's shell would do it, and what YARN says of them.

``submit()`` waits for the end; ``start_submit()`` gives a running one, to be watched, killed, or waited for.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkcv.spark import class_data
from tests.hadoop.cluster import Hadoop
from tests.hadoop.daemons import wait_until

__all__ = ["PRIVATE", "Submission", "package_zip", "spark_home", "start_submit", "submit", "zipped"]

ROOT = Path(__file__).parents[2]
_LOOPBACK = "127.0.0.1"
# What an operator sets who does not trust the network.
PRIVATE = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.io.encryption.enabled": "true",
    "spark.sparkcv.allowUnauthenticatedGrpc": "true",
}
_CLI_TIMEOUT_S = 300
_LATE_S = 60  # YARN's books follow the end of spark-submit, or of the AM, by a few seconds
_ENDED = ("FINISHED", "FAILED", "KILLED")


def submit(
    cluster: Hadoop, job: str | Path, args: Sequence[str] = (), *, wait: bool = True, **how: Any
) -> "Submission":
    """``spark-submit`` a job and wait for its end; see ``start_submit`` for what ``how`` takes.

    Raises RuntimeError, with the log's last lines, if it has not ended after ``timeout_s`` (and ends it).
    """
    submission = start_submit(cluster, job, args, **how)
    if wait:
        submission.wait()
    return submission


def start_submit(
    cluster: Hadoop,
    job: str | Path,
    args: Sequence[str] = (),
    *,
    deploy_mode: str = "cluster",
    num_executors: int | None = 3,
    conf: Mapping[str, str] | None = None,
    archive: Path | str | None = None,
    py_files: Sequence[Path] = (),
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    timeout_s: float = 420.0,
) -> "Submission":
    """Start ``spark-submit`` and return at once.

    Args:
        cluster: a running one with ``yarn=True``.
        job: a path in this checkout, such as ``"jobs/convert_images.py"``, or any other.
        args: the job's own words.
        deploy_mode: ``"cluster"`` or ``"client"``.
        num_executors: for ``--num-executors``; None leaves the flag out.
        conf: Spark properties, over the small and quick ones that this tool sets as a cluster's administrator would,
            in ``spark-defaults.conf``.
        archive: a Python.zip on this machine or an ``hdfs://`` URL as text; without one the containers use this
            process's own Python.
        py_files: further files beside ``sparkcv.zip``.
        options: further words for spark-submit itself, before the job.
        env: further variables of spark-submit's process; the name of the user is this one's.
        timeout_s: the longest that ``wait`` waits.
    """
    tag = f"sparkcv-{uuid.uuid4().hex}"
    folder = Path(tempfile.mkdtemp(prefix="submit-", dir=cluster.root))
    command = [str(Path(spark_home()) / "bin" / "spark-submit"), "--master", "yarn", "--deploy-mode", deploy_mode]
    if num_executors is not None:
        command += ["--num-executors", str(num_executors)]
    command += ["--py-files", ",".join(map(str, [package_zip(cluster), *py_files]))]
    settings = dict(conf or {})
    if archive is not None:
        command += ["--archives", f"{archive}#Python"]
        settings = {
            "spark.pyspark.python": "Python/bin/python3",
            "spark.executorEnv.LD_LIBRARY_PATH": "Python/lib",
            "spark.yarn.appMasterEnv.LD_LIBRARY_PATH": "Python/lib",
        } | settings
    for key, value in settings.items():
        command += ["--conf", f"{key}={value}"]
    command += [*options, str(ROOT / job), *args]
    return Submission(cluster, command, environment(cluster, folder, tag) | dict(env or {}), folder, tag, timeout_s)


def environment(cluster: Hadoop, folder: Path, tag: str = "") -> dict[str, str]:
    """What a user's shell holds for spark-submit, with a ``spark-defaults.conf`` written to ``folder``."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SPARK_", "PYSPARK", "PYTHONPATH", "HADOOP_", "YARN_", "KRB5"))
    }
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    defaults = spark_defaults(cluster) | ({"spark.yarn.tags": tag} if tag else {})
    (folder / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in defaults.items()))
    return (
        kept
        | cluster.env
        | {
            "SPARK_HOME": spark_home(),
            "SPARK_CONF_DIR": str(folder),
            "SPARK_LOCAL_IP": _LOOPBACK,
            "SPARK_LOCAL_DIRS": str(temporary),
            # Every node has Spark's Python, too; the sources in its zips each process would compile, for 1 s of CPU.
            "PYSPARK_ARCHIVES_PATH": f"local:{urllib.parse.quote(str(_spark_python(cluster)))}",
            "SPARK_SUBMIT_OPTS": f"{_java_options(cluster)} {class_data.options()} -Djava.io.tmpdir={temporary}",
            "TMPDIR": str(temporary),
        }
    )


def _java_options(cluster: Hadoop) -> str:
    """What every Java is started with; elsewhere krb5.conf is where Java looks for it."""
    return " ".join([class_data.QUICK_JAVA, *(cluster.kdc.java if cluster.kdc is not None else [])])


def spark_defaults(cluster: Hadoop) -> dict[str, str]:
    """What the administrator of such a cluster of one small machine sets: loopback only, little memory, quick Java."""
    return {
        # Every node has Spark here, so its jars need not travel: 300 MB a submission.
        "spark.yarn.jars": f"local:{urllib.parse.quote(spark_home())}/jars/*",
        "spark.pyspark.python": sys.executable,
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": _LOOPBACK,
        "spark.executorEnv.SPARK_LOCAL_IP": _LOOPBACK,
        "spark.driver.memory": "512m",
        "spark.driver.memoryOverhead": "512m",
        "spark.executor.memory": "512m",
        **class_data.conf(_java_options(cluster)),
        "spark.yarn.am.extraJavaOptions": _java_options(cluster),
        "spark.yarn.report.interval": "500ms",
        "spark.yarn.scheduler.heartbeat.interval-ms": "500",
        "spark.yarn.submit.file.replication": "1",
        "spark.ui.enabled": "false",
    }


def spark_home() -> str:
    """pyspark's folder: pip's own way of finding it breaks where the path has a space."""
    import pyspark

    return str(Path(pyspark.__file__).parent)


def _spark_python(cluster: Hadoop) -> Path:
    """A folder of pyspark and py4j as they are installed, and of nothing else, made once a cluster."""
    import py4j
    import pyspark

    target = cluster.root / "python"
    target.mkdir(exist_ok=True)
    for package in (pyspark, py4j):
        with contextlib.suppress(FileExistsError):
            (target / package.__name__).symlink_to(Path(package.__file__).parent)
    return target


def package_zip(cluster: Hadoop) -> Path:
    """``sparkcv.zip`` of this checkout, made once a cluster."""
    target = cluster.root / "sparkcv.zip"
    if not target.exists():
        aside = target.with_name(f"{uuid.uuid4().hex}.zip")
        zipped(aside, ROOT, "sparkcv").replace(target)
    return target


def zipped(target: Path, folder: Path, name: str) -> Path:
    """A zip of one package, or module, of ``folder``, as ``--py-files`` takes it."""
    root = folder / name
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                package.write(path, path.relative_to(folder))
    return target


class Submission:
    """One ``spark-submit``, running or ended.

    Attributes:
        command: its words.
        process: the one that was started here.
    """

    def __init__(
        self,
        cluster: Hadoop,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        tag: str,
        timeout_s: float,
    ) -> None:
        self.command, self._cluster, self._env, self._folder = list(command), cluster, dict(env), folder
        self._tag, self._give_up_s, self._app_id = tag, time.monotonic() + timeout_s, ""
        self._log = folder / "spark-submit.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, env=self._env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def output(self) -> str:
        """What spark-submit (in client mode: and the driver) has written so far."""
        return self._log.read_text(errors="replace")

    @property
    def exit_code(self) -> int:
        """That of spark-submit; waits for it."""
        return self.wait().process.returncode

    @property
    def app_id(self) -> str:
        """YARN's name of the application; waits for it, "" if spark-submit ended without one."""
        if not self._app_id:
            self._until(lambda: bool(self._find()) or self.process.poll() is not None, "an application")
            self._app_id = self._find()
        return self._app_id

    @property
    def final_status(self) -> str:
        """``SUCCEEDED``, ``FAILED``, ``KILLED``, or ``UNDEFINED`` while it runs."""
        return self.report["finalStatus"]

    @property
    def diagnostics(self) -> str:
        """YARN's own words on how it ended."""
        return self.report["diagnostics"]

    @property
    def report(self) -> dict[str, Any]:
        """All that the ResourceManager says of it."""
        return self._cluster.application(self.app_id)

    def logs(self) -> str:
        """stdout and stderr of the driver and the executors, each under its container's name."""
        texts = self._cluster.container_logs(self.app_id)
        return "\n".join(f"==> {name} <==\n{text}" for name, text in texts.items() if "prelaunch" not in name)

    def wait(self) -> "Submission":
        """Wait for spark-submit's end, and for YARN's books to tell of it."""
        self._until(lambda: self.process.poll() is not None, "spark-submit to end")
        if self.app_id:
            wait_until(lambda: self.report["state"] in _ENDED, f"{self.app_id} to end in YARN's books", _LATE_S)
        return self

    def kill(self) -> None:
        """Kill the application, as ``yarn application -kill`` does; spark-submit then ends by itself."""
        cli = ["java", *_java_options(self._cluster).split(), "-cp", f"{self._cluster.conf_dir}:{spark_home()}/jars/*"]
        cli += ["org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application", "-kill", self.app_id]
        env = self._env | self._ticket()
        done = subprocess.run(cli, env=env, capture_output=True, text=True, timeout=_CLI_TIMEOUT_S, check=False)
        if done.returncode:
            raise RuntimeError(f"yarn application -kill failed ({done.returncode}): {done.stdout}{done.stderr}")

    def end(self) -> None:
        """Kill what still runs of it; fine if nothing does, or if its cluster is gone."""
        try:
            with contextlib.suppress(urllib.error.URLError):
                if (app_id := self._find()) and self._cluster.application(app_id)["state"] not in _ENDED:
                    self._app_id = app_id
                    self.kill()
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait(30)

    def pids(self) -> list[int]:
        """All processes of its containers on this machine: they carry the application's name in their environment."""
        return pids_with(self.app_id)

    def __repr__(self) -> str:
        return f"<{' '.join(self.command)}: exit {self.process.returncode}, {self._app_id}>\n{self.output[-3000:]}"

    def _ticket(self) -> dict[str, str]:
        """Whoever submitted by a keytab has no ticket in the environment, and Hadoop's own tools want one."""
        if self._cluster.kdc is None or "--principal" not in self.command:
            return {}
        name = self.command[self.command.index("--principal") + 1].partition("@")[0]
        return {"KRB5CCNAME": str(self._cluster.kdc.login(name))}

    def _find(self) -> str:
        found = self._cluster.daemons["rm"].get(f"/ws/v1/cluster/apps?applicationTags={self._tag}")["apps"] or {}
        return next((app["id"] for app in found.get("app", [])), "")

    def _until(self, ready: Any, what: str) -> None:
        left_s = max(0.0, self._give_up_s - time.monotonic())
        try:
            wait_until(ready, what, left_s)
        except RuntimeError as err:
            self.end()
            raise RuntimeError(f"{err}; its output ended: {self.output[-3000:]}") from err


def pids_with(word: str) -> list[int]:
    """The processes of this machine whose environment or command line has ``word`` in it."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in text:
                found.append(int(folder.name))
    return sorted(found)
