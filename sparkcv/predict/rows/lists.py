"""A list of paths as text or CSV: written down as Parquet once, so that any task reads its rows by number."""

import codecs
import csv
import io
import itertools
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sparkcv import storage
from sparkcv.errors import DataError, UsageError
from sparkcv.predict.rows.columns import PATH_COLUMNS
from sparkcv.predict.rows.finding import InputFiles
from sparkcv.predict.rows.left_out import LeftOut
from sparkcv.predict.rows.table import TableFile
from sparkcv.storage import Entry

_ROWS_A_FILE = 1 << 16
_ROWS_A_GROUP = 1 << 10
_MOST_LINE_BYTES = 1 << 20
_OTHER_SIGNS = ";|"  # as Excel writes where the comma is decimal; each line would be a path that is missing
_CSV_ENDINGS = {".csv": ",", ".tsv": "\t"}


def freeze(
    files: InputFiles, list_url: str, input_column: str | None, left_out: LeftOut | None = None
) -> Iterator[TableFile]:
    """Write the lists into the folder ``list_url`` as Parquet; relative paths are taken from the list's own folder.

    A file whose first line names a column ``path`` (or ``input_column``) is a CSV with a header, all of its columns
    text; of any other each line that is not blank is one path.

    Raises:
        UsageError: a ``.csv`` or ``.tsv`` of several columns without such a name, or columns between other signs.
        DataError: a row that cannot be read, by its line.
    """
    numbers = itertools.count()
    for entry in files.entries(left_out):
        header, rows = _read(entry, input_column)
        while chunk := list(itertools.islice(rows, _ROWS_A_FILE)):
            url = storage.join(list_url, f"list-{next(numbers):06d}.parquet")
            _write(url, header, chunk)
            yield TableFile(url, files.name(entry), storage.size(url), storage.parent(entry.url))


def _read(entry: Entry, input_column: str | None) -> tuple[list[str], Iterator[list[str]]]:
    # surrogateescape keeps odd bytes of names; newline="" lets csv see line breaks inside of quotes.
    text = io.TextIOWrapper(storage.open_read(entry.url), "utf-8", "surrogateescape", newline="")
    first = text.readline(_MOST_LINE_BYTES).removeprefix(codecs.BOM_UTF8.decode())
    ending = next((ending for ending in _CSV_ENDINGS if entry.name.lower().endswith(ending)), "")
    sign = _CSV_ENDINGS.get(ending) or ("\t" if "\t" in first else ",")
    header = [name.strip() for name in next(csv.reader([first], delimiter=sign, skipinitialspace=True), [])]
    wanted = {name.lower() for name in ([input_column] if input_column else PATH_COLUMNS)}
    if wanted & {name.lower() for name in header}:
        if twice := next((name for name in header if header.count(name) > 1), None):
            raise UsageError(f"{entry.url!r} has the column {twice!r} more than once")
        return header, _rows(text, len(header), sign, entry.url)
    if ending and len(header) > 1:
        raise UsageError(
            f"{entry.url!r} line 1 has no column {' or '.join(sorted(wanted))}, it has {', '.join(header)}; name one by"
            " --input_column"
        )
    for other in _OTHER_SIGNS:
        if other in first and wanted & {name.strip(' "\r\n') for name in first.lower().split(other)}:
            raise UsageError(f"{entry.url!r} line 1 has {other!r} between its columns, wanted a comma or a tab")
    return [PATH_COLUMNS[0]], _lines(itertools.chain([first], text), entry.url)


def _lines(lines: Iterator[str], url: str) -> Iterator[list[str]]:
    for number, line in enumerate(lines, 1):
        if len(line) > _MOST_LINE_BYTES:
            raise DataError(f"{url!r} line {number} has more than {_MOST_LINE_BYTES} characters, wanted a path")
        if path := line.strip("\r\n"):
            yield [path]


def _rows(text: io.TextIOWrapper, width: int, sign: str, url: str) -> Iterator[list[str]]:
    rows = csv.reader(text, delimiter=sign, skipinitialspace=True, strict=True)
    try:
        for row in rows:
            if not row:
                continue
            if len(row) != width:
                raise DataError(f"{url!r} line {rows.line_num + 1} has {len(row)} values, wanted {width}")
            yield row
    except csv.Error as err:
        raise DataError(f"{url!r} line {rows.line_num + 1} is no CSV: {err}") from err


def _write(url: str, header: list[str], rows: list[list[str]]) -> None:
    arrays = [
        pa.array([value.encode("utf-8", "surrogateescape") for value in column], pa.binary()).view(pa.string())
        for column in zip(*rows, strict=True)
    ]
    with storage.open_write(url) as sink:
        pq.write_table(pa.table(arrays, names=header), sink, row_group_size=_ROWS_A_GROUP)
