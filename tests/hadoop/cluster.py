"""A real HDFS, with or without a real YARN, on this machine: started, handed out, and stopped as one."""

import contextlib
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hadoop import class_data, local_files, secured, settings
from tests.hadoop.daemons import START_TIMEOUT_S, Daemon, Warden, wait_until
from tests.hadoop.formatted import Formatted
from tests.hadoop.kdc import PEOPLE, Kdc

_HDFS = "org.apache.hadoop.hdfs."
_MAIN = {
    "nn": _HDFS + "server.namenode.NameNode",
    "dn": _HDFS + "server.datanode.DataNode",
    "jn": _HDFS + "qjournal.server.JournalNode",
    "rm": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nm": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
    "dfsadmin": _HDFS + "tools.DFSAdmin",
    "haadmin": _HDFS + "tools.DFSHAAdmin",
}
_ADMIN_TIMEOUT_S = 300
# In a process of its own, as the ticket of HDFS's superuser is an environment variable; Hadoop's shell is three Javas a
# folder.
_MAKE_HOMES = """
import os, sys
import hdfs_native
os.environ["HADOOP_CONF_DIR"] = sys.argv[1]
client = hdfs_native.Client()
for name in sys.argv[2:]:
    client.mkdirs(f"/user/{name}", create_parent=True)
    client.set_owner(f"/user/{name}", name)
    client.set_permission(f"/user/{name}", 0o700)
"""


@contextlib.contextmanager
def hadoop(
    *,
    num_datanodes: int = 1,
    num_namenodes: int = 1,
    replication: int = 1,
    yarn: bool = False,
    conf: dict[str, str] | None = None,
    keep_logs: Path | None = None,
    kerberos: bool = False,
    token_life_s: int | None = None,
) -> Iterator["Hadoop"]:
    """Start a cluster of its own, below a new temporary folder, and yield it once it answers.

    Args:
        num_datanodes: DataNodes, named ``dn1`` and on.
        num_namenodes: 1, or 2 for an active and a standby that share edits through a JournalNode.
        replication: copies of each block that clients write.
        yarn: also a ResourceManager and a NodeManager.
        conf: further properties of all daemons and clients, such as ``{"dfs.blocksize": "1048576"}``.
        keep_logs: a folder to copy the daemons' logs to if the block raises.
        kerberos: with a KDC of its own, ``cluster.kdc``, and privacy on every wire; with one NameNode only.
        token_life_s: the longest life of HDFS's delegation tokens there; None: Hadoop's 7 days.

    All daemons end with the block, and also when this process is killed.
    """
    root = Path(tempfile.mkdtemp(prefix="sparkcv-hadoop-"))
    try:
        with Warden(root) as warden:
            cluster = Hadoop(
                root, warden, num_datanodes, num_namenodes, replication, conf or {}, kerberos, token_life_s
            )
            try:
                if cluster.kdc is not None:
                    cluster.kdc.start()
                    cluster.admin_cache = cluster.kdc.login("nn/localhost")
                if yarn:
                    cluster._add("rm", "rm", cluster._yarn["web"])  # it needs no HDFS: both start at once
                cluster._start_hdfs()
                if yarn:
                    cluster._add("nm", "nm", cluster._yarn["node"])
                    cluster._await_yarn()
                yield cluster
            except BaseException:
                if keep_logs is not None:
                    cluster.copy_logs(keep_logs)
                raise
    finally:
        shutil.rmtree(root, ignore_errors=True)


class Hadoop:
    """The running cluster.

    Attributes:
        url: of the file system, ``hdfs://default``.
        conf_dir: what a client needs, for ``HADOOP_CONF_DIR``.
        root: all the cluster's files.
        kdc: where tickets and keytabs are, None without Kerberos; ``admin_cache`` is a ticket of HDFS's superuser.
        namenodes, datanodes: the daemons, in order; ``daemons`` has all by name (also ``jn``, ``rm``, ``nm``).
    """

    def __init__(
        self,
        root: Path,
        warden: Warden,
        num_datanodes: int,
        num_namenodes: int,
        replication: int,
        conf: dict[str, str],
        kerberos: bool = False,
        token_life_s: int | None = None,
    ) -> None:
        self.root, self._warden, self._conf = root, warden, conf
        self.url = f"hdfs://{settings.NAMESERVICE}"
        self.conf_dir, self._server_dir = root / "conf", root / "conf-server"
        self.daemons: dict[str, Daemon] = {}
        self._ports = settings.free_ports()
        names = [f"nn{index + 1}" for index in range(num_namenodes)]
        self._rpc = {name: next(self._ports) for name in names}
        self._web = {name: next(self._ports) for name in names}
        self._journal = {"rpc": next(self._ports), "web": next(self._ports)}
        self._yarn = {
            name: next(self._ports) for name in ("client", "scheduler", "tracker", "admin", "web", "localizer", "node")
        }
        self._num_datanodes = num_datanodes
        (root / "logs").mkdir()
        self.kdc = Kdc(root, warden, next(self._ports)) if kerberos else None
        self.admin_cache: Path | None = None
        self._token_life_s = token_life_s
        self._classpath = self._write(replication)

    @property
    def env(self) -> dict[str, str]:
        """The variables by which a client finds this cluster."""
        values = {"HADOOP_CONF_DIR": str(self.conf_dir), "YARN_CONF_DIR": str(self.conf_dir)}
        return values if self.kdc is None else values | self.kdc.env

    @property
    def namenodes(self) -> list[Daemon]:
        """The NameNodes, in order."""
        return [self.daemons[name] for name in self._rpc]

    @property
    def datanodes(self) -> list[Daemon]:
        """The DataNodes, in order."""
        return [daemon for name, daemon in self.daemons.items() if name.startswith("dn")]

    @property
    def rm_web(self) -> str:
        """``127.0.0.1:port`` of the ResourceManager's REST interface."""
        return self._yarn["web"]

    def admin(self, *words: str, timeout_s: float = _ADMIN_TIMEOUT_S) -> str:
        """Run ``hdfs dfsadmin WORDS``; raises RuntimeError with its words if it fails."""
        return self._run("dfsadmin", *words, timeout_s=timeout_s)

    def make_homes(self) -> None:
        """Give each person of the KDC a folder that only he can read, as administrators do."""
        self._done([sys.executable, "-c", _MAKE_HOMES, str(self.conf_dir), *PEOPLE], "making the homes")

    def set_quota(self, path: str, num_bytes: int | None) -> None:
        """Bound the bytes, replicas included, below a folder; None lifts the bound."""
        self.admin(*(["-clrSpaceQuota"] if num_bytes is None else ["-setSpaceQuota", str(num_bytes)]), path)

    def safe_mode(self, on: bool) -> None:
        """Enter or leave safe mode, in which HDFS only reads."""
        self.admin("-safemode", "enter" if on else "leave")

    def make_active(self, name: str) -> None:
        """Make one of two NameNodes the active one; the other must be standby or dead."""
        self._run("haadmin", "-transitionToActive", "--forceactive", name)
        wait_until(lambda: self.state(name) == "active", f"{name} to be active", START_TIMEOUT_S)

    def make_standby(self, name: str) -> None:
        """Make the active one of two NameNodes a standby; ``make_active`` the other then."""
        self._run("haadmin", "-transitionToStandby", name)

    def state(self, name: str) -> str:
        """``active``, ``standby`` or ``initializing``: what a NameNode says of itself."""
        return self.daemons[name].bean("Hadoop:service=NameNode,name=NameNodeStatus").get("State", "")

    def start_namenode(self, name: str = "nn1", *, wait: bool = True) -> None:
        """Start a NameNode again after it was killed; waits until it is out of safe mode unless told not to."""
        self.daemons[name].start()
        if wait:
            self.daemons[name].wait(lambda: self._is_out_of_safe_mode(name), "leaving safe mode")

    def start_datanode(self, name: str) -> None:
        """Start a DataNode again, and wait until the active NameNode counts it as live."""
        alive = sum(daemon.is_alive for daemon in self.datanodes)
        self.daemons[name].start()
        self.daemons[name].wait(lambda: self._has_datanodes(alive + 1), "being live")

    def block_files(self, name: str) -> list[Path]:
        """The files in which a DataNode holds its blocks, without their checksums: to corrupt or count them."""
        found = (self.root / f"data-{name}").rglob("blk_*")
        return sorted(path for path in found if not path.name.endswith(".meta"))

    def application(self, app_id: str) -> dict[str, Any]:
        """What the ResourceManager says of an application: ``state``, ``finalStatus``, ``diagnostics`` and more."""
        return self.daemons["rm"].get(f"/ws/v1/cluster/apps/{app_id}")["app"]

    def applications(self) -> list[dict[str, Any]]:
        """All applications that the ResourceManager remembers, the newest first."""
        found = (self.daemons["rm"].get("/ws/v1/cluster/apps")["apps"] or {}).get("app", [])
        return sorted(found, key=lambda app: app["id"], reverse=True)

    def container_logs(self, app_id: str) -> dict[str, str]:
        """The text of every log of an application's containers, by ``container/stderr`` and the like."""
        folder = self.root / "nm-logs" / app_id
        return {
            str(path.relative_to(folder)): path.read_text(errors="replace")
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def copy_logs(self, target: Path) -> None:
        """Copy the logs of all daemons and containers to a folder, and say so."""
        target.mkdir(parents=True, exist_ok=True)
        for daemon in self.daemons.values():
            if daemon.log.exists():
                shutil.copy(daemon.log, target)
        if (self.root / "nm-logs").is_dir():
            shutil.copytree(self.root / "nm-logs", target / "containers", dirs_exist_ok=True)
        print(f"Hadoop's logs are kept in {target}", file=sys.stderr)

    def _write(self, replication: int) -> str:
        core, hdfs = settings.core(self.root), settings.hdfs(replication, self._rpc)
        yarn = settings.yarn(self.root, self._yarn)
        if self.kdc is not None:
            core, hdfs, yarn = core | secured.core(), hdfs | secured.hdfs(), yarn | secured.yarn()
        core, hdfs = core | self._conf, hdfs | self._conf
        settings.write(self.conf_dir, {"core-site.xml": core, "hdfs-site.xml": hdfs, "yarn-site.xml": yarn})
        journal = self._journal["rpc"] if len(self._rpc) > 1 else ""
        servers = settings.hdfs_daemons(self.root, self._web, journal)
        managers = yarn | self._conf
        if self.kdc is not None:
            servers |= secured.hdfs_daemons(self.kdc, self._token_life_s)
            managers |= secured.yarn_daemons(self.kdc)
        files = {
            "core-site.xml": local_files.settings() | core,
            "hdfs-site.xml": servers | hdfs,
            "yarn-site.xml": managers,
            "capacity-scheduler.xml": settings.capacity_scheduler(),
        }
        settings.write(self._server_dir, files)
        for name in ("hdfs", "datanode", "journal"):  # the jars lack the web pages, the daemons want the folders
            (self._server_dir / "webapps" / name).mkdir(parents=True)
        return class_data.class_path(self._server_dir)

    def _argv(self, kind: str, *words: str) -> list[str]:
        temporary = f"-Djava.io.tmpdir={self.root}"
        kerberos = self.kdc.java if self.kdc is not None else []
        options = [*class_data.JAVA, *class_data.java_options(), *kerberos, temporary]
        return ["java", *options, "-cp", self._classpath, _MAIN[kind], *words]

    @property
    def _env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ}
        ticket = {"KRB5CCNAME": str(self.admin_cache)} if self.admin_cache is not None else {}
        return kept | self.env | ticket | {"HADOOP_CONF_DIR": str(self._server_dir), "USER": getpass.getuser()}

    def _run(self, kind: str, *words: str, timeout_s: float = _ADMIN_TIMEOUT_S) -> str:
        return self._done(self._argv(kind, *words), f"{kind} {' '.join(words)}", timeout_s=timeout_s)

    def _done(self, argv: list[str], what: str, timeout_s: float = _ADMIN_TIMEOUT_S) -> str:
        """Run a program with the daemons' environment and return its output; RuntimeError says ``what`` failed."""
        done = subprocess.run(
            argv, env=self._env, cwd=self.root, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{what} failed ({done.returncode}): {(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    def _add(self, name: str, kind: str, web: str, *words: str) -> Daemon:
        log = self.root / "logs" / f"{name}.log"
        self.daemons[name] = Daemon(name, self._warden, self._argv(kind, *words), self._env, log, web)
        self.daemons[name].start()
        return self.daemons[name]

    def _start_hdfs(self) -> None:
        formatted = Formatted()
        if len(self._rpc) > 1:
            formatted.write_journal(self.root / "journal")
            words = [
                f"-Ddfs.journalnode.rpc-address={self._journal['rpc']}",
                f"-Ddfs.journalnode.http-address={self._journal['web']}",
                f"-Ddfs.journalnode.edits.dir={self.root}/journal",
            ]
            journal = self._add("jn", "jn", self._journal["web"], *words)
            journal.wait(lambda: bool(journal.bean("java.lang:type=Runtime")), "answering")
        for name in self._rpc:
            formatted.copy_to(self.root / f"name-{name}")
            self._add(name, "nn", self._web[name], *self._of_namenode(name))
        self._add_datanodes()
        for name in self._rpc:
            self.daemons[name].wait(lambda name=name: self.state(name) != "", "answering")
        if len(self._rpc) > 1:
            self.make_active("nn1")
        for daemon in self.datanodes:
            daemon.wait(lambda: self._has_datanodes(self._num_datanodes), "being live")
        for name in self._rpc:
            self.daemons[name].wait(lambda name=name: self._is_out_of_safe_mode(name), "leaving safe mode")

    def _of_namenode(self, name: str) -> list[str]:
        return [f"-Ddfs.ha.namenode.id={name}", f"-Ddfs.namenode.name.dir=file://{self.root}/name-{name}"]

    def _add_datanodes(self) -> None:
        for index in range(self._num_datanodes):
            name, web = f"dn{index + 1}", next(self._ports)
            words = [
                f"-Ddfs.datanode.data.dir=file://{self.root}/data-{name}",
                f"-Ddfs.datanode.address={next(self._ports)}",
                f"-Ddfs.datanode.ipc.address={next(self._ports)}",
                f"-Ddfs.datanode.http.address={web}",
            ]
            self._add(name, "dn", web, *words)

    def _has_datanodes(self, count: int) -> bool:
        for daemon in self.namenodes:
            if daemon.is_alive and self.state(daemon.name) == "active":
                return daemon.bean("Hadoop:service=NameNode,name=FSNamesystemState").get("NumLiveDataNodes", 0) >= count
        return False

    def _is_out_of_safe_mode(self, name: str) -> bool:
        return self.daemons[name].bean("Hadoop:service=NameNode,name=NameNodeInfo").get("Safemode") == ""

    def _await_yarn(self) -> None:
        manager = self.daemons["rm"]

        def has_a_node() -> bool:
            nodes = (manager.get("/ws/v1/cluster/nodes")["nodes"] or {}).get("node", [])
            return any(node["state"] == "RUNNING" for node in nodes)

        manager.wait(has_a_node, "a running NodeManager")
