"""The Python that Spark's tasks run in, where it lacks a module that the driver has.

A driver that is started from an environment that nobody activated has its modules, and asks Spark for "python3", which
is another one on every host.
"""

import functools
import importlib.machinery
import platform
import re
import sys
import sysconfig
import threading
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["import_sentence"]

_ERROR = re.compile(r"^(?:ModuleNotFoundError|ImportError): (?P<words>.*)", re.MULTILINE)
_MISSING = re.compile(r"No module named '(?P<module>[^']+)'")
_TIMEOUT_S = 60.0  # of a task that starts Python on a busy host; a job that has failed can wait for its reason
_MOST_TASKS = 64

Found = tuple[str, str, str, bool]
"""What a task's Python is: path, version, host, and whether it lacks the module."""


def import_sentence(error: str) -> str:
    """Return what a task's failed import means, with interpreter, module and setting; "" for another error.

    ``error`` is the last line of the task's traceback. A module that the driver lacks as well is the program's own
    affair, and gives "". Where Spark still runs, a short job asks it for the executors' interpreter.
    """
    found = _ERROR.match(error)
    if found is None:
        return ""
    missing = _MISSING.match(found["words"])
    if missing is None:
        return (
            f"{_named(_lacking(''))} fails to import what a task needs ({found['words']}), the driver runs"
            f" {_driver()}: {_advice('')}"
        )
    module = missing["module"]
    if not _is_here(module):
        return ""
    return (
        f"{_named(_lacking(module))} has no module '{module}', which the driver's ({_driver()}) has: {_advice(module)}"
    )


def _named(found: Found | None) -> str:
    if found is None:
        return "the executors' Python"
    path, version, host, _ = found
    return f"the executors' Python ({path}, {version}, on {host})"


def _driver() -> str:
    return f"{sys.executable}, {platform.python_version()}"


def _advice(module: str) -> str:
    """Return what to change, which depends on whether pip installed the module here."""
    if module.partition(".")[0] == "sparkcv":
        return (
            "submit with --py-files dist/sparkcv.zip (build_zip.sh sparkcv), or set spark.pyspark.python (or"
            " PYSPARK_PYTHON) to an interpreter that has sparkcv and its packages"
        )
    if module and not _is_installed(module):
        return "send it along with --py-files, or add it to PYTHONPATH on the executors (spark.executorEnv.PYTHONPATH)"
    return (
        "set spark.pyspark.python (or PYSPARK_PYTHON) to an interpreter that has sparkcv's packages, or ship one with"
        " --archives (build_zip.sh)"
    )


def _spec(module: str) -> importlib.machinery.ModuleSpec | None:
    """Return where ``module`` would come from, without importing its packages, which may take seconds."""
    spec, path = None, None
    names = module.split(".")
    for number in range(1, len(names) + 1):
        name = ".".join(names[:number])
        spec = next((one for one in (finder.find_spec(name, path) for finder in sys.meta_path) if one), None)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _is_here(module: str) -> bool:
    try:
        return module in sys.modules or _spec(module) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _is_installed(module: str) -> bool:
    """Return whether ``module`` comes from the environment's folders of packages, not from a program's own folder."""
    spec = _spec(module.partition(".")[0])
    origin = (spec.origin or next(iter(spec.submodule_search_locations or ()), "")) if spec else ""
    return any(origin.startswith(sysconfig.get_path(name)) for name in ("purelib", "platlib"))


def _lacking(module: str) -> Found | None:
    """Return the Python of an executor that lacks ``module``, or of any for ""; None if Spark does not tell."""
    from pyspark import SparkContext

    context: Any = SparkContext._active_spark_context
    if context is None or context._jsc is None:
        return None
    found = _ask(context.applicationId, module.partition(".")[0])
    return next((one for one in found if one[3] or not module), None)


@functools.lru_cache(maxsize=8)
def _ask(application: str, module: str) -> tuple[Found, ...]:
    """Ask the executors of the application that runs for their Python, once; () if they do not answer in time."""
    del application  # for the cache: another one has other executors
    from pyspark import SparkContext

    context: Any = SparkContext._active_spark_context
    group, found = f"sparkcv-{uuid.uuid4().hex}", []

    def run() -> None:
        context.setJobGroup(group, "which Python the executors run", interruptOnCancel=True)
        count = min(_MOST_TASKS, max(2, int(context.defaultParallelism)))
        found.extend(context.parallelize(range(count), count).map(_task_of(module)).collect())

    def run_quietly() -> None:
        try:
            run()
        except Exception:  # noqa: BLE001 - the sentence then goes without the interpreter
            return

    # A thread of its own has none of the caller's job group, which may be cancelled.
    thread = threading.Thread(target=run_quietly, name="sparkcv-python", daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S)
    if thread.is_alive():
        context.cancelJobGroup(group)
        return ()
    return tuple(found)


def _task_of(module: str) -> Callable[[int], Found]:
    """Return the job's task. It travels by value, and so runs where there is no sparkcv to import."""

    def task(_: int) -> Found:
        import importlib.util
        import platform
        import socket
        import sys

        lacks = bool(module) and importlib.util.find_spec(module) is None
        return sys.executable, platform.python_version(), socket.gethostname(), lacks

    return task
