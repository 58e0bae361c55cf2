"""What lies at ``--input``: pictures, shards, Parquet or lists of paths, told by content and listed as a stream."""

import collections
import dataclasses
import itertools
import os
import re
from collections.abc import Iterator

from sparkcv import storage
from sparkcv.errors import DataError, MissingFileError, StorageError, UsageError
from sparkcv.predict.rows import content, patterns, query
from sparkcv.predict.rows.content import LIST, PICTURES, RECORDS, TABLE, Content
from sparkcv.predict.rows.left_out import LeftOut, is_foreign, is_hidden_in_tables
from sparkcv.predict.rows.parts import as_text
from sparkcv.predict.rows.patterns import WANTED, Pattern, Place
from sparkcv.storage import Entry

# So many files tell what a folder holds, a few of each ending are opened: a folder of 10^8 pictures is not read twice.
_PEEK = 1000
_MOST_OPENED = 48
_OPENED_AN_ENDING = 3

_SHARD = re.compile(r".*\.(tfrecords?|tfrec|record)(\.gz)?$|.*[-_]\d{5}-of-\d{5}(\.gz)?$")
_PARQUET = re.compile(r".*\.(parquet|parq|pq)$", re.IGNORECASE)
_PICTURE = re.compile(r".*\.(jpe?g|png|gif|bmp|webp|tiff?|avif|jp2|j2k)$", re.IGNORECASE)
_NAMES = {TABLE: "Parquet", RECORDS: "TFRecord shards", PICTURES: "pictures", LIST: "text"}


@dataclasses.dataclass(frozen=True)
class InputFiles:
    """An input of one kind, its files' names relative to ``root``; ``input`` is what was given, made absolute.

    Kinds are ``"pictures"``, ``"records"``, ``"table"`` (Parquet), ``"list"`` (text or CSV with paths) and ``"query"``
    (a table that Spark knows, or SQL, which has no files of its own). ``base`` is the folder that relative paths in a
    table are taken from; none where a query gave it.
    """

    kind: str
    root: str
    input: str
    patterns: tuple[Pattern, ...] = ((),)
    base: str = ""

    def entries(self, left_out: LeftOut | None = None) -> Iterator[Entry]:
        """Yield the input's files, sorted by folder; those that are none are counted in ``left_out``."""
        counted = LeftOut() if left_out is None else left_out
        is_hidden = is_hidden_in_tables if self.kind == TABLE else is_foreign
        for entry in patterns.listed(self._place, counted, is_hidden):
            if self._is_input(entry):
                yield entry
            else:
                counted.add(entry.name)

    def name(self, entry: Entry) -> str:
        r"""Return the file's path relative to the input, as text, unique in it.

        A byte that is no UTF-8 becomes ``\xff``, and so that no other file has this name a backslash is doubled.
        """
        return as_text(storage.relative(entry.url, self.root).replace("\\", "\\\\"))

    def holds(self, url: str) -> bool:
        """Return whether the folder ``url`` would be a part of the input."""
        return self.kind != query.KIND and self._place.holds(url)

    @property
    def _place(self) -> Place:
        return Place(self.root, tuple(map(tuple, self.patterns)))

    def _is_input(self, entry: Entry) -> bool:
        """Each file among pictures is one, or a reject; of the other kinds a name or the content says so."""
        if self.kind == PICTURES:
            return True
        by_name = {TABLE: _PARQUET, RECORDS: _SHARD}.get(self.kind)
        if by_name is not None and by_name.match(entry.name):
            return True
        return _look(entry).kind == self.kind or (self.kind == RECORDS and not entry.size)


def find_input(given: str) -> InputFiles:
    """Tell what kind of input lies at ``given``.

    It is a folder, a file, a pattern such as ``/data/flowers_test-*`` or ``/data/{a,b}/*.jpg``, or several with commas;
    a name such as ``db.table`` that is no file, or SQL, is a query for Spark.

    Raises:
        MissingFileError: nothing is there.
        DataError: an empty folder.
        UsageError: a mixture of kinds, so that either could be meant; a format that is not read, by its name; a table
            of Delta Lake, Hudi or Iceberg.
    """
    if query.is_sql(given):
        return InputFiles(query.KIND, "", given.strip())
    try:
        place, resolved = patterns.find(given)
    except MissingFileError:
        if query.is_table_name(given):
            return InputFiles(query.KIND, "", given)
        raise
    left_out = LeftOut()
    peeked = list(itertools.islice(patterns.listed(place, left_out), _PEEK))
    if not peeked:
        hidden = f" but {left_out}" if left_out.count else ""
        raise DataError(f"--input: no file in {resolved!r}{hidden}, {WANTED}")
    return InputFiles(_kind(peeked, resolved), place.root, resolved, place.patterns, base=place.root)


def _kind(peeked: list[Entry], where: str) -> str:
    """Return the one kind of these files; raise UsageError for several, or a format that is not read."""
    looked = [(entry, _look(entry)) for entry in _sample(peeked)]
    first: dict[str, Entry] = {}
    for entry, found in looked:
        # Text may be anything: a shard or picture that is damaged, or an answer of the server that it was fetched from.
        weak = found.kind in ("", LIST)
        first.setdefault((weak and _kind_by_name(entry.name)) or found.kind, entry)
    kinds = [kind for kind in (TABLE, RECORDS, PICTURES) if kind in first]
    if len(kinds) > 1:
        raise UsageError(
            f"--input: {where!r} holds {' and '.join(_NAMES[kind] for kind in kinds)}, such as"
            f" {' and '.join(repr(first[kind].name) for kind in kinds)}; name the folder or the files of one of them"
        )
    foreign = next(((entry, found) for entry, found in looked if found.name and not found.kind), None)
    if kinds:
        return kinds[0]
    if foreign is not None:
        entry, found = foreign
        raise UsageError(
            f"--input: {where!r} holds {found.name} (such as {entry.name!r}), which is not read, {WANTED}"
            + query.advice(found.name, entry.url)
        )
    return LIST if LIST in first else PICTURES


def _sample(peeked: list[Entry]) -> list[Entry]:
    """Choose a few files of each ending, empty ones last."""
    opened: collections.Counter[str] = collections.Counter()
    chosen: list[Entry] = []
    for entry in sorted(peeked, key=lambda entry: not entry.size):
        ending = os.path.splitext(entry.name)[1].lower()
        if opened[ending] < _OPENED_AN_ENDING and len(chosen) < _MOST_OPENED:
            opened[ending] += 1
            chosen.append(entry)
    return chosen


def _look(entry: Entry) -> Content:
    try:
        return content.tell(storage.read_bytes(entry.url, 0, content.HEAD_BYTES))
    except StorageError:  # it is a reject of the task that reads it, or a whole store that does not answer
        return Content("", "")


def _kind_by_name(name: str) -> str:
    by_name = ((TABLE, _PARQUET), (RECORDS, _SHARD), (PICTURES, _PICTURE))
    return next((kind for kind, pattern in by_name if pattern.match(name)), "")
