"""``--class_weights`` as numbers, settled before a run starts, so that workers and run.json have the list itself."""

from __future__ import annotations

from collections import Counter

from sparkcv import storage
from sparkcv.config.number_lists import BALANCED, check_weights, numbers_in
from sparkcv.errors import StorageError, UsageError
from sparkcv.records.manifest import read_manifest
from sparkcv.records.shards import Dataset

__all__ = ["settled_weights"]


def settled_weights(text: str | None, dataset: Dataset, labels_offset: int) -> str | None:
    """Return the weights of the net's classes as a comma-separated list; None for None.

    ``text`` is such a list, ``balanced``, or a file of numbers in any storage, with commas or lines between them.

    Raises:
        UsageError: a file that is not there or holds something else, a number of weights that is not the number of
            classes, weights that cannot work, or ``balanced`` for a dataset that has no counts.
    """
    if text is None:
        return None
    num_classes = dataset.num_classes - labels_offset
    weights = _balanced(dataset, labels_offset) if text == BALANCED else numbers_in(text)
    where = ""
    if weights is None:
        where = text
        weights = numbers_in(_read(text))
        if weights is None:
            raise UsageError(f"--class_weights {text}: got a file of other words, wanted numbers, one a class")
    check_weights(weights, num_classes, where)
    return ",".join(map(repr, weights))


def _read(url: str) -> str:
    try:
        return storage.read_text(storage.resolve(url))
    except (StorageError, UnicodeDecodeError) as err:
        raise UsageError(
            f"--class_weights {url}: got neither numbers nor {BALANCED!r} nor a file that can be read: {err}"
        ) from err


def _balanced(dataset: Dataset, labels_offset: int) -> tuple[float, ...]:
    """Return records / (classes that have any * records of the class), which is 1 on the average record; 0 for none."""
    manifest = read_manifest(dataset.dir)
    split = manifest.splits.get(dataset.split) if manifest is not None else None
    counts: Counter[int] = Counter()
    for shard in split.shards if split is not None else ():
        counts.update({int(label): count for label, count in shard.labels.items()})
    if split is None or sum(counts.values()) != sum(shard.records for shard in split.shards):
        raise UsageError(
            f"--class_weights {BALANCED}: {dataset.dir} has no manifest.json that counts the records of each class;"
            " wanted a dataset that sparkcv converted, or a list of weights"
        )
    of_classes = [counts[label] for label in range(labels_offset, dataset.num_classes)]
    total, present = sum(of_classes), sum(count > 0 for count in of_classes)
    return tuple(total / (present * count) if count else 0.0 for count in of_classes)
