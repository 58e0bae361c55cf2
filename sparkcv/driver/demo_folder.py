"""The folder that a demo works in, and what it says while it does."""

import dataclasses
import json
import pathlib
import shutil
import sys
from typing import Any

from sparkcv.errors import StorageError, UsageError

__all__ = ["make_folder", "say", "show"]

_MARK = "demo.json"


def make_folder(work_dir: str, config: Any) -> pathlib.Path:
    """Make the empty folder ``work_dir``; only one that a demo made is ever replaced.

    Raises:
        UsageError: the folder holds something that is not a demo's, or is a file.
        StorageError: the folder cannot be read or made.
    """
    work = pathlib.Path(work_dir).absolute()
    try:
        if work.exists() and not work.is_dir():
            raise UsageError(f"--work_dir {work} is a file; wanted an empty or a new folder")
        if work.exists() and any(work.iterdir()) and not (work / _MARK).exists():
            raise UsageError(f"--work_dir {work} holds files that are not a demo's; wanted an empty or a new folder")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / _MARK).write_text(json.dumps(dataclasses.asdict(config), indent=1))
    except OSError as err:
        raise StorageError(f"--work_dir {work} cannot be written ({err.strerror}); wanted a local folder") from err
    return work


def say(number: int, of: int, what: str) -> None:
    """Print which part begins."""
    show(f"\n[{number}/{of}] {what}")


def show(report: object) -> None:
    """Print what a part gave."""
    sys.stdout.write(f"{report}\n")
    sys.stdout.flush()
