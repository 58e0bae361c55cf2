"""What Java found out about the classes of Hadoop's daemons, kept once a machine: a third of the CPU time of a start.

As ``sparkcv.spark.class_data`` does for Spark. ``python -m tests.hadoop.make_class_data`` makes it; without it the
daemons start all the same.
"""

import hashlib
import os
import shutil
from pathlib import Path

from tests.hadoop import local_files
from tests.hadoop.jars import VERSION, jars_dir, jars_home

# Short-lived or idle daemons on few cores: the quick compiler and the simple collector halve their CPU time. What
# processes they run they start by VFORK in 3.6 ms, not 5.
JAVA = (
    *("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"),
    # A tenth each of a start: no garbage is collected while classes come in, and Hadoop's own jars are taken on trust.
    *("-XX:MetaspaceSize=96m", "-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"),
    "-XX:-UsePerfData",  # figures for tools that nobody runs, 20 times a second
    "-Djdk.lang.Process.launchMechanism=VFORK",
    *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.lang", "java.util", "java.lang.reflect")),
)


def class_path(conf_dir: Path) -> str:
    """Return the class path of a daemon: the archive holds where it begins as it did then, with the jars."""
    return os.pathsep.join([*jars(), str(conf_dir), str(local_files.folder())])


def java_options() -> list[str]:
    """Return Java's options that name the archive; [] where there is none for this Java."""
    if not archive().is_file():
        return []
    # What Java does not like about an archive it would say on standard output, where others' words are waited for. And
    # it would move each to an address by chance, and read and write all of it for that.
    return ["-Xlog:disable", "-XX:ArchiveRelocationMode=0", f"-XX:SharedArchiveFile={archive()}"]


def archive() -> Path:
    """Return where it lies: another Java would leave it aside without a word, and so has one of its own."""
    java = Path(os.path.realpath(shutil.which("java") or "java"))
    release = java.parents[1] / "release"
    known = (release.read_bytes() if release.is_file() else b"") + os.fsencode(java)
    return jars_home() / f"hadoop-{VERSION}-{hashlib.sha256(known).hexdigest()[:12]}.jsa"


def jars() -> list[str]:
    """Return the jars of Hadoop, and py4j's, by which Python told Java what to start: the archive is of all of them."""
    return [*sorted(map(str, jars_dir().glob("*.jar"))), str(py4j())]


def py4j() -> Path:
    """Return the copy beside the archive: another checkout's own is another file to Java."""
    return archive().with_suffix(".jar")
