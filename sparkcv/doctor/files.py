"""What a run does to its storage, done once in a hidden folder: list, write, rename, read back, delete."""

import contextlib
import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator

from sparkcv import storage
from sparkcv.doctor.facts import Step
from sparkcv.errors import DataError, SparkcvError

__all__ = ["WITNESS", "exercise", "probe_folder", "read_some"]

WITNESS = "driver"  # the file by which an executor sees that it looks at the driver's storage and not at its own
_TEXT = b"written by the doctor\n"
_READ_BYTES = 4096


@contextlib.contextmanager
def probe_folder(parent: str) -> Iterator[str]:
    """Make a hidden folder in ``parent`` with the driver's file in it; at the end both go, with parents made for it.

    Raises StorageError if it cannot be made.
    """
    made = _missing(parent)
    folder = storage.join(parent, f".doctor-{secrets.token_hex(6)}")
    try:
        storage.write_bytes(storage.join(folder, WITNESS), _TEXT)
        yield folder
    finally:
        with contextlib.suppress(SparkcvError):  # what is wrong with the storage was found already
            storage.delete(folder, recursive=True)
            for url in made:
                storage.delete(url)  # not if a run has begun to use it


def exercise(folder: str, name: str) -> list[Step]:
    """Do in a probe folder what a run does in its own, with files called ``name``; ends at the first error."""
    first, second = storage.join(folder, f"{name}-1"), storage.join(folder, f"{name}-2")
    return _all(
        (
            "list",
            lambda: _wanted(WITNESS in _names(folder), f"{folder!r} does not hold the file that the driver wrote"),
        ),
        ("write", lambda: storage.write_bytes(first, _TEXT)),
        ("rename", lambda: storage.rename(first, second)),
        ("read", lambda: _wanted(storage.read_bytes(second) == _TEXT, f"{second!r} reads as other bytes than written")),
        ("delete", lambda: storage.delete(second)),
    )


def read_some(url: str) -> list[Step]:
    """Read the first bytes of a stored file."""
    return _all(("read", lambda: _wanted(bool(storage.read_bytes(url, 0, _READ_BYTES)), f"{url!r} is empty")))


def _all(*works: tuple[str, Callable[[], object]]) -> list[Step]:
    steps = []
    for name, work in works:
        start_s = time.monotonic()
        step = Step(name, 0.0)
        try:
            work()
        except SparkcvError as err:
            step = Step(name, 0.0, str(err), type(err).__name__)
        steps.append(dataclasses.replace(step, seconds=time.monotonic() - start_s))
        if step.error:
            break
    return steps


def _names(folder: str) -> set[str]:
    return {entry.name for entry in storage.list_dir(folder)}


def _wanted(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DataError(otherwise)


def _missing(url: str) -> list[str]:
    """Return the folders from ``url`` upwards that are not there yet, the innermost first, the root not among them.

    Of a bucket that is not there, the root is not there either.
    """
    missing = []
    while (above := storage.parent(url)) != url and not storage.exists(url):
        missing.append(url)
        url = above
    return missing
