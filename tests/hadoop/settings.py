"""Hadoop's settings for daemons and clients on one machine: everything on loopback, every port free, small."""

import random
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

NAMESERVICE = "default"
_LOOPBACK = "127.0.0.1"
_LOG4J = """\
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""


def free_ports() -> Iterator[str]:
    """Yield free addresses on loopback, below the range from which the system takes ports for clients."""
    numbers = list(range(20000, 32000))
    random.shuffle(numbers)
    for number in numbers:
        with socket.socket() as probe:
            try:
                probe.bind((_LOOPBACK, number))
            except OSError:
                continue
        yield f"{_LOOPBACK}:{number}"


def write(folder: Path, files: Mapping[str, Mapping[str, str]]) -> None:
    """Write ``core-site.xml`` and its like."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log4j.properties").write_text(_LOG4J)
    for name, values in files.items():
        rows = "\n".join(
            f"<property><name>{escape(key)}</name><value>{escape(value)}</value></property>"
            for key, value in values.items()
        )
        (folder / name).write_text(f"<configuration>\n{rows}\n</configuration>\n")


def core(root: Path) -> dict[str, str]:
    """What clients and daemons share."""
    return {
        "fs.defaultFS": f"hdfs://{NAMESERVICE}",
        "hadoop.tmp.dir": str(root / "tmp"),
        "hadoop.http.staticuser.user": "nobody",
        "ipc.client.connect.max.retries": "3",
        "ipc.client.connect.retry.interval": "500",
        "ipc.client.connect.max.retries.on.timeouts": "2",
        "ipc.client.connect.timeout": "5000",
    }


def hdfs(replication: int, rpc: Mapping[str, str]) -> dict[str, str]:
    """Where the name service is, as a client needs it; ``rpc`` is address by NameNode."""
    values = {
        "dfs.nameservices": NAMESERVICE,
        f"dfs.ha.namenodes.{NAMESERVICE}": ",".join(rpc),
        f"dfs.client.failover.proxy.provider.{NAMESERVICE}": (
            "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"
        ),
        "dfs.client.failover.max.attempts": "8",
        "dfs.client.use.datanode.hostname": "false",
        "dfs.replication": str(replication),
    }
    return values | {f"dfs.namenode.rpc-address.{NAMESERVICE}.{name}": address for name, address in rpc.items()}


def hdfs_daemons(root: Path, web: Mapping[str, str], journal: str) -> dict[str, str]:
    """What only the HDFS daemons need: quick to notice, quick to start; ``journal`` is for two NameNodes."""
    values = {
        "dfs.namenode.name.dir": f"file://{root}/name",  # a second NameNode overrides it
        "dfs.namenode.safemode.extension": "0",
        "dfs.namenode.replication.min": "1",
        "dfs.namenode.heartbeat.recheck-interval": "2000",  # a dead DataNode counts as dead after 14 s, not 10 min
        "dfs.heartbeat.interval": "1",
        "dfs.namenode.redundancy.interval.seconds": "1s",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.datanode.max.locked.memory": "0",
        "dfs.datanode.du.reserved": "0",
        "dfs.blocksize": str(64 << 20),
        "dfs.namenode.fs-limits.min-block-size": "1024",
        "dfs.namenode.block.deletion.unlock.interval.ms": "200",  # by default a thread looks every 10 ms, for nothing
        "dfs.ha.fencing.methods": "shell(/bin/true)",
        "dfs.ha.automatic-failover.enabled": "false",
    }
    values |= {f"dfs.namenode.http-address.{NAMESERVICE}.{name}": address for name, address in web.items()}
    if journal:
        values["dfs.namenode.shared.edits.dir"] = f"qjournal://{journal}/{NAMESERVICE}"
    return values


def yarn(root: Path, rm: Mapping[str, str]) -> dict[str, str]:
    """The ResourceManager's addresses, and a NodeManager that kills for real memory, as production does."""
    return {
        "yarn.resourcemanager.hostname": _LOOPBACK,
        "yarn.resourcemanager.address": rm["client"],
        "yarn.resourcemanager.scheduler.address": rm["scheduler"],
        "yarn.resourcemanager.resource-tracker.address": rm["tracker"],
        "yarn.resourcemanager.admin.address": rm["admin"],
        "yarn.resourcemanager.webapp.address": rm["web"],
        "yarn.resourcemanager.am.max-attempts": "2",
        # Each of 150 threads, 50 a server, wakes up every second: half of what it takes with nothing to do.
        "yarn.resourcemanager.client.thread-count": "5",
        "yarn.resourcemanager.scheduler.client.thread-count": "5",
        "yarn.resourcemanager.resource-tracker.client.thread-count": "5",
        # By default in /tmp, the same for all of this user's: two that start at once break each other.
        "yarn.node-attribute.fs-store.root-dir": (root / "node-attribute").as_uri(),
        "yarn.resourcemanager.connect.max-wait.ms": "10000",
        "yarn.resourcemanager.connect.retry-interval.ms": "1000",
        "yarn.nm.liveness-monitor.expiry-interval-ms": "20000",
        "yarn.am.liveness-monitor.expiry-interval-ms": "300000",  # unpacking an archive of 2 GB counts
        "yarn.nodemanager.hostname": _LOOPBACK,
        "yarn.nodemanager.bind-host": _LOOPBACK,
        "yarn.nodemanager.address": f"{_LOOPBACK}:0",
        "yarn.nodemanager.localizer.address": rm["localizer"],
        "yarn.nodemanager.webapp.address": rm["node"],
        "yarn.nodemanager.local-dirs": str(root / "nm-local"),
        "yarn.nodemanager.log-dirs": str(root / "nm-logs"),
        "yarn.nodemanager.resource.memory-mb": "20480",
        "yarn.nodemanager.resource.cpu-vcores": "16",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.pmem-check-enabled": "true",
        "yarn.nodemanager.container-monitor.interval-ms": "2000",  # it looks through all of /proc
        "yarn.nodemanager.resource.memory.enforced": "false",  # true trusts in cgroups, and kills nobody without them
        "yarn.nodemanager.disk-health-checker.enable": "false",
        # By default 90: a NodeManager that starts on a fuller disk, whatever room is left on it, runs nothing.
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "100",
        # Else each container lists what it was given before it starts, twice: thousands of files of an archive.
        "yarn.nodemanager.log-container-debug-info.enabled": "false",
        "yarn.nodemanager.env-whitelist": "JAVA_HOME",
        "yarn.nodemanager.sleep-delay-before-sigkill.ms": "2000",
        "yarn.scheduler.minimum-allocation-mb": "128",
        "yarn.scheduler.maximum-allocation-mb": "20480",
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": "500",
    }


def capacity_scheduler() -> dict[str, str]:
    """One queue, ``default``, that one application may fill."""
    return {
        "yarn.scheduler.capacity.root.queues": "default",
        "yarn.scheduler.capacity.root.default.capacity": "100",
        "yarn.scheduler.capacity.maximum-am-resource-percent": "0.9",
        # Every 5 ms by itself, with nothing to do.
        "yarn.scheduler.capacity.schedule-asynchronously.scheduling-interval-ms": "100",
    }
