"""What lies at ``--input``: pictures, shards or Parquet, recognized by names and listed as a stream."""

import dataclasses
import fnmatch
import itertools
import re
from collections.abc import Iterator

from sparkcv import storage
from sparkcv.errors import DataError, MissingFileError, UsageError
from sparkcv.storage import Entry
from sparkcv.storage.clutter import is_clutter

# So many files tell what a folder holds; a folder of 10^8 pictures is not listed twice to learn it.
_PEEK = 1000

_SHARD = re.compile(r".*\.(tfrecords?|tfrec|record)(\.gz)?$|.*[-_]\d{5}-of-\d{5}(\.gz)?$|part-([rm]-)?\d{5}(\.gz)?$")
_PARQUET = re.compile(r".*\.(parquet|parq|pq)$", re.IGNORECASE)
_PICTURE = re.compile(r".*\.(jpe?g|png|gif|bmp|webp|tiff?|avif|jp2|j2k)$", re.IGNORECASE)
_KINDS = {"table": "Parquet", "records": "TFRecord shards", "pictures": "pictures"}


@dataclasses.dataclass(frozen=True)
class InputFiles:
    """An input of one kind, ``"pictures"``, ``"records"`` or ``"table"``; its files' names are relative to ``root``."""

    kind: str
    root: str
    input: str

    def entries(self) -> Iterator[Entry]:
        """Yield the input's files, sorted by folder; hidden ones (``.x``, ``_x``) are no input, as in Hadoop."""
        wanted = {"table": _PARQUET, "records": _SHARD}.get(self.kind)
        for entry in _listed(self.input, self.root):
            if wanted is None or wanted.match(entry.name):
                yield entry

    def name(self, entry: Entry) -> str:
        """Return the file's path relative to the input, as text: bytes that are no UTF-8 become escapes."""
        relative = entry.url[len(self.root.rstrip("/")) + 1 :]
        return relative.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def find_input(url: str) -> InputFiles:
    """Tell what kind of input lies at ``url``: a folder, one file, or a pattern such as ``/data/flowers_test-*``.

    Raises:
        MissingFileError: nothing is there.
        DataError: an empty folder.
        UsageError: a folder that mixes pictures with shards or Parquet, so that either could be meant.
    """
    if storage.is_dir(url):
        root = url
    elif storage.exists(url) or (_is_pattern(url) and storage.is_dir(storage.parent(url))):
        root = storage.parent(url)
    else:
        raise MissingFileError(f"--input: nothing at {url!r}, wanted pictures, TFRecord shards or Parquet")
    names = [entry.name for entry in itertools.islice(_listed(url, root), _PEEK)]
    if not names:
        raise DataError(f"--input: no file in {url!r}, wanted pictures, TFRecord shards or Parquet")
    kinds = [kind for kind, pattern in (("table", _PARQUET), ("records", _SHARD)) if any(map(pattern.match, names))]
    if any(map(_PICTURE.match, names)):
        kinds.append("pictures")
    if len(kinds) > 1:
        found = " and ".join(_KINDS[kind] for kind in kinds)
        raise UsageError(f"--input: {url!r} holds {found}; name the folder or the files of one of them")
    return InputFiles(kinds[0] if kinds else "pictures", root, url)


def _listed(url: str, root: str) -> Iterator[Entry]:
    if url == root:
        prefix = len(root.rstrip("/")) + 1
        for entry in storage.walk(url):
            if not any(name[0] in "._" or is_clutter(name) for name in entry.url[prefix:].split("/")):
                yield entry
        return
    wanted = storage.basename(url)
    for entry in storage.list_dir(root):
        if entry.is_dir:
            continue
        if entry.name == wanted or (not storage.exists(url) and fnmatch.fnmatchcase(entry.name, wanted)):
            yield entry


def _is_pattern(url: str) -> bool:
    return any(sign in storage.basename(url) for sign in "*?[")
