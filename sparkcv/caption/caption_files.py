"""Files of captions: COCO's JSON, the token files of Flickr8k and Flickr30k, and a CSV of paths and captions.

Which it is tells the file itself. It is read whole: COCO's largest has 100 MB, and what is kept are texts.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from sparkcv import storage
from sparkcv.errors import DataError

__all__ = ["NamedCaptions", "captions_of_rows", "read_captions"]

_MOST_BYTES = 2 << 30
_MOST_ID = 2**63  # a record holds it as int64
_TOKEN_LINE = re.compile(r"(?P<path>[^\t\0]+)#(?P<number>\d+)\t(?P<caption>.*)")
_HEADERS = {
    (",", "path", "caption"): (0, 1),
    (",", "image", "caption"): (0, 1),
    (",", "caption", "path"): (1, 0),
    ("|", "image_name", "comment_number", "comment"): (0, 2),
}
"""Heads of tables by their separator, and the columns of path and caption."""

_WANTED = (
    "wanted COCO's JSON, lines 'picture.jpg#0<tab>caption' as of Flickr8k, or a CSV whose head is path,caption (or"
    " image,caption, or Flickr30k's image_name| comment_number| comment)"
)


@dataclasses.dataclass(frozen=True)
class NamedCaptions:
    """The captions of one picture as they stand in the file, in its order.

    ``path`` is as it is written there; ``image_id`` is COCO's, else the picture's number in the file, from 0; ``line``
    is where it is named first, 0 in JSON.
    """

    path: str
    image_id: int
    line: int
    captions: tuple[str, ...]


def read_captions(url: str) -> list[NamedCaptions]:
    """Return the pictures that a file names, each once with all of its captions, in the file's order.

    Captions may be empty: who writes records says what becomes of them. A picture of COCO without any has none.

    Raises:
        MissingFileError: it is not there.
        DataError: it is empty, too large, not UTF-8, or of no form that is known, it names no picture, or a line is not
            of the file's form.
    """
    num_bytes = storage.size(url)
    if num_bytes > _MOST_BYTES:
        raise DataError(f"{url!r} has {num_bytes} bytes, wanted a file of captions of {_MOST_BYTES} at most")
    text = _decoded(storage.read_bytes(url), url)
    start = text.lstrip()[:1]
    if not start:
        raise DataError(f"{url!r} is empty, {_WANTED}")
    found = _of_coco(text, url) if start in "{[" else _merged(_of_lines(text, url))
    if not found:
        raise DataError(f"{url!r} names no picture, wanted paths and captions")
    return found


def captions_of_rows(rows: Iterable[tuple[Any, Any]], what: str) -> list[NamedCaptions]:
    """Return the pictures of rows, paths and captions, as :func:`read_captions` returns those of a file.

    A caption is a text, None, which is an empty one, or a list of those; an empty list is one empty caption. Messages
    call the table ``what``. Raises DataError for another one, for a path that is none, and where there is no row.
    """

    def told() -> Iterator[tuple[str, int, str]]:
        for number, (path, captions) in enumerate(rows):
            if not isinstance(path, str) or not path or "\0" in path:
                raise DataError(f"{what} has the path {path!r}, wanted one")
            # A picture whose list is empty is listed among the rejects, as one whose caption is null.
            for caption in (captions or [None]) if isinstance(captions, list) else [captions]:
                if not isinstance(caption, str | None):
                    raise DataError(f"{what} has the caption {caption!r} of {path!r}, wanted a text or a list of texts")
                yield path, number, caption or ""

    found = _merged(told())
    if not found:
        raise DataError(f"{what} has no row, wanted paths and captions")
    return found


def _decoded(data: bytes, url: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        hint = " (it looks like UTF-16)" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise DataError(f"{url!r} line {line} is not UTF-8: byte 0x{data[err.start]:02x}{hint}; wanted UTF-8") from err


def _of_coco(text: str, url: str) -> list[NamedCaptions]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise DataError(f"{url!r} is no JSON: {err}") from err
    pictures = _coco_list(value, "images", url)
    paths: dict[int, str] = {}
    for index, picture in enumerate(pictures):
        number, path = _field(picture, "id", int, f"{url!r} images[{index}]"), picture.get("file_name")
        if not isinstance(path, str) or not path or any(char == "\0" or "\ud800" <= char <= "\udfff" for char in path):
            raise DataError(f"{url!r} images[{index}] has the file_name {path!r}, wanted a path")
        if not -_MOST_ID <= number < _MOST_ID:
            raise DataError(f"{url!r} images[{index}] has the id {number}, wanted one of 64 bits")
        if number in paths:
            raise DataError(f"{url!r} images[{index}] has the id {number} of an image before it")
        paths[number] = path
    captions: dict[int, list[str]] = {number: [] for number in paths}
    for index, annotation in enumerate(_coco_list(value, "annotations", url)):
        where = f"{url!r} annotations[{index}]"
        number = _field(annotation, "image_id", int, where)
        if number not in captions:
            raise DataError(f"{where} is of the image {number}, which the file does not name")
        captions[number].append(_field(annotation, "caption", str, where))
    return [NamedCaptions(path, number, 0, tuple(captions[number])) for number, path in paths.items()]


def _coco_list(value: Any, name: str, url: str) -> list[dict[str, Any]]:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise DataError(f"{url!r} has no list {name!r} of objects, wanted COCO's captions: 'images' and 'annotations'")
    return found


def _field(value: dict[str, Any], name: str, kind: type, where: str) -> Any:
    found = value.get(name)
    if not isinstance(found, kind) or isinstance(found, bool):
        wanted = {int: "a whole number", str: "a text"}[kind]
        hint = "; captions_*.json of COCO has them" if name == "caption" else ""
        raise DataError(f"{where} has the {name} {found!r}, wanted {wanted}{hint}")
    return found


def _of_lines(text: str, url: str) -> Iterator[tuple[str, int, str]]:
    """Return path, line and caption of each line of a token file or a table; raises DataError for neither."""
    first = text.partition("\n")[0].rstrip("\r")
    if _TOKEN_LINE.fullmatch(first):
        return _of_tokens(text, url)
    for (separator, *names), columns in _HEADERS.items():
        if [name.strip().strip('"') for name in first.split(separator)] == names:
            return _of_table(text, url, separator, columns)
    raise DataError(f"{url!r} is no file of captions: its first line is {first[:80]!r}; {_WANTED}")


def _of_tokens(text: str, url: str) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and caption of each line of a token file."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        found = _TOKEN_LINE.fullmatch(line.rstrip("\r"))
        if found is None:
            raise DataError(f"{url!r} line {number} is {line[:80]!r}, wanted 'picture.jpg#0<tab>caption'")
        yield found["path"], number, found["caption"]


def _of_table(text: str, url: str, separator: str, columns: tuple[int, int]) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and caption of each row of a table behind its head."""
    after = 0
    former = csv.field_size_limit(_MOST_BYTES)  # else a caption of 131,072 characters is refused before it is counted
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        skipinitialspace=True,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE,
    )
    try:
        width = len(next(rows))
        after = rows.line_num
        for row in rows:
            first, after = after + 1, rows.line_num  # a caption in quotes may have several lines
            if not row:
                continue
            where = f"{url!r} line {first}"
            if len(row) != width:
                quoted = "; a caption with a comma stands in quotes" if separator == "," and len(row) > width else ""
                raise DataError(f"{where} has {len(row)} values, wanted {width}{quoted}")
            path = row[columns[0]].strip()
            if not path or "\0" in path:
                raise DataError(f"{where} has the path {path!r}, wanted one")
            yield path, first, row[columns[1]]
    except csv.Error as err:
        to = f", read to line {rows.line_num}" if rows.line_num > after + 1 else ""  # a quote that nobody closed
        raise DataError(f"{url!r} line {after + 1} is no CSV: {err}{to}") from err
    finally:
        csv.field_size_limit(former)


def _merged(rows: Iterable[tuple[str, int, str]]) -> list[NamedCaptions]:
    """Bring the captions of each picture together."""
    lines: dict[str, int] = {}
    captions: dict[str, list[str]] = {}
    for path, line, caption in rows:
        lines.setdefault(path, line)
        captions.setdefault(path, []).append(caption)
    return [
        NamedCaptions(path, index, lines[path], tuple(found)) for index, (path, found) in enumerate(captions.items())
    ]
