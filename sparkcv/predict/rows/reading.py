"""One way to list and read parts, whatever their kind."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from sparkcv.predict.rows import lists, pictures, records, table
from sparkcv.predict.rows.content import LIST
from sparkcv.predict.rows.finding import InputFiles
from sparkcv.predict.rows.kept import KeptColumn
from sparkcv.predict.rows.left_out import LeftOut
from sparkcv.predict.rows.parts import TRUTH, InputPart, InputRow, as_text
from sparkcv.predict.rows.table import TableFile


@dataclasses.dataclass(frozen=True)
class Listing:
    """A frozen input.

    Attributes:
        parts: what holds its rows.
        columns: a table's columns beside picture and id, with the types that Spark has for them.
        left_out: what lay there and is no input.
    """

    parts: list[InputPart]
    columns: dict[str, pa.DataType]
    left_out: LeftOut


def list_parts(
    files: InputFiles,
    list_url: str,
    *,
    input_column: str | None = None,
    id_column: str | None = None,
    image_feature: str = "image/encoded",
    use_exif: bool = False,
) -> Listing:
    """Freeze an input into parts; shards without a manifest come uncounted, see :func:`count_part`.

    Args:
        files: what :func:`~sparkcv.predict.rows.finding.find_input` found, but no query.
        list_url: folder for what must be written down (the list of pictures).
        input_column: Parquet column of paths or bytes; None: by name.
        id_column: Parquet column of ids; None: by name.
        image_feature: feature of shards that holds the picture.
        use_exif: turn pictures of shards as their own EXIF says where the record has no orientation.
    """
    left_out = LeftOut()
    if files.kind == pictures.KIND:
        return Listing(list(pictures.freeze(files, list_url, left_out)), {}, left_out)
    if files.kind == records.KIND:
        return Listing(list(records.freeze(files, image_feature, use_exif, left_out)), {}, left_out)
    if files.kind == LIST:
        tables = lists.freeze(files, list_url, input_column, left_out)
    else:
        entries = files.entries(left_out)
        tables = (TableFile(entry.url, files.name(entry), entry.size, files.base) for entry in entries)
    parts, columns = table.freeze(tables, input_column, id_column)
    return Listing(parts, columns, left_out)


def count_part(part: InputPart) -> int:
    """Count the rows of a shard that has no manifest, by reading it."""
    return records.count(part)


def read_ids(part: InputPart) -> Iterator[str]:
    """Yield the ids of a counted part, in order."""
    return _IDS[part.kind](part)


def read_rows(part: InputPart, kept: Sequence[KeptColumn] = ()) -> Iterator[InputRow]:
    """Yield the rows of a counted part: the ids of :func:`read_ids`, in the same order, with their ``kept`` columns."""
    if part.kind == table.KIND:
        told, _, column = part.truth.partition(":")
        rows = table.read_rows(part, [*kept, *([KeptColumn(column, TRUTH, pa.string())] if told else [])])
    else:
        rows = records.read_rows(part) if part.kind == records.KIND else pictures.read_rows(part)
    for row in rows:
        yield dataclasses.replace(row, where=as_text(row.url or part.url))


_IDS: dict[str, Callable[[InputPart], Iterator[str]]] = {
    pictures.KIND: pictures.read_ids,
    records.KIND: records.read_ids,
    table.KIND: table.read_ids,
}
