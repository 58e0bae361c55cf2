"""``sparkcv --version``: the versions that decide whether a run works, read without importing any of them."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import sparkcv
from sparkcv.errors import UsageError
from sparkcv.submit import spark_home

__all__ = ["table"]

_PACKAGES = {
    "TensorFlow": "tensorflow",
    "TF-Slim": "tf-slim",
    "tf-keras": "tf-keras",
    "pyspark": "pyspark",
    "tensorflowonspark": "tensorflowonspark",
    "hdfs-native": "hdfs-native",
    "pyarrow": "pyarrow",
    "numpy": "numpy",
    "TensorBoard": "tensorboard",
}
_MISSING = "not installed"
_JAVA_TIMEOUT_S = 10
_RELEASE = re.compile(r'^JAVA_VERSION="([^"]+)"', re.MULTILINE)
_SAID = re.compile(r'version "([^"]+)"')


def table() -> str:
    """Return a line for each, with the place where it is if there may be several."""
    rows = [
        ("sparkcv", sparkcv.__version__, str(Path(sparkcv.__file__).parent)),
        ("Python", platform.python_version(), sys.executable),
        *((name, _package(package), "") for name, package in _PACKAGES.items()),
        *_spark(),
        _java(),
    ]
    width = max(len(version) for _, version, _ in rows)
    return "".join(f"{f'{name:<18} {version:<{width}}  {place}'.rstrip()}\n" for name, version, place in rows)


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return _MISSING


def _spark() -> list[tuple[str, str, str]]:
    """Return the Spark that ``sparkcv submit`` starts, maybe another than this Python's, and its Hadoop client."""
    try:
        home = spark_home.find()
    except UsageError:
        return [("Spark", "not found", "")]
    spark, hadoop = _jar(home, "spark-core_2.13"), _jar(home, "hadoop-client-api")
    return [("Spark", spark, str(home)), ("Hadoop client", hadoop, "")]


def _jar(home: Path, name: str) -> str:
    found = sorted((home / "jars").glob(f"{name}-[0-9]*.jar"))
    return found[-1].name.removeprefix(f"{name}-").removesuffix(".jar") if found else "unknown"


def _java() -> tuple[str, str, str]:
    """Return the version and path of the Java that Spark's own scripts take."""
    home = os.environ.get("JAVA_HOME")
    program = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if program is None or not os.path.exists(program):
        return ("Java", "not found", f"JAVA_HOME is {home}" if home else "")
    place = os.path.realpath(program)
    try:
        text = (Path(place).parents[1] / "release").read_text(encoding="utf-8")
        found = _RELEASE.search(text)
    except OSError:
        found = None
    return ("Java", found[1] if found else _ask(program), place)


def _ask(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=_JAVA_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = _SAID.search(done.stderr)
    return found[1] if found else "unknown"
