"""``labels.txt``: TF-Slim's list of class names, one ``index:name`` a line.

Beside shards of TensorFlow Datasets lies ``label.labels.txt`` instead, one name a line; it is read where the first is
not there.
"""

from collections.abc import Sequence

from sparkcv import storage
from sparkcv.errors import ShardError

FILE_NAME = "labels.txt"
_OF_DATASETS = "label.labels.txt"
_MARK = "\ufeff"  # Windows' editors begin UTF-8 with it
_MOST_DIGITS = 18  # more are no class, and of some thousands Python makes no number


def write_labels(dataset_dir: str, labels: Sequence[str]) -> None:
    """Write the class names; their order is their label."""
    storage.write_text(storage.join(dataset_dir, FILE_NAME), format_labels(labels))


def read_labels(dataset_dir: str) -> tuple[str, ...]:
    """Read the class names of a dataset, ``labels[i]`` being the name of label ``i``.

    Raises:
        ShardError: the file is missing or empty, or a line is not ``index:name`` with indices 0, 1, 2...
    """
    url = storage.join(dataset_dir, FILE_NAME)
    if not storage.exists(url):
        other = storage.join(dataset_dir, _OF_DATASETS)
        if storage.exists(other):
            lines = storage.read_text(other).removeprefix(_MARK).split("\n")
            names = [name for line in lines if (name := line.strip())]  # as TensorFlow Datasets reads it
            return parse_labels("".join(f"{index}:{name}\n" for index, name in enumerate(names)), other)
        raise ShardError(f"{dataset_dir!r} has no {FILE_NAME}, wanted one line 'index:name' a class")
    return parse_labels(storage.read_text(url), url)


def format_labels(labels: Sequence[str]) -> str:
    """Return the text of labels.txt."""
    return "".join(f"{index}:{name}\n" for index, name in enumerate(labels))


def parse_labels(text: str, where: str) -> tuple[str, ...]:
    """Read the text of labels.txt; as TF-Slim, takes lines in any order and splits at the first colon."""
    names: dict[int, str] = {}
    for number, line in enumerate(text.removeprefix(_MARK).split("\n"), start=1):
        if not line.strip():
            continue
        index, colon, name = line.rstrip("\r").partition(":")
        digits = index.strip()
        if not colon or not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS:
            raise ShardError(f"{where!r} line {number} is {line[:80]!r}, wanted 'index:name'")
        if int(index) in names:
            raise ShardError(f"{where!r} line {number} names label {int(index)} again")
        names[int(index)] = name
    if not names:
        raise ShardError(f"{where!r} is empty, wanted one line 'index:name' a class")
    missing = next((index for index in range(len(names)) if index not in names), None)
    if missing is not None:
        raise ShardError(f"{where!r} has {len(names)} lines, but none for label {missing}")
    return tuple(names[index] for index in range(len(names)))
