"""Two forms of the table that a scoring run publishes a day into, behind one seam.

``parquet`` is a folder ``dt=DATE/`` a day, ``delta`` an open table whose log says which files count. Both hold the same
rows; beside them lies each night's folder, with its rejects and what it says of itself.
"""

import dataclasses
import re
from typing import Protocol

from sparkcv.errors import UsageError
from sparkcv.predict.staging import Staging

__all__ = ["FORMATS", "Published", "REJECTS", "REPORT", "REPORT_PAGE", "ScoreTable", "open_table"]

FORMATS = ("parquet", "delta")
REPORT, REPORT_PAGE = "_report.json", "_report.html"
_MISREAD = re.compile("%[0-9A-Fa-f]{2}|[#?]")
REJECTS = "_rejects"  # the underscore hides it from the day's readers


@dataclasses.dataclass(frozen=True)
class Published:
    """A day as readers see it.

    Attributes:
        where: what it is called in messages.
        folder: the URL of its folder, which holds :data:`REPORT`, :data:`REPORT_PAGE` and :data:`REJECTS`.
        files: URLs of what holds its predictions: its Parquet files, or their folder.
        version: counts from 1 how often the day was published; 0 where the form does not tell.
    """

    where: str
    folder: str
    files: tuple[str, ...]
    version: int = 0

    @property
    def rejects(self) -> str:
        """The folder of its rejects."""
        return f"{self.folder}/{REJECTS}"


class ScoreTable(Protocol):
    """The table that lies, or will lie, in one folder."""

    output_dir: str

    def published(self, date: str) -> Published | None:
        """Return a day, ``YYYY-MM-DD``, as readers see it now; None if it is not there."""

    def trailing(self, date: str, count: int) -> list[Published]:
        """Return the last ``count`` days that are there before ``date``, the newest first."""

    def check(self, columns: list[str]) -> None:
        """Raise SchemaError if the predictions cannot have these columns in this form."""

    def next_folder(self, staging: Staging) -> str:
        """Return what will be the day's ``folder`` once this run has published it."""

    def carry_over(self, prior: Published, folder: str) -> None:
        """Lay rows of a day that stay as they are beside the new ones in a staged day's folder, where that is due."""

    def publish(self, staging: Staging, name: str, prior: Published | None, schema: str) -> Published:
        """Make the staged folder ``name`` the day at once, or a part of it where its ``prior`` form was carried over.

        ``schema`` is that of predictions, as Spark's JSON. Raises FileExistsAlreadyError if another run published the
        day meanwhile.
        """

    def forget(self, date: str, run_id: str) -> None:
        """Delete what a dead run had laid outside of its staging folder and never published."""

    def vacuum(self, days: int) -> int:
        """Delete what no version of the last ``days`` days needs, and return how many files that were."""


def open_table(table_format: str, output_dir: str) -> ScoreTable:
    """Return the table of one of :data:`FORMATS` in a folder.

    Raises UsageError if its package is not installed, or does not work with the folder's name.
    """
    if table_format == "parquet":
        from sparkcv.predict.tables.parquet import ParquetTable

        return ParquetTable(output_dir)
    try:
        from sparkcv.predict.tables.delta import DeltaScores
    except ImportError as err:
        raise UsageError(
            "--table_format delta: the package deltalake is not installed, wanted the extra `delta`, as in"
            " `pip install 'sparkcv[delta]'`"
        ) from err
    if _MISREAD.search(output_dir):  # as in a URL: it writes to one folder and reads from another, or sees no history
        raise UsageError(
            f"--table_format delta: deltalake misreads %XX, # and ? in --output_dir {output_dir!r}, wanted none"
        )
    return DeltaScores(output_dir)
