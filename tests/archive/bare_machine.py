"""A machine as bare as a Hadoop node may be: a root folder with the C library, a shell, and no Python.

A command runs in it by chroot, in a mount namespace of its own, so that nothing stays mounted. That needs root, or
namespaces that an ordinary user may make.
"""

import os
import shutil
import subprocess
from pathlib import Path

from sparkcv.archive import elf

# What the mount namespace is entered with; the second makes a user namespace, in which anybody is root.
_WAYS = (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"])
_ENTER = """\
set -e
for folder in dev proc; do mount --rbind "/$folder" "$1/$folder"; done
exec chroot "$@"
"""
_INSIDE = 'cd /container && exec "$@"'


def way_in() -> list[str] | None:
    """The command that makes a namespace here, or None where neither root's nor a user's is allowed."""
    for way in _WAYS:
        if (
            subprocess.run([*way, "mount", "--bind", "/proc", "/proc"], capture_output=True, check=False).returncode
            == 0
        ):
            return way
    return None


class BareMachine:
    """A root folder with only the shared libraries ``needs``, and a folder ``container`` where programs start."""

    def __init__(self, root: Path, needs: list[str]):
        self.root = root
        self.container = root / "container"
        for folder in ("dev", "proc", "tmp", "bin", "container"):
            (root / folder).mkdir(parents=True)
        shell = Path("/bin/sh").resolve()
        self._copy(shell, root / "bin/sh")
        known = _loader_cache()
        linked = elf.read(shell)
        assert linked
        for name in {*needs, *linked.needed}:
            path = known[name]
            self._copy(path.resolve(), root / str(path).lstrip("/"))
            if name.startswith("ld-"):  # programs name it by this path
                self._copy(path.resolve(), root / "lib64" / name)

    def run(self, *command: str, env: dict[str, str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run ``command`` in the container's folder, with this environment alone."""
        way = way_in()
        assert way, "no mount namespace can be made here"
        script = [*way, "sh", "-c", _ENTER, "sh", str(self.root), "/bin/sh", "-c", _INSIDE, "sh", *command]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **env}
        return subprocess.run(script, capture_output=True, text=True, env=env, timeout=timeout, check=False)

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _loader_cache() -> dict[str, Path]:
    """Path of each shared library of this machine."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where ldconfig is on some systems
    told = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True, env={"PATH": path}).stdout
    found: dict[str, Path] = {}
    for line in told.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if arrow:
            found.setdefault(name.split()[0], Path(path))
    return found
