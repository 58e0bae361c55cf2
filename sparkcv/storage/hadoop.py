"""Read Hadoop's own files and variables: where HDFS is, which user this process is to it, where its tokens are."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from xml.etree import ElementTree

from sparkcv.errors import StorageError
from sparkcv.storage.translate import FileSystemError

# Where YARN unpacks the configuration that spark-submit sent along, seen from a container's working folder.
_CONTAINER_CONF = os.path.join("__spark_conf__", "__hadoop_conf__")
_FILES = ("core-site.xml", "hdfs-site.xml")
_INCLUDE = "{http://www.w3.org/2001/XInclude}include"
_VARIABLE = re.compile(r"\$\{([^${}\s]+)\}")
_HDFS_URL = re.compile(r"hdfs://[^/]+", re.IGNORECASE)
_MAX_DEPTH = 20  # Hadoop's own bound


@dataclass(frozen=True)
class HadoopConf:
    """Hadoop's configuration: its folder (None: none was found) and the values in it, variables replaced."""

    folder: str | None
    values: dict[str, str]

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        if self.folder is None:
            return "Hadoop's configuration, as none was found (set HADOOP_CONF_DIR)"
        return f"the Hadoop configuration {self.folder!r}"

    @property
    def is_kerberized(self) -> bool:
        """Whether it says that HDFS wants Kerberos."""
        return self.values.get("hadoop.security.authentication", "simple").lower() == "kerberos"

    @property
    def name_services(self) -> list[str]:
        """The name services that it defines."""
        names = [name.strip() for name in self.values.get("dfs.nameservices", "").split(",")]
        prefix = "dfs.ha.namenodes."
        names += [key.removeprefix(prefix) for key in self.values if key.startswith(prefix)]
        return sorted({name for name in names if self.namenodes(name)})

    def namenodes(self, name_service: str) -> dict[str, str]:
        """Return the ``host:port`` of each NameNode of a name service, by its name in it; {} if it is not defined."""
        prefix = f"dfs.namenode.rpc-address.{name_service}"
        ids = [name.strip() for name in self.values.get(f"dfs.ha.namenodes.{name_service}", "").split(",")]
        keys = {name: f"{prefix}.{name}" for name in ids if name} or {"nn": prefix}
        return {name: self.values[key] for name, key in keys.items() if key in self.values}


def conf_dir() -> str | None:
    """Return the folder of Hadoop's configuration as an absolute path, or None if there is none."""
    given = os.environ.get("HADOOP_CONF_DIR")
    home = os.environ.get("HADOOP_HOME")
    folders = [given, _CONTAINER_CONF, os.path.join(home, "etc", "hadoop") if home else None]
    for folder in folders:
        # The NodeManager may hand on a HADOOP_CONF_DIR that is nothing on this host: then the next one counts.
        if folder and any(os.path.isfile(os.path.join(folder, name)) for name in _FILES):
            return os.path.abspath(folder)
    return None


def user_name() -> str | None:
    """Return the user that this process is to an HDFS without Kerberos; None: the operating system's user."""
    # In a YARN container the system's user is the NodeManager's: the user of the job is in SPARK_USER.
    return os.environ.get("HADOOP_USER_NAME") or os.environ.get("SPARK_USER") or None


def hadoop_environment() -> dict[str, str]:
    """Return the variables by which a child process with another working folder sees the same HDFS.

    They are absolute: ``HADOOP_CONF_DIR``, ``HADOOP_TOKEN_FILE_LOCATION`` and ``HADOOP_USER_NAME``, each if known
    here; empty where there is no Hadoop.
    """
    folder = conf_dir()
    if folder is None:
        return {}
    values = {"HADOOP_CONF_DIR": folder}
    tokens = os.environ.get("HADOOP_TOKEN_FILE_LOCATION")
    if tokens:
        values["HADOOP_TOKEN_FILE_LOCATION"] = os.path.abspath(tokens)
    user = user_name()
    if user:
        values["HADOOP_USER_NAME"] = user
    return values


def with_authority(prefix: str) -> str:
    """Return ``hdfs://authority`` for a URL's beginning; a bare ``hdfs://`` gets the authority of fs.defaultFS."""
    if prefix.partition("://")[2]:
        return prefix
    conf = load_conf()
    default = conf.values.get("fs.defaultFS", "")
    found = _HDFS_URL.match(default)
    if found is None:
        said = f"fs.defaultFS is {default!r}" if default else "fs.defaultFS is not set"
        raise FileSystemError(StorageError, f"it names no cluster, and {said} in {conf.place}")
    return found[0]


def load_conf() -> HadoopConf:
    """Read the configuration; raise StorageError if a file of it is not XML."""
    folder = conf_dir()
    if folder is None:
        return HadoopConf(None, {})
    paths = [os.path.join(folder, name) for name in _FILES]
    stamps = tuple(os.stat(path).st_mtime_ns if os.path.isfile(path) else None for path in paths)
    return _load(folder, stamps)


@functools.lru_cache(maxsize=8)
def _load(folder: str, _stamps: tuple[int | None, ...]) -> HadoopConf:
    raw: dict[str, str] = {}
    for name in _FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            raw |= _read(path)
    return HadoopConf(folder, {key: _expand(value, raw) for key, value in raw.items()})


def _read(path: str, depth: int = 0) -> dict[str, str]:
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - the cluster's own files
    except (ElementTree.ParseError, OSError) as err:
        raise StorageError(f"cannot read Hadoop's configuration {path!r}: {err}") from err
    values: dict[str, str] = {}
    for child in root:
        name, value = child.findtext("name"), child.findtext("value")
        if child.tag == _INCLUDE and depth < _MAX_DEPTH:
            included = os.path.join(os.path.dirname(path), child.get("href", ""))
            if os.path.isfile(included):
                values |= _read(included, depth + 1)
        elif child.tag == "property" and name and value is not None:
            values[name.strip()] = value.strip()
    return values


def _variable(name: str) -> str | None:
    """Return a variable of the environment, or the default of ``NAME-x``; of ``NAME:-x`` also if it is empty."""
    key, dash, default = name.partition("-")
    value = os.environ.get(key.removesuffix(":"))
    if key.endswith(":"):
        value = value or None
    return default if value is None and dash else value


def _expand(value: str, values: dict[str, str]) -> str:
    """Replace ``${name}`` by that property, ``${user.name}`` and ``${env.NAME}``, which hdfs-native does not."""
    for _ in range(_MAX_DEPTH):
        found = _VARIABLE.search(value)
        if found is None:
            break
        name = found[1]
        if name.startswith("env."):
            new = _variable(name[4:])
        else:
            new = (user_name() or os.environ.get("USER")) if name == "user.name" else values.get(name)
        if new is None:
            break
        value = value[: found.start()] + new + value[found.end() :]
    return value
