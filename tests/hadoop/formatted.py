"""What a NameNode's format leaves, made once by the real one and copied from then on: a format is a Java of 3 CPU-s."""

import getpass
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from tests.hadoop import settings
from tests.hadoop.class_data import JAVA, class_path
from tests.hadoop.jars import VERSION, jars_home, making

_TIMEOUT_S = 600
_CLUSTER = re.compile(r"clusterID=\S+")


class Formatted:
    """The folder of a NameNode that was never started, under a cluster's name of its own.

    Raises RuntimeError if it could not be formatted.
    """

    def __init__(self) -> None:
        self._folder = _made()
        # By it a DataNode knows another cluster's NameNode that has got its old port.
        self._name = f"clusterID=CID-{uuid.uuid4()}"

    def copy_to(self, target: Path) -> None:
        """Make the folder of one of the cluster's NameNodes; a standby's is the same, as after its bootstrap."""
        shutil.copytree(self._folder, target)
        version = target / "current" / "VERSION"
        version.write_text(_CLUSTER.sub(self._name, version.read_text()))

    def write_journal(self, target: Path) -> None:
        """Make the folder of the cluster's JournalNode."""
        current = target / settings.NAMESERVICE / "current"
        (current / "paxos").mkdir(parents=True)
        current.chmod(0o700)
        lines = _CLUSTER.sub(self._name, (self._folder / "current" / "VERSION").read_text()).splitlines()
        kept = [line for line in lines if not line.startswith(("blockpoolID=", "storageType="))]
        (current / "VERSION").write_text("\n".join([*kept, "storageType=JOURNAL_NODE", ""]))


def _made() -> Path:
    home = jars_home()
    target = home / f"formatted-{VERSION}-{getpass.getuser()}"  # the root folder in it is this user's
    if not target.is_dir():
        with making(target), tempfile.TemporaryDirectory(prefix=".formatted-", dir=home) as aside:
            if not target.is_dir():
                _format(Path(aside))
                (Path(aside) / "name").replace(target)
    return target


def _format(folder: Path) -> None:
    """Make ``name`` in the folder, as without Kerberos: the image holds nothing of the settings but its owner."""
    conf = folder / "conf"
    settings.write(conf, {"hdfs-site.xml": {"dfs.namenode.name.dir": (folder / "name").as_uri()}})
    argv = ["java", *JAVA, "-cp", class_path(conf), "org.apache.hadoop.hdfs.server.namenode.NameNode"]
    argv += ["-format", "-nonInteractive"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"a NameNode cannot be formatted ({done.returncode}): {(done.stdout + done.stderr)[-2000:]}")
