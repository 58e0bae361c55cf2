"""A run on a real embedded Spark that shows all that it can, looked at from outside while it goes on.

``look.py FOLDER LOW HIGH``: what was seen lies in FOLDER/seen, a file a place, FOLDER/secret is the run's secret, and
the last line of stdout is JSON of what the roles and the ports were.
"""

import contextlib
import json
import os
import sys
import urllib.request
from pathlib import Path

import psutil

from sparkcv import logs
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.config.port_range import PortRange
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.roles import roles
from sparkcv.spark.session import spark_session
from tests.contracts.callbacks import Callbacks

# A host's discovery script: each of the two workers of Spark, which are hosts elsewhere, gets two other devices.
DISCOVER = """#!/bin/sh
for at in 0 2; do
    if mkdir "$(dirname "$0")/taken-$at" 2>/dev/null; then
        echo "{\\"name\\": \\"gpu\\", \\"addresses\\": [\\"$at\\", \\"$((at + 1))\\"]}"
        exit 0
    fi
done
exit 1
"""
PAGES = ("environment", "executors", "jobs", "stages", "storage", "SQL")
TOLD = ("environment", "allexecutors", "jobs", "stages", "executors/driver/threads", "storage/rdd")


def main(folder: Path, ports: PortRange) -> None:
    for name in ("seen", "events", "gpus"):
        (folder / name).mkdir()
    discover = folder / "gpus" / "discover.sh"
    discover.write_text(DISCOVER)
    discover.chmod(0o700)
    conf = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{folder}/events",
        "spark.eventLog.compress": "false",
        "spark.ui.enabled": "true",
        "spark.log.level": "INFO",
        "spark.worker.resource.gpu.amount": "2",
        "spark.worker.resource.gpu.discoveryScript": str(discover),
        "spark.executor.resource.gpu.amount": "2",
        "spark.task.resource.gpu.amount": "1",
    }
    sizes = {"num_executors": 2, "cores_per_executor": 2, "memory_mb": 512}
    with spark_session("sparkcv look", **sizes, conf=conf, ports=ports) as spark:
        spark.sparkContext.addPyFile(str(Path(__file__).parent / "programs" / "security_programs.py"))
        look = Look(spark, folder)
        results = supervise(
            look,
            RunSpec(
                "security_programs:show",
                roles(1, 3),
                {"go": str(folder / "go")},
                log_url=str(folder / "logs"),
                ports=ports,
            ),
            Callbacks(on_status=look.on_status),
        )
        look.keep_logs()
    print(json.dumps({"results": results, "ports": sorted(look.ports), "ui": look.ui_port}))


class Look:
    """Spark's launcher, with a look at what it is given to launch, and round the run once all roles are there."""

    def __init__(self, spark, folder: Path):
        self._launcher, self._spark, self._folder = BarrierLauncher(spark), spark, folder
        self._pids: dict[str, list[int]] = {}
        self.ports: set[int] = set()
        self.ui_port = 0

    def __getattr__(self, name):
        return getattr(self._launcher, name)

    def launch(self, name, count, body):
        (task,) = body.args
        (self._folder / "secret").write_bytes(task.secret)
        (self._folder / "seen" / "task.txt").write_text(f"{name} {task!r}")
        return self._launcher.launch(name, count, body)

    def on_status(self, role, status):
        self._pids[str(role)] = [status["pid"], status["agent"]]
        if len(self._pids) == 4 and not self.ports:
            self._look_at_processes()
            self._look_at_spark()
            (self._folder / "go").touch()

    def keep_logs(self) -> None:
        """Those of Spark's processes, which go with the session."""
        home = Path(os.environ["SPARK_HOME"])
        for path in (home.parent / "java.log", *home.glob("work/*/*/std*")):
            self._keep("log-" + "-".join(path.parts[-3:]), path.read_bytes())

    def _look_at_processes(self) -> None:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        for process in family:
            for name in ("cmdline", "environ"):
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):  # it has ended
                    data = Path(f"/proc/{process.pid}/{name}").read_bytes()
                    self._keep(f"{name}-{process.pid}-{process.name()}", data)
        ours = [psutil.Process(), *(psutil.Process(pid) for pids in self._pids.values() for pid in pids)]
        found = [one.laddr for process in ours for one in process.net_connections("inet") if one.status == "LISTEN"]
        # By which Spark's Java talks to its own Python here: on loopback, with a token, and on a port of its choice.
        found.remove(tuple(self._spark.sparkContext._accumulatorServer.server_address))
        self.ports = {address.port for address in found}

    def _look_at_spark(self) -> None:
        context = self._spark.sparkContext
        books = context._jsc.sc().statusStore().executorList(True)
        self.ports |= {int(books.apply(at).hostPort().rpartition(":")[2]) for at in range(books.size())}
        self.ports.add(int(context.getConf().get("spark.driver.port")))
        ui = context.uiWebUrl
        self.ui_port = int(ui.rpartition(":")[2])
        for page in PAGES:
            self._fetch(f"{ui}/{page}/", f"page-{page}")
        for told in TOLD:
            self._fetch(f"{ui}/api/v1/applications/{context.applicationId}/{told}", f"api-{told.replace('/', '-')}")

    def _fetch(self, url: str, name: str) -> None:
        with urllib.request.urlopen(url, timeout=300) as answer:
            self._keep(name, answer.read())

    def _keep(self, name: str, data: bytes) -> None:
        (self._folder / "seen" / name.replace("/", "_")).write_bytes(data)


if __name__ == "__main__":
    os.umask(0o077)
    logs.setup("driver")
    main(Path(sys.argv[1]), PortRange(int(sys.argv[2]), int(sys.argv[3])))
