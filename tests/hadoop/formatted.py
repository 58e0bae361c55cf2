"""What a NameNode's format leaves, made once by the real one and copied from then on: a format is a Java of 3 CPU-s."""

import fcntl
import getpass
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.hadoop.jars import VERSION, jars_home
from tests.hadoop.settings import NAMESERVICE

_CLUSTER = re.compile(r"clusterID=\S+")


class Formatted:
    """The folder of a NameNode that was never started, under a cluster's name of its own.

    Args:
        make: format a NameNode's folder, which is given to it; called once a machine and user.
    """

    def __init__(self, make: Callable[[Path], None]) -> None:
        self._folder = _made(make)
        # By it a DataNode knows another cluster's NameNode that has got its old port.
        self._name = f"clusterID=CID-{uuid.uuid4()}"

    def copy_to(self, target: Path) -> None:
        """Make the folder of one of the cluster's NameNodes; a standby's is the same, as after its bootstrap."""
        shutil.copytree(self._folder, target)
        version = target / "current" / "VERSION"
        version.write_text(_CLUSTER.sub(self._name, version.read_text()))

    def write_journal(self, target: Path) -> None:
        """Make the folder of the cluster's JournalNode."""
        current = target / NAMESERVICE / "current"
        (current / "paxos").mkdir(parents=True)
        current.chmod(0o700)
        lines = _CLUSTER.sub(self._name, (self._folder / "current" / "VERSION").read_text()).splitlines()
        kept = [line for line in lines if not line.startswith(("blockpoolID=", "storageType="))]
        (current / "VERSION").write_text("\n".join([*kept, "storageType=JOURNAL_NODE", ""]))


def _made(make: Callable[[Path], None]) -> Path:
    home = jars_home()
    target = home / f"formatted-{VERSION}-{getpass.getuser()}"  # the root folder in it is this user's
    if not target.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with (
            open(home / "lock", "wb") as lock,
            tempfile.TemporaryDirectory(prefix=".formatted-", dir=home) as aside,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                make(Path(aside) / "name")
                (Path(aside) / "name").replace(target)
    return target
