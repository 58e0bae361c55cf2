"""What one machine and this process's Python are like, found without TensorFlow and within milliseconds."""

import contextlib
import getpass
import glob
import hashlib
import importlib.metadata
import os
import platform
import resource
import shutil
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import psutil

import sparkcv
from sparkcv import container
from sparkcv.archive import description
from sparkcv.errors import DataError, MissingFileError
from sparkcv.storage.hadoop import conf_dir, user_name

__all__ = ["PACKAGES", "archive_misfit", "describe", "scratch", "source_digest"]

PACKAGES = (
    "tensorflow",
    "tf-keras",
    "tf-slim",
    "numpy",
    "fsspec",
    "hdfs-native",
    "cryptography",
    "google-crc32c",
    "psutil",
    "pyspark",
    "pyarrow",
    "pandas",
)


def describe() -> dict[str, Any]:
    """Return what is so wherever a process of the run is: interpreter, packages, Hadoop's side, memory."""
    tokens = os.environ.get("HADOOP_TOKEN_FILE_LOCATION", "")
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "versions": _versions(),
        "source": source_digest(),
        "archive": archive_misfit(),
        "user": user_name() or _system_user(),
        "hadoop_conf": conf_dir() or "",
        "tokens": tokens,
        "tokens_error": _unreadable(tokens) if tokens else "",
        "memory_free": _memory_free(),
        "address_space": _address_space(),
        "shm_free": shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else None,  # noqa: S108
        "gpu_devices": gpu_devices(),
    }


def gpu_devices() -> int:
    """Return the number of GPU devices of this machine."""
    return len(glob.glob("/dev/nvidia[0-9]*"))


def scratch(root: str) -> dict[str, Any]:
    """Return what there is of the folder in which an executor's roles keep their files."""
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"probe")
            file.flush()
        return {"scratch": root, "scratch_disk": _disk_of(root), "scratch_free": shutil.disk_usage(root).free}
    except OSError as err:
        return {"scratch": root, "scratch_error": str(err)}


def source_digest() -> str:
    """Return a digest of sparkcv's Python files, the same from a folder and from a zip of it."""
    home = Path(sparkcv.__file__).parent
    if home.is_dir():
        sums = {path.relative_to(home).as_posix(): zlib.crc32(path.read_bytes()) for path in home.rglob("*.py")}
    else:
        with zipfile.ZipFile(home.parent) as package:
            prefix = f"{home.name}/"
            files = [info for info in package.infolist() if info.filename.startswith(prefix)]
            sums = {info.filename.removeprefix(prefix): info.CRC for info in files if info.filename.endswith(".py")}
    return hashlib.sha256(repr(sorted(sums.items())).encode()).hexdigest()[:16]


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in some containers
        return str(os.getuid())


def _versions() -> dict[str, str]:
    found = {"sparkcv": sparkcv.__version__}  # it may have come as a zip, of which no metadata tell
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def archive_misfit(prefix: str = sys.prefix) -> str:
    """Return why the archive that this Python came in does not fit this machine; "" if it does, or there is none."""
    try:
        return description.misfit(description.read(prefix)) or ""
    except MissingFileError:
        return ""
    except DataError as err:
        return str(err)


def _disk_of(path: str) -> str:
    """Return where the disk of a folder is mounted."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _unreadable(path: str) -> str:
    try:
        with open(path, "rb"):
            return ""
    except OSError as err:
        return str(err.strerror or err)


def _memory_free() -> int:
    """Return the bytes of memory that can be had: the machine's, or what a control group (a container) leaves of it."""
    free, left = int(psutil.virtual_memory().available), container.memory_left()
    return max(0, free if left is None else min(free, left))


def _address_space() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else int(soft)
