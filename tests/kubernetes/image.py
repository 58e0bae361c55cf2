"""The image's own files under the tests' pods, where somebody has built it: ``SPARKCV_TESTS_IMAGE_ROOT=FOLDER``.

The folder is the root file system of docker/Dockerfile's image (``buildah mount``, or ``docker export`` unpacked). Each
pod's processes then have that for their root, with a writable layer of the pod's own, the image's variables, and the
user of the pod's template, without capabilities and new privileges, as a container runtime would give them; network,
processes and memory stay this machine's.
"""

import dataclasses
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.hadoop.submit import ROOT

VARIABLE = "SPARKCV_TESTS_IMAGE_ROOT"
ENTRYPOINT = "/opt/entrypoint.sh"
_RECIPE = ROOT / "docker" / "Dockerfile"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# $1: the image's root, $2: the pod's folder, $3: user and group, $4: the working folder; then folders of this machine
# that the pod sees where they are, "--", and what it runs.
_IN_IMAGE = """\
image=$1 pod=$2 user=$3 work=$4; shift 4
mkdir -p "$pod/upper" "$pod/overlay" "$pod/rootfs"
mount -t overlay none -o "lowerdir=$image,upperdir=$pod/upper,workdir=$pod/overlay" "$pod/rootfs"
for one in /proc /dev /run; do mount --rbind "$one" "$pod/rootfs$one"; done
touch "$pod/rootfs/etc/hosts" "$pod/rootfs/etc/resolv.conf"
for one in /etc/hosts /etc/resolv.conf; do mount --bind "$one" "$pod/rootfs$one"; done
while [ "$1" != -- ]; do mkdir -p "$pod/rootfs$1"; mount --bind "$1" "$pod/rootfs$1"; shift; done
shift
set -- env -C "$work" "$@"
set -- --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
set -- setpriv "--reuid=${user%:*}" "--regid=${user#*:}" --clear-groups "$@"
exec chroot "$pod/rootfs" "$@"
"""


@dataclasses.dataclass(frozen=True)
class Image:
    """An unpacked image.

    Attributes:
        root: its root file system.
        env: its variables, by the recipe.
        workdir: where its processes start.
        shared: folders of this machine that every pod sees under the same path.
    """

    root: Path
    env: dict[str, str]
    workdir: str
    shared: tuple[Path, ...] = ()

    def in_pod(self, pod: dict[str, Any], folder: Path, words: Sequence[str]) -> list[str]:
        """The command that runs ``words`` as the process of ``pod``, whose files are in ``folder``."""
        who = pod["spec"]["securityContext"]
        user = f"{who['runAsUser']}:{who['runAsGroup']}"
        self.shared[0].chmod(0o1777)  # where runs are written
        claims = self.shared[0] / "claims"
        subprocess.run(["chown", "-R", user, folder, *([claims] if claims.exists() else [])], check=True)
        script = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _IN_IMAGE, "sh"]
        return [*script, *map(str, (self.root, folder, user, self.workdir, *self.shared)), "--", *words]


def of_environment(*shared: Path) -> Image | None:
    """The image that the environment names; its pods see the folders ``shared``, the first of which is theirs to write.

    Raises ValueError if what is named is no such image.
    """
    if not (named := os.environ.get(VARIABLE)):
        return None
    root = Path(named).resolve()
    if not (root / ENTRYPOINT.lstrip("/")).is_file():
        raise ValueError(f"{VARIABLE}: {root} has no {ENTRYPOINT}, wanted the root of docker/Dockerfile's image")
    last = _RECIPE.read_text().rpartition("\nFROM ")[2]
    given = re.search(r"^ENV ((?:.*\\\n)*.*)$", last, re.MULTILINE)
    workdir = re.search(r"^WORKDIR (\S+)$", last, re.MULTILINE)
    assert given, f"{_RECIPE} has no ENV"
    assert workdir, f"{_RECIPE} has no WORKDIR"
    env = dict(word.split("=", 1) for word in given[1].replace("\\\n", " ").split())
    return Image(root, env | {"PATH": env["PATH"].replace("$PATH", _PATH)}, workdir[1], shared)
