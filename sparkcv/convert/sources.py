"""Where pictures come from: a folder per class, a CSV of paths and labels, GNT files. Runs in Spark tasks, streaming.

A name is bytes all the way through Spark: POSIX file names need not be UTF-8, and Spark's strings are.
"""

import csv
import hashlib
import io
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from sparkcv import logs, storage
from sparkcv.errors import DataError, LabelError, UsageError
from sparkcv.storage.clutter import is_clutter

_log = logs.get(__name__)

NO_CLASS = "no class: lies beside the class folders"


class Picture(NamedTuple):
    """One file to convert.

    ``name`` is relative to the source and unique in it; ``label`` is the class's name, None for a file outside of
    every class; ``line`` is the CSV's line, 0 for a folder; ``size`` is in bytes, -1 where the listing did not say;
    ``fault`` is why there is no picture, None where the listing saw no fault;
    ``position`` and ``draw`` are seeded 63-bit hashes of the name: the first orders the records, the second draws
    the validation split; ``place`` is a hash of where a CSV's picture lies, however its path is spelled, else None.
    """

    name: bytes
    label: str | None
    line: int
    size: int
    fault: str | None
    position: int
    draw: int
    place: bytes | None = None


def list_classes(images_dir: str) -> tuple[list[str], list[str]]:
    """Return the class folders of a picture tree, sorted, and the files that lie beside them.

    Raises:
        DataError: no folder is there.
        LabelError: a folder's name cannot be a line of labels.txt.
    """
    entries = []
    for entry in storage.list_dir(images_dir):
        if not is_clutter(entry.name):
            entries.append(entry)
        elif not entry.name.startswith("."):
            _log.warning("passed over %s in %s, which a system left there", entry.name, logs.clean(images_dir))
    classes = [check_label(entry.name, f"folder in {images_dir!r}") for entry in entries if entry.is_dir]
    if not classes:
        held = f"{len(entries)} files" if entries else "nothing"
        raise DataError(f"{images_dir!r} holds {held}, wanted a folder per class with its pictures")
    return classes, [entry.name for entry in entries if not entry.is_dir]


def list_class(images_dir: str, label: str, seed: int) -> Iterator[Picture]:
    """Yield the files of one class's folder, at any depth; hidden files and folders are passed over."""
    for entry in storage.walk(storage.join(images_dir, label)):
        name = storage.relative(entry.url, images_dir)
        if not any(is_clutter(part) for part in name.split("/")[1:]):
            yield make_picture(name, label, seed, size=entry.size)


def list_csv(labels_csv: str, seed: int) -> Iterator[Picture]:
    """Yield the rows of a CSV with the columns ``path`` and ``label``; others are passed over.

    Raises:
        DataError: no such columns, or a row that cannot be read; names its line.
        LabelError: a label that cannot be a line of labels.txt; names its line.
    """
    # surrogateescape keeps odd bytes of names; newline="" lets csv see line breaks inside of quotes.
    with io.TextIOWrapper(storage.open_read(labels_csv), "utf-8-sig", "surrogateescape", newline="") as text:
        rows = csv.reader(text, skipinitialspace=True, strict=True)
        try:
            path_column, label_column = _columns(next(rows, []), labels_csv)
            for row in rows:
                if row:
                    where = f"{labels_csv!r} line {rows.line_num}"
                    if len(row) <= max(path_column, label_column):
                        raise DataError(f"{where} has {len(row)} values, wanted a path and a label")
                    label = check_label(row[label_column].strip(), where)
                    picture = make_picture(_normalize(row[path_column], where), label, seed, line=rows.line_num)
                    yield picture._replace(place=_place(picture.name, storage.parent(labels_csv)))
        except csv.Error as err:
            raise DataError(f"{labels_csv!r} line {rows.line_num} is no CSV: {err}") from err


def locate(name: str, root: str) -> str:
    """Return the URL of a picture's name: a URL or absolute path as it is, anything else below ``root``."""
    if "://" in name or name.startswith("/"):
        return name
    while name.startswith("../"):
        name, root = name[3:], storage.parent(root)
    return f"{root.rstrip('/')}/{name}"


def check_label(label: str, where: str) -> str:
    """Return the label if it can be a class's name, else raise LabelError."""
    if not label or not label.isprintable():
        raise LabelError(f"{where}: got the class name {label!r}, wanted one of printable UTF-8 characters")
    return label


def make_picture(
    name: str, label: str | None, seed: int, *, line: int = 0, size: int = -1, fault: str | None = None
) -> Picture:
    """Make a Picture, drawing its hashes from the seed and the name alone."""
    data = name.encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(data, digest_size=16, salt=seed.to_bytes(16, "little")).digest()
    position, draw = (int.from_bytes(part, "big") >> 1 for part in (digest[:8], digest[8:]))
    return Picture(data, label, line, size, fault, position, draw)


def _place(name: bytes, root: str) -> bytes:
    """Return a hash of where a picture lies, the same for each spelling of its path."""
    url = locate(name.decode("utf-8", "surrogateescape"), root)
    local = storage.local_path(url)
    if local is not None:
        url = posixpath.normpath(local)
    else:
        scheme, _, path = url.partition("://")
        url = f"{scheme.lower()}://{posixpath.normpath(path)}"
    return hashlib.blake2b(url.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _columns(header: list[str], labels_csv: str) -> tuple[int, int]:
    names = [name.strip() for name in header]
    for wanted in ("path", "label"):
        if names.count(wanted) != 1:
            raise DataError(f"{labels_csv!r} line 1 has the columns {names}, wanted one 'path' and one 'label'")
    return names.index("path"), names.index("label")


def _normalize(path: str, where: str) -> str:
    if not path or "\0" in path:
        raise DataError(f"{where} has the path {path!r}, wanted one relative to the CSV, absolute, or a URL")
    try:
        return storage.resolve(path) if "://" in path else posixpath.normpath(path)
    except UsageError as err:
        raise DataError(f"{where}: {err}") from err
