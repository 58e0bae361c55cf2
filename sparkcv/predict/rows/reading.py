"""One way to list and read parts, whatever their kind."""

from collections.abc import Callable, Iterator

from sparkcv.predict.rows import pictures, records, table
from sparkcv.predict.rows.finding import InputFiles
from sparkcv.predict.rows.parts import InputPart, InputRow


def list_parts(
    files: InputFiles,
    list_url: str,
    *,
    input_column: str | None = None,
    id_column: str | None = None,
    image_feature: str = "image/encoded",
    use_exif: bool = False,
) -> list[InputPart]:
    """Freeze an input into parts; shards without a manifest come uncounted, see :func:`count_part`.

    Args:
        files: what :func:`~sparkcv.predict.rows.finding.find_input` found.
        list_url: folder for what must be written down (the list of pictures).
        input_column: Parquet column of paths or bytes; None: by name.
        id_column: Parquet column of ids; None: by name.
        image_feature: feature of shards that holds the picture.
        use_exif: turn pictures of shards as their own EXIF says where the record has no orientation.
    """
    if files.kind == pictures.KIND:
        return list(pictures.freeze(files, list_url))
    if files.kind == records.KIND:
        return list(records.freeze(files, image_feature, use_exif))
    return list(table.freeze(files, input_column, id_column))


def count_part(part: InputPart) -> int:
    """Count the rows of a shard that has no manifest, by reading it."""
    return records.count(part)


def read_ids(part: InputPart) -> Iterator[str]:
    """Yield the ids of a counted part, in order."""
    return _READERS[part.kind][0](part)


def read_rows(part: InputPart) -> Iterator[InputRow]:
    """Yield the rows of a counted part: the ids of :func:`read_ids`, in the same order."""
    return _READERS[part.kind][1](part)


_READERS: dict[str, tuple[Callable[[InputPart], Iterator[str]], Callable[[InputPart], Iterator[InputRow]]]] = {
    pictures.KIND: (pictures.read_ids, pictures.read_rows),
    records.KIND: (records.read_ids, records.read_rows),
    table.KIND: (table.read_ids, table.read_rows),
}
