"""What is scored, as data: parts of a frozen input list, which any task reads on its own.

An :class:`InputPart` is a range of rows of one stored file. The driver lists parts, never rows: :func:`find_input`
freezes the input, :func:`split` deals it out to tasks, and in a task :func:`read_ids` and :func:`read_rows` give the
same ids in the same order however often they are called. Three kinds of input, one module each: ``pictures`` (a tree of
files), ``records`` (TFRecord shards), ``table`` (Parquet, and what ``lists`` makes of text, Spark of a query).
"""

from sparkcv.predict.rows.finding import InputFiles, find_input
from sparkcv.predict.rows.kept import KeptColumn, choose, name_columns
from sparkcv.predict.rows.left_out import LeftOut
from sparkcv.predict.rows.loading import MAX_PICTURE_BYTES, load
from sparkcv.predict.rows.parts import TRUTH, InputPart, InputRow, count_rows, num_pieces, split
from sparkcv.predict.rows.reading import Listing, count_part, list_parts, read_ids, read_rows

__all__ = [
    "InputFiles",
    "InputPart",
    "InputRow",
    "KeptColumn",
    "LeftOut",
    "Listing",
    "MAX_PICTURE_BYTES",
    "TRUTH",
    "choose",
    "count_part",
    "count_rows",
    "find_input",
    "list_parts",
    "load",
    "name_columns",
    "num_pieces",
    "read_ids",
    "read_rows",
    "split",
]
