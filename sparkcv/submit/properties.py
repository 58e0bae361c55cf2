"""Spark's properties of a submission: ours of ``spark-yarn.conf`` or ``spark-kubernetes.conf``, and the user's.

The user's beat ours.
"""

import os
import re
from pathlib import Path

from sparkcv.config import SubmitConfig
from sparkcv.config.submit import check_names
from sparkcv.errors import UsageError

__all__ = ["defaults", "given", "ours", "read"]

_LINE = re.compile(r"(\S+?)(?:\s*[=:]\s*|\s+)(\S.*?)?\s*")
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
    except (OSError, UnicodeDecodeError) as err:
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
    except (OSError, UnicodeDecodeError):
        return {}


def read(path: Path) -> dict[str, str]:
    """Return the properties that a file of Spark's form holds."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    found = (_LINE.fullmatch(line) for line in lines if line and not line.startswith(("#", "!")))
    return {match[1]: match[2] or "" for match in found if match}
