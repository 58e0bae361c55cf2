"""Start one of our Python modules as a process: with this one's interpreter and packages, in a session of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["start_module"]


def start_module(module: str, words: Sequence[str], env: Mapping[str, str], **streams: Any) -> "subprocess.Popen[Any]":
    """Start ``python -m module`` with ``words`` in the environment ``env``; raises OSError if the system refuses.

    The child imports from the folders that this process imports from, as Spark brings packages by ``sys.path``. Who
    kills this process's group leaves the child, which must end by itself. ``streams`` is as for ``Popen``.
    """
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *words],  # -P: a file of the working folder must not hide a package
        env={**env, "PYTHONPATH": path},
        start_new_session=True,
        **streams,
    )
