"""Publishing a split: from a hidden folder into the dataset's, the manifest last, so that it is there whole or not.

Between the first step and the last the manifest does not name the split, and a reader refuses it. A conversion that
was killed there is put right by running it again with ``overwrite``.
"""

from collections.abc import Collection, Sequence

from sparkcv import logs, storage
from sparkcv.errors import FileExistsAlreadyError, LabelError, ShardError
from sparkcv.records.labels import FILE_NAME as LABELS
from sparkcv.records.labels import read_labels, write_labels
from sparkcv.records.manifest import Manifest, SplitEntry, read_manifest, write_manifest
from sparkcv.records.shards import shard_pattern

_log = logs.get(__name__)


def staging_dir(dataset_dir: str, name: str, splits: Sequence[str]) -> str:
    """Return the hidden folder in which these splits are written; what a killed run left there may be deleted."""
    return storage.join(dataset_dir, "-".join([".staging", name, *splits]))


def quarantine_url(dataset_dir: str, name: str, split: str) -> str:
    """Return the file that lists a split's unusable pictures, JSON lines of ``path`` and ``reason``."""
    return storage.join(dataset_dir, "quarantine", f"{name}_{split}.jsonl")


def check_free(dataset_dir: str, name: str, splits: Sequence[str], overwrite: bool) -> None:
    """Refuse to mix with what is there.

    Raises:
        ShardError: the folder holds a dataset of another name.
        FileExistsAlreadyError: one of the splits is there, and ``overwrite`` is not set.
    """
    manifest = read_manifest(dataset_dir)
    if manifest is not None and manifest.dataset_name != name:
        raise ShardError(f"{dataset_dir!r} holds the dataset {manifest.dataset_name!r}, not {name!r}")
    for split in splits:
        known = manifest is not None and split in manifest.splits
        if not overwrite and (known or _old_shards(dataset_dir, name, split)):
            raise FileExistsAlreadyError(
                f"{dataset_dir!r} has a split {split!r} of {name!r} already, wanted another split or --overwrite"
            )


def known_labels(dataset_dir: str, replaced: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of the splits that stay, none if there are none."""
    manifest = read_manifest(dataset_dir)
    if manifest is not None:
        return manifest.labels if set(manifest.splits) - set(replaced) else ()
    if storage.exists(storage.join(dataset_dir, LABELS)):
        return read_labels(dataset_dir)  # a dataset of TF-Slim's own tools
    return ()


def check_labels(dataset_dir: str, labels: Sequence[str], replaced: Sequence[str]) -> tuple[str, ...]:
    """Return the dataset's classes in order: those of the splits that stay, of which ``labels`` may lack some.

    Raises:
        LabelError: classes that the splits that stay do not have, or all of them in another order; names them.
    """
    there = known_labels(dataset_dir, replaced)
    if there and set(labels) < set(there):
        without = _some(sorted(set(there) - set(labels)))
        _log.warning("%s has also the classes %s, of which no picture comes", logs.clean(dataset_dir), without)
        return there
    if there and tuple(labels) != there:
        missing, extra = sorted(set(there) - set(labels)), sorted(set(labels) - set(there))
        parts = [f"{what} {_some(names)}" for what, names in (("missing", missing), ("extra", extra)) if names]
        raise LabelError(
            f"the classes differ from those of {dataset_dir!r}: {', '.join(parts) or 'the order is another'}"
        )
    return tuple(labels)


def refuse_other_labels(dataset_dir: str, labels: Sequence[str], splits: Sequence[str]) -> None:
    """Raise LabelError if a conversion that ran at the same time has published a split with other classes."""
    there = known_labels(dataset_dir, splits)
    if there and there != tuple(labels):
        raise LabelError(
            f"{dataset_dir!r} got splits of other classes from another conversion meanwhile: it has {len(there)}"
            f" ({_some(there)}), this one's are {len(labels)} ({_some(labels)}); the same command converts anew"
        )


def publish(dataset_dir: str, name: str, labels: Sequence[str], splits: dict[str, SplitEntry], staging: str) -> None:
    """Move the staged shards of ``splits`` into the dataset, replacing older ones of the same splits."""
    write_labels(dataset_dir, labels)
    write_manifest(dataset_dir, Manifest(name, tuple(labels), _others(dataset_dir, splits)))
    for split, entry in splits.items():
        for url in _old_shards(dataset_dir, name, split):
            storage.delete(url)
        for shard in entry.shards:
            storage.rename(storage.join(staging, shard.name), storage.join(dataset_dir, shard.name))
    # Read again: shards take a while to move, and another conversion may have published its split meanwhile.
    write_manifest(dataset_dir, Manifest(name, tuple(labels), {**_others(dataset_dir, splits), **splits}))


def _others(dataset_dir: str, splits: Collection[str]) -> dict[str, SplitEntry]:
    """Return the splits of the manifest but for ``splits``."""
    manifest = read_manifest(dataset_dir)
    return {split: entry for split, entry in (manifest.splits if manifest else {}).items() if split not in splits}


def _old_shards(dataset_dir: str, name: str, split: str) -> list[str]:
    if not storage.exists(dataset_dir):
        return []
    pattern = shard_pattern(name, split)
    return [entry.url for entry in storage.list_dir(dataset_dir) if pattern.fullmatch(entry.name)]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name) for name in names[:10]) + more
