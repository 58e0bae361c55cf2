"""Whether the driver and the executors run the same Python, the same sparkcv and the same packages."""

from collections.abc import Iterator

from sparkcv.doctor.facts import Facts, Machine
from sparkcv.doctor.finding import DRIVER, FAIL, OK, WARNING, Finding
from sparkcv.doctor.machine import PACKAGES

__all__ = ["check"]

_CHECK = "versions"
_SAME_EVERYWHERE = ("sparkcv", "tensorflow")
_NOT_OF_A_ROLE = ("pyarrow", "pandas")  # scoring and converting need them
_OF_HDFS = "hdfs-native"
_BRING = "--archives hdfs:///user/${USER}/Python.zip#Python (build_zip.sh makes it), or install it on every host"
_INTERPRETER = (
    f"set spark.pyspark.python (or PYSPARK_PYTHON) to an interpreter that has sparkcv's packages, or {_BRING}"
)
_ZIP = "./build_zip.sh sparkcv, and submit with --py-files dist/sparkcv.zip"


def check(facts: Facts) -> Iterator[Finding]:
    """Show the driver's versions, then what differs from them, or is missing, on each executor."""
    yield Finding(_CHECK, DRIVER, OK, _shown(facts.driver))
    for machine in facts.executors:
        findings = list(_differences(machine, facts))
        yield from findings or [Finding(_CHECK, machine.place, OK, "the same")]


def _shown(machine: Machine) -> str:
    named = ("sparkcv", "tensorflow", "numpy", "pyspark", "pyarrow", _OF_HDFS)
    return f"Python {machine.python}" + "".join(
        f", {name} {machine.versions[name]}" for name in named if name in machine.versions
    )


def _differences(machine: Machine, facts: Facts) -> Iterator[Finding]:
    driver = facts.driver
    if _minor(machine.python) != _minor(driver.python):
        found = f"Python {machine.python}, the driver runs {driver.python}; wanted the same minor version"
        advice = "run build_zip.sh with the driver's Python, or submit with --deploy-mode cluster"
        yield Finding(_CHECK, machine.place, FAIL, found, advice)
    if machine.import_error:
        yield _import_error(machine, driver)
        return
    if machine.archive:
        yield Finding(_CHECK, machine.place, FAIL, machine.archive, "build Python.zip on a system like the oldest node")
    if machine.source != driver.source and machine.versions.get("sparkcv") == driver.versions.get("sparkcv"):
        found = f"sparkcv {machine.versions.get('sparkcv')} with other source files than the driver's"
        yield Finding(_CHECK, machine.place, WARNING, found, _ZIP)
    for name in ("sparkcv", *PACKAGES):
        finding = _package(name, machine, facts)
        if finding is not None:
            yield finding


def _import_error(machine: Machine, driver: Machine) -> Finding:
    found = f"sparkcv cannot be imported: {machine.import_error}"
    if machine.executable:
        found += f" (Python is {machine.executable}, {machine.python}; the driver's is {driver.executable})"
    is_without_us = "'sparkcv" in machine.import_error
    return Finding(_CHECK, machine.place, FAIL, found, _ZIP if is_without_us else _INTERPRETER)


def _package(name: str, machine: Machine, facts: Facts) -> Finding | None:
    theirs, ours = machine.versions.get(name), facts.driver.versions.get(name)
    if theirs is None:
        if name == _OF_HDFS and not facts.uses_hdfs:
            return None
        if name in _NOT_OF_A_ROLE:
            found = f"{name} is missing: training works without it, converting and scoring do not"
            return Finding(_CHECK, machine.place, WARNING, found, _BRING)
        if name == "pyspark":  # Spark ships its own, of which no metadata tell
            return None
        return Finding(_CHECK, machine.place, FAIL, f"{name} is missing, each role needs it", _BRING)
    if ours in (None, theirs):  # the driver needs no TensorFlow
        return None
    status = FAIL if name in _SAME_EVERYWHERE else WARNING
    found = f"{name} {theirs}, the driver has {ours}"
    return Finding(_CHECK, machine.place, status, found, _ZIP if name == "sparkcv" else _BRING)


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
