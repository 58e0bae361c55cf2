"""Spark's properties of a submission: ours of ``spark-yarn.conf`` or ``spark-kubernetes.conf``, and the user's.

The user's beat ours.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sparkcv.config import SubmitConfig
from sparkcv.config.submit import check_names
from sparkcv.errors import UsageError

__all__ = ["defaults", "given", "ours", "read"]

_BLANK = " \t\f"
_PAIR = re.compile(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_OURS = Path(__file__).with_name("spark-yarn.conf")
_OURS_ON_KUBERNETES = Path(__file__).with_name("spark-kubernetes.conf")
# Files of the checkout there, and of this folder.
_TEMPLATES = ("spark.kubernetes.driver.podTemplateFile", "spark.kubernetes.executor.podTemplateFile")
_ACCOUNT = "spark.kubernetes.authenticate.driver.serviceAccountName"
# What an archive's interpreter needs; nodes that have the packages have a Python of their own.
_OF_ARCHIVE = ("spark.pyspark.python", "spark.executorEnv.LD_LIBRARY_PATH", "spark.yarn.appMasterEnv.LD_LIBRARY_PATH")
# What other masters have no use for, or say by themselves.
_OF_YARN = ("spark.yarn.", "spark.driver.memory", "spark.executor.cores", "spark.task.cpus", *_OF_ARCHIVE)


def ours(config: SubmitConfig, *, has_archive: bool) -> dict[str, str]:
    """Return our own properties for this master."""
    if config.is_kubernetes:
        return _on_kubernetes(config)
    found = read(_OURS)
    if not config.is_yarn:
        found = {name: value for name, value in found.items() if not name.startswith(_OF_YARN)}
    if not has_archive:
        found = {name: value for name, value in found.items() if name not in _OF_ARCHIVE}
    if config.driver_memory is not None:
        found.pop("spark.driver.memory", None)
    return found


def _on_kubernetes(config: SubmitConfig) -> dict[str, str]:
    found = read(_OURS_ON_KUBERNETES)
    for name in _TEMPLATES:
        found[name] = str(Path(__file__).with_name(Path(found[name]).name))
    if not config.is_cluster_mode:  # the driver is a process of this machine, with its user's own login
        found = {
            name: value for name, value in found.items() if not name.startswith(("spark.kubernetes.driver.", _ACCOUNT))
        }
        found.pop("spark.kubernetes.executor.useDriverPodIP", None)
    if config.service_account is not None:
        found.pop(_ACCOUNT, None)
    if config.driver_memory is not None:
        found.pop("spark.driver.memory", None)
    options = {
        "spark.kubernetes.context": config.context,
        "spark.kubernetes.namespace": config.namespace,
        "spark.kubernetes.container.image": config.image,
        _ACCOUNT: config.service_account if config.is_cluster_mode else None,
    }
    return found | {name: value for name, value in options.items() if value is not None}


def given(config: SubmitConfig) -> dict[str, str]:
    """Return what the user gave by ``--conf`` and ``--properties_file``; the first beats the second.

    So does an option that says the same. Raises UsageError for a file that cannot be read, or cannot work.
    """
    if config.properties_file is None:
        return config.properties
    path = Path(config.properties_file)
    try:
        found = {name: value for name, value in read(path).items() if not config.says(name)}
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) else err
        raise UsageError(f"--properties_file {path}: cannot be read ({reason})") from err
    config.check_mode(found, f"--properties_file {path}")
    if config.is_kubernetes:
        check_names({f"--properties_file {path}: {name}": value for name, value in found.items()})
    return found | config.properties


def defaults(spark_home: Path) -> dict[str, str]:
    """Return the administrator's ``spark-defaults.conf``, as spark-submit will read it; {} where there is none."""
    path = Path(os.environ.get("SPARK_CONF_DIR") or spark_home / "conf") / "spark-defaults.conf"
    try:
        return read(path)
    except (OSError, ValueError):
        return {}


def read(path: Path) -> dict[str, str]:
    """Return the properties that a file of Spark's form holds, which is that of java.util.Properties.

    Raises OSError, and ValueError for what is no UTF-8 or no character's number.
    """
    found = {}
    for line in _lines(path.read_text(encoding="utf-8")):
        match = _PAIR.fullmatch(line)
        assert match is not None  # noqa: S101 - every line fits: either part may be empty
        found[_unescaped(match[1])] = _unescaped(match[2]).strip(_BLANK)
    return found


def _lines(text: str) -> Iterator[str]:
    """Yield lines without comments, those that end with a backslash joined with the next one."""
    whole, goes_on = "", False
    for line in text.split("\n"):
        line = line.lstrip(_BLANK)
        if not goes_on and (not line or line[0] in "#!"):
            continue
        goes_on = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        whole += line[:-1] if goes_on else line
        if not goes_on:
            yield whole
            whole = ""
    if whole:
        yield whole


def _unescaped(text: str) -> str:
    if wrong := re.search(r"(?<!\\)(?:\\\\)*(\\u(?![0-9a-fA-F]{4}).{0,4})", text):
        raise ValueError(f"{wrong[1]!r} is no character: a backslash stands as two, or as \\uXXXX")

    def character(found: re.Match[str]) -> str:
        return chr(int(found[1][1:], 16)) if len(found[1]) > 1 else _ESCAPED.get(found[1], found[1])

    # A character beyond 16 bits is two of Java's.
    return _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
