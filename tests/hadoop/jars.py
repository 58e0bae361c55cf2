"""Hadoop's server jars, fetched once by the Ivy that pyspark carries: no tarball, no Maven, only Java and a network.

Into ``$SPARKCV_HADOOP_DIR`` or ``~/.cache/sparkcv``, in a folder named by version, published by one rename.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

VERSION = "3.5.0"
_MODULES = {
    "hadoop": (
        "hadoop-common",
        "hadoop-hdfs",
        "hadoop-hdfs-client",
        "hadoop-yarn-server-resourcemanager",
        "hadoop-yarn-server-nodemanager",
        "hadoop-yarn-server-timelineservice",  # the ResourceManager does not start without it
    ),
    "minikdc": ("hadoop-minikdc",),  # a folder of its own: the daemons have other versions of what it needs
}
_TIMEOUT_S = 1200
_IVY = """<ivy-module version="2.0"><info organisation="sparkcv" module="hadoop"/>
<configurations><conf name="default"/></configurations><dependencies>
{dependencies}
</dependencies></ivy-module>
"""
_DEPENDENCY = '<dependency org="org.apache.hadoop" name="{name}" rev="{version}" conf="default->default"/>'
_SETTINGS = """<ivysettings><settings defaultResolver="central"/><caches defaultCacheDir="{cache}"/>
<resolvers><ibiblio name="central" m2compatible="true" root="{root}"/></resolvers></ivysettings>
"""
_CENTRAL = "https://repo1.maven.org/maven2/"


def jars_home() -> Path:
    """Return the folder of this user that holds what is fetched or made once a machine."""
    return Path(os.environ.get("SPARKCV_HADOOP_DIR") or Path.home() / ".cache" / "sparkcv")


def jars_dir(which: str = "hadoop") -> Path:
    """Return the folder that holds the jars of the daemons, or of the ``"minikdc"``, fetching them if need be.

    Raises RuntimeError if that fails.
    """
    home = jars_home()
    target = home / f"{which}-{VERSION}"
    if target.is_dir():
        return target
    with making(target):  # two test runs on a new machine fetch once
        if not target.is_dir():
            _fetch(home, target, _MODULES[which])
    return target


@contextlib.contextmanager
def making(target: Path) -> Iterator[None]:
    """Keep others from making the same; a lock each, since what is made of the jars has them fetched meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.with_name(f".{target.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(home: Path, target: Path, modules: Sequence[str]) -> None:
    import pyspark

    ivy = next(Path(pyspark.__file__).parent.glob("jars/ivy-2*.jar"))
    aside = Path(tempfile.mkdtemp(prefix=".hadoop-", dir=home))
    try:
        dependencies = "\n".join(_DEPENDENCY.format(name=name, version=VERSION) for name in modules)
        (aside / "ivy.xml").write_text(_IVY.format(dependencies=dependencies))
        root = os.environ.get("SPARKCV_MAVEN_URL") or _CENTRAL
        (aside / "settings.xml").write_text(_SETTINGS.format(cache=aside / "cache", root=root))
        print(f"fetching {', '.join(modules)} {VERSION} (up to 100 MB, once) ...", file=sys.stderr, flush=True)
        _run_ivy(ivy, aside)
        jars = aside / "jars"
        for name in modules:
            if not list(jars.glob(f"{name}-{VERSION}.jar")):
                raise RuntimeError(f"Ivy fetched no {name}-{VERSION}.jar; its log ended: {_tail(aside / 'ivy.log')}")
        jars.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _run_ivy(ivy: Path, folder: Path) -> None:
    argv = ["java", "-jar", str(ivy), "-settings", "settings.xml", "-ivy", "ivy.xml", "-confs", "default"]
    argv += ["-retrieve", "jars/[artifact]-[revision](-[classifier]).[ext]", "-types", "jar", "bundle"]
    started_s = time.monotonic()
    with open(folder / "ivy.log", "wb") as log:
        done = subprocess.run(argv, cwd=folder, stdout=log, stderr=log, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"Ivy could not fetch Hadoop's jars (exit {done.returncode}): {_tail(folder / 'ivy.log')}")
    print(f"fetched in {time.monotonic() - started_s:.0f} s", file=sys.stderr, flush=True)


def _tail(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-6:])
