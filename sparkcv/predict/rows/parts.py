"""Parts of the input as values, and how they are dealt out to tasks."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A task of this many pictures runs for a minute or so: little is lost with one, and the progress line moves.
_MOST_ROWS_A_PIECE = 2048
_PIECES_A_SLOT = 4
# What a picture costs beside its bytes, in bytes: a net of small pictures takes as long as decoding so many.
_ROW_COST = 256 << 10


TRUTH = "_truth"


@dataclasses.dataclass(frozen=True)
class InputPart:
    """The rows ``[start, stop)`` of one stored file.

    Attributes:
        kind: ``"pictures"``, ``"records"`` or ``"table"``.
        url: the file that holds the rows: a list of pictures, a TFRecord shard, a Parquet file.
        name: what ids of the rows begin with where they have none of their own.
        start: first row.
        stop: behind the last row; None where nobody has counted yet.
        num_bytes: size of the file when it was listed: a file that changed since is not scored.
        row_group: of a Parquet file; rows count from 0 in each.
        data_column: Parquet column of paths or bytes.
        id_column: Parquet column of ids.
        data_field: field of ``data_column`` that holds them, where that is a column of structs.
        id_field: likewise of ``id_column``.
        spare_field: field of ``data_column`` with a path for the rows whose ``data_field`` is null.
        base: folder that relative paths of a Parquet file are taken from.
        num_records: of a TFRecord shard, the records that its manifest counts; None without one.
        image_feature: of a TFRecord shard, the feature that holds the picture.
        use_exif: of a TFRecord shard, turn pictures as their own EXIF says where the record has no orientation.
        row_bytes: what a row's picture has in the mean, as listed; 0: not known, or not in this file.
        truth: how it is told what a picture shows: ``texts`` (records that name it), ``records:1`` (these, or by a
            number, from which 1 is taken), ``folders``, or ``column:`` with a column's name; "" where it is not.
    """

    kind: str
    url: str
    name: str
    start: int
    stop: int | None
    num_bytes: int
    row_group: int = 0
    data_column: str = ""
    id_column: str = ""
    base: str = ""
    data_field: str = ""
    id_field: str = ""
    spare_field: str = ""
    num_records: int | None = None
    image_feature: str = "image/encoded"
    use_exif: bool = False
    truth: str = ""
    row_bytes: int = 0

    @property
    def num_rows(self) -> int:
        """Rows of a counted part."""
        return (self.stop or 0) - self.start

    def to_json(self) -> str:
        """Return one line of JSON that :meth:`from_json` reads."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "InputPart":
        """Read what :meth:`to_json` gave."""
        return cls(**json.loads(line))


@dataclasses.dataclass(frozen=True)
class InputRow:
    """One picture to score; exactly one of ``data``, ``url`` and ``reason`` is set.

    Attributes:
        id: unique in the input.
        data: the picture's bytes.
        url: the file that holds them.
        reason: why there are none.
        filename: what the input calls the picture's file: its path in the tree or in the table, or the name that a
            TFRecord's example gives it; None where nothing does.
        where: the stored file that the row is of, for messages.
        kept: the columns of a table that the scores keep, by their names there; and as :data:`TRUTH` what the picture
            is known to show, a label's name or its number, where the part says how that is told.
        is_record: the picture is a TFRecord's, to be decoded as training would, and no file's.
        orientation: of a record's picture, 1 to 8 as EXIF counts; None for the picture's own.
    """

    id: str
    data: bytes | None = None
    url: str | None = None
    reason: str | None = None
    filename: str | None = None
    where: str | None = None
    kept: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    is_record: bool = False
    orientation: int | None = 1


def as_text(name: str) -> str:
    r"""Return a file's name as text: bytes that are no UTF-8 become escapes such as ``\xff``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def count_rows(parts: Iterable[InputPart]) -> int:
    """Return the rows of counted parts together."""
    return sum(part.num_rows for part in parts)


def num_pieces(num_rows: int, num_slots: int, batch_size: int) -> int:
    """Return how many tasks score ``num_rows`` on ``num_slots`` slots: a few a slot, none below a batch or long."""
    wanted = max(_PIECES_A_SLOT * num_slots, -(-num_rows // _MOST_ROWS_A_PIECE))
    return max(1, min(wanted, -(-num_rows // batch_size)))


def split(parts: Sequence[InputPart], count: int) -> list[list[InputPart]]:
    """Split rows into ``count`` pieces that cost alike, in the input's order; a piece may span files.

    A row costs by the bytes of its picture, so that a folder of large ones does not become one long task. Rows that
    cost alike are split to one row; beside a row that costs more than a piece, pieces may be empty.
    """
    total = sum(part.num_rows * _cost(part) for part in parts)
    pieces: list[list[InputPart]] = [[] for _ in range(count)]
    at = 0
    for part in parts:
        start, stop, cost = part.start, part.start + part.num_rows, _cost(part)
        while start < stop:
            piece = at * count // total
            taken = min(stop - start, -(-((piece + 1) * total - at * count) // (cost * count)))
            _add(pieces[piece], dataclasses.replace(part, start=start, stop=start + taken))
            start, at = start + taken, at + taken * cost
    return pieces


def _cost(part: InputPart) -> int:
    return _ROW_COST + part.row_bytes


def _add(piece: list[InputPart], part: InputPart) -> None:
    """Add a part, to the one before where it goes on from there: each is an opened file."""
    last = piece[-1] if piece else part
    if last.stop == part.start and last == dataclasses.replace(
        part, start=last.start, stop=last.stop, row_bytes=last.row_bytes
    ):
        piece[-1] = dataclasses.replace(last, stop=part.stop)
    else:
        piece.append(part)
