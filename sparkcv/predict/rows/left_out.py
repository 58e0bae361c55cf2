"""What lies in a folder and is no input: hidden files and those of other programs, counted and named."""

import collections

from sparkcv import logs
from sparkcv.predict.rows.parts import as_text
from sparkcv.storage.clutter import is_clutter

__all__ = ["LeftOut", "is_foreign", "is_hidden_in_tables"]

# What Spark and Windows leave beside the files of people; storage knows what else systems do. Not each name with an
# underscore: cameras write _DSC0001.JPG and _MG_1234.JPG.
_FOREIGN = frozenset({"_SUCCESS", "_metadata", "_common_metadata", "_temporary", "Icon\r", "ehthumbs.db", "thumbs.db"})
_FOREIGN_STARTS = ("_committed_", "_started_")
_MOST_NAMES = 100
_MOST_SHOWN = 8


def is_foreign(name: str) -> bool:
    """Return whether a file or folder of this name is left out of every kind of input."""
    return is_clutter(name) or name in _FOREIGN or name.startswith(_FOREIGN_STARTS)


def is_hidden_in_tables(name: str) -> bool:
    """Return whether Spark and Hive leave out a file or folder of this name when they read a table."""
    return is_foreign(name) or (name.startswith("_") and "=" not in name)


class LeftOut:
    """Counts what was left out, by name; of a folder, the folder alone."""

    def __init__(self) -> None:
        self.count = 0
        self._names: collections.Counter[str] = collections.Counter()

    def add(self, name: str, *, is_dir: bool = False) -> None:
        """Count one."""
        self.count += 1
        text = logs.clean(as_text(name)) + "/" * is_dir
        if text in self._names or len(self._names) < _MOST_NAMES:  # of names from data only so many are kept
            self._names[text] += 1

    def to_dict(self) -> dict[str, int]:
        """Return how often each name was left out, the most frequent first, and 100 names at most."""
        return dict(self._names.most_common())

    def __str__(self) -> str:
        return describe(self.count, self.to_dict())


def describe(count: int, names: dict[str, int]) -> str:
    """Return a line such as ``14 files or folders: .DS_Store x 12, @eaDir/, Thumbs.db``."""
    shown = list(names.items())[:_MOST_SHOWN]
    parts = [name if number == 1 else f"{name} x {number}" for name, number in shown]
    rest = count - sum(number for _, number in shown)
    return f"{count} {'file or folder' if count == 1 else 'files or folders'}: " + ", ".join(
        [*parts, *([f"{rest} more"] if rest else [])]
    )
