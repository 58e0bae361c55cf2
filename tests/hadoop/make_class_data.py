"""``python -m tests.hadoop.make_class_data``: make, once a machine, class_data.py's archive and local_files.py's class.

One Java starts the daemons and ends, and writes at its end what it knows of their classes (JEP 350): 20 CPU seconds.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.hadoop import local_files, settings
from tests.hadoop.class_data import JAVA, archive, jars, py4j
from tests.hadoop.formatted import Formatted
from tests.hadoop.jars import jars_home, making

_TIMEOUT_S = 300
_ADMIN = ("hdfs.tools.DFSAdmin", "hdfs.tools.DFSHAAdmin", "hdfs.qjournal.server.JournalNode")


def make() -> None:
    """Make the archive unless it is there; raises RuntimeError if Java did not write it."""
    formatted = Formatted()
    target = archive()
    if target.is_file():
        return
    with making(target), tempfile.TemporaryDirectory(prefix=".classes-", dir=jars_home()) as aside:
        if target.is_file():
            return
        made = Path(aside) / target.name
        pyspark = Path(importlib.util.find_spec("pyspark").origin)
        shutil.copy(next(pyspark.parent.glob("jars/py4j-*.jar")), py4j())
        with _java([*JAVA, "-Xlog:disable", f"-XX:ArchiveClassesAtExit={made}"], Path(aside)) as jvm:
            _start_all(jvm, Path(aside), formatted)
        if not made.is_file():
            raise RuntimeError(f"Java has not written {made.name}: {(Path(aside) / 'java.log').read_text()[-2000:]}")
        made.replace(target)


@contextlib.contextmanager
def _java(options: Sequence[str], folder: Path) -> Iterator[Any]:
    """Start a Java that does what Python says, and end it in peace, as it writes the archive at its end."""
    from py4j.java_gateway import GatewayParameters, JavaGateway

    argv = ["java", *options, "-cp", os.pathsep.join(jars()), "py4j.GatewayServer", "--die-on-broken-pipe", "0"]
    with (folder / "java.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        gateway = JavaGateway(gateway_parameters=GatewayParameters(port=int(process.stdout.readline())))
        yield gateway.jvm
        gateway.shutdown()
        process.stdin.close()
        process.wait(_TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _start_all(jvm: Any, root: Path, formatted: Formatted) -> None:
    ports = settings.free_ports()
    rpc, web = {"nn1": next(ports)}, {"nn1": next(ports)}
    managers = ("client", "scheduler", "tracker", "admin", "web", "localizer", "node")
    formatted.copy_to(root / "name")
    datanode = {
        "dfs.datanode.data.dir": (root / "data").as_uri(),
        "dfs.datanode.address": next(ports),
        "dfs.datanode.ipc.address": next(ports),
        "dfs.datanode.http.address": next(ports),
    }
    values = (
        settings.core(root)
        | settings.hdfs_daemons(root, web, "")
        | settings.hdfs(1, rpc)
        | datanode
        | settings.yarn(root, {name: next(ports) for name in managers})
        | settings.capacity_scheduler()
    )
    for name in ("hdfs", "datanode"):  # the one place beside the class path where they look for their web pages
        (root / "src" / "main" / "webapps" / name).mkdir(parents=True)
    hadoop = jvm.org.apache.hadoop
    hadoop.metrics2.lib.DefaultMetricsSystem.setMiniClusterMode(True)  # several daemons in one process
    conf = hadoop.yarn.conf.YarnConfiguration(hadoop.hdfs.HdfsConfiguration())
    for key, value in values.items():
        conf.set(key, value)
    hadoop.hdfs.server.namenode.NameNode(conf)
    datanode = hadoop.hdfs.server.datanode.DataNode.createDataNode(None, conf)
    manager, node = (
        hadoop.yarn.server.resourcemanager.ResourceManager(),
        hadoop.yarn.server.nodemanager.NodeManager(),
    )
    for service in (manager, node):
        service.init(conf)
        service.start()
    folder = hadoop.fs.Path("/folder")
    hadoop.fs.FileSystem.get(conf).mkdirs(folder)
    for name in _ADMIN:
        jvm.java.lang.Class.forName(f"org.apache.hadoop.{name}")


def main() -> int:
    """Make it, or say why it could not be made; return the exit code."""
    try:
        make()
        local_files.make()
    except (RuntimeError, OSError) as err:
        print(f"make_class_data: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
