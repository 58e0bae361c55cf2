"""What ``--input`` names: a folder, a file, a pattern, several of these; and the files that it stands for."""

import fnmatch
import glob
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sparkcv import storage
from sparkcv.errors import DataError, MissingFileError, StorageError, UsageError
from sparkcv.predict.rows import table_formats
from sparkcv.predict.rows.left_out import LeftOut, is_foreign
from sparkcv.storage import Entry
from sparkcv.storage.names import folder_prefix, split_host

__all__ = ["Pattern", "Place", "WANTED", "find", "listed"]

Pattern = tuple[str, ...]
"""A pattern for each name below the root; the empty one stands for all that lies below it."""

WANTED = "wanted pictures, TFRecord shards, Parquet, or a list of paths"
_MOST_ALTERNATIVES = 1000
_BRACES = re.compile(r"\{([^{}]*)\}")
_ESCAPED = re.compile(r"\[([*?[])\]")


@dataclass(frozen=True)
class Place:
    """Where an input lies: its files' names are relative to ``root``; each of ``patterns`` stands for some of them."""

    root: str
    patterns: tuple[Pattern, ...] = ((),)

    def holds(self, url: str) -> bool:
        """Return whether the file or folder ``url`` would be a part of the input."""
        root = folder_prefix(self.root)
        names = [name for name in f"{url}/"[len(root) :].split("/") if name]
        return f"{url}/".startswith(root) and any(
            len(pattern) <= len(names) and all(map(fnmatch.fnmatchcase, names, pattern)) for pattern in self.patterns
        )


def find(given: str) -> tuple[Place, str]:
    """Return where the input is, and what was given with its paths made absolute.

    A name that is there is itself first, whatever signs it has. Else commas separate inputs, ``{a,b}`` stands for each
    of its words, and ``*``, ``?`` and ``[a-z]`` match within the name of one file or folder.

    Raises:
        MissingFileError: nothing is there under one of the names or words.
        DataError: a pattern matches no file.
        UsageError: several file systems, a ``**``, or a table that has a log of its own.
    """
    urls = _alternatives(given)
    if len({split_host(url)[0] for url in urls}) > 1:
        raise UsageError(f"--input: {given!r} names several file systems, wanted one")
    bases = {url: _base(url, is_literal) for url, is_literal in urls.items()}
    for base in set(bases.values()):
        table_formats.refuse_inside(base)
    root = _common(list(bases.values()))
    start = len(_names(root))
    patterns = []
    for url, is_literal in urls.items():
        pattern = tuple(glob.escape(name) if is_literal else name for name in _names(url)[start:])
        if not is_literal and next(listed(Place(root, (pattern,))), None) is None:
            raise DataError(f"--input: no file in {url!r}, {WANTED}")
        patterns.append(pattern)
    return Place(root, tuple(patterns)), ",".join(urls)


def listed(
    place: Place, left_out: LeftOut | None = None, is_hidden: Callable[[str], bool] = is_foreign
) -> Iterator[Entry]:
    """Yield the files of a place, folder by folder and sorted by name; hold one folder's listing for each level.

    Files and folders that ``is_hidden`` are counted in ``left_out``, unless they were named; so are symbolic links that
    lead back to a folder they lie in. Raise UsageError for a folder that is a table with a log of its own.
    """
    return _walk(place.root, place.patterns, LeftOut() if left_out is None else left_out, is_hidden)


def _walk(
    folder: str, patterns: Sequence[Pattern], left_out: LeftOut, is_hidden: Callable[[str], bool]
) -> Iterator[Entry]:
    is_whole = () in patterns
    names = [_literal(pattern[0]) for pattern in patterns if pattern]
    entries = storage.list_dir(folder) if is_whole or None in names else _named(folder, [n for n in names if n])
    table_formats.refuse_listed(entries, folder)
    for entry in entries:
        rest = [()] if is_whole else [p[1:] for p in patterns if fnmatch.fnmatchcase(entry.name, p[0])]
        if not rest or (not entry.is_dir and () not in rest):
            continue
        if (is_hidden(entry.name) and entry.name not in names) or (entry.is_dir and storage.leads_back(entry.url)):
            left_out.add(entry.name, is_dir=entry.is_dir)
        elif entry.is_dir:
            yield from _walk(entry.url, rest, left_out, is_hidden)
        else:
            yield entry


def _named(folder: str, names: Sequence[str]) -> list[Entry]:
    """Look up single names: a folder of millions is not listed for one of its files."""
    found = []
    for name in sorted(set(names)):
        url = folder_prefix(folder) + name
        if storage.exists(url):
            is_dir = storage.is_dir(url)
            found.append(Entry(url, name, 0 if is_dir else storage.size(url), is_dir))
    return found


def _alternatives(given: str) -> dict[str, bool]:
    """Return each URL that was named, and whether it is a name, not a pattern."""
    whole = storage.resolve(given)
    if _is_there(whole, given):
        return {whole: True}
    found = {}
    for piece in _split(given):
        url = storage.resolve(piece)
        for word in [url] if _is_there(url, piece) else _expanded(url):
            is_literal = _is_there(word, piece)
            if not is_literal and not glob.has_magic(split_host(word)[1]):
                raise MissingFileError(f"--input: nothing at {word!r}, {WANTED}")
            if "**" in word and not is_literal:
                raise UsageError(f"--input: got {word!r}; `**` is no pattern here: of a folder, all below it is scored")
            found[word] = is_literal
    return found


def _is_there(url: str, given: str) -> bool:
    try:
        return storage.exists(url)
    except StorageError:
        if any(sign in given for sign in ",{*?["):  # a pattern may be longer than names are, or have signs none has
            return False
        raise


def _split(given: str) -> list[str]:
    """Split at the commas that stand outside of braces."""
    pieces, depth = [""], 0
    for sign in given:
        depth += (sign == "{") - (sign == "}" and depth > 0)
        if sign == "," and not depth:
            pieces.append("")
        else:
            pieces[-1] += sign
    return [piece.strip() for piece in pieces if piece.strip()] or [given]


def _expanded(url: str) -> list[str]:
    """Replace each ``{a,b}`` by each of its words."""
    done, left = [], [url]
    while left:
        text = left.pop(0)
        found = _BRACES.search(text)
        if found is None:
            done.append(text)
        else:
            left = [text[: found.start()] + word + text[found.end() :] for word in found[1].split(",")] + left
        if len(done) + len(left) > _MOST_ALTERNATIVES:
            raise UsageError(f"--input: {url!r} stands for more than {_MOST_ALTERNATIVES} names, wanted fewer or a `*`")
    return done


def _base(url: str, is_literal: bool) -> str:
    """Return the folder that a name is or lies in, or the last one before a pattern's first sign."""
    if is_literal:
        return url if storage.is_dir(url) else storage.parent(url)
    while glob.has_magic(split_host(url)[1]):
        url = storage.parent(url)
    if not storage.is_dir(url):
        raise MissingFileError(f"--input: nothing at {url!r}, {WANTED}")
    return url


def _common(folders: Sequence[str]) -> str:
    prefix = split_host(folders[0])[0]
    shared = itertools.takewhile(lambda names: len(set(names)) == 1, zip(*map(_names, folders), strict=False))
    return f"{prefix}/{'/'.join(names[0] for names in shared)}"


def _names(url: str) -> list[str]:
    return [name for name in split_host(url)[1].split("/") if name]


def _literal(pattern: str) -> str | None:
    """Return the only name that a pattern matches; None if there may be several."""
    return None if glob.has_magic(_ESCAPED.sub("", pattern)) else _ESCAPED.sub(r"\1", pattern)
