"""The table that a scoring run publishes a day into: a folder of Parquet a day, published by renames."""

import dataclasses
import shutil

from sparkcv import storage
from sparkcv.errors import MissingFileError
from sparkcv.predict.staging import DAY, day_url

__all__ = ["Published", "REJECTS", "REPORT", "REPORT_PAGE", "ScoreTable"]

REPORT, REPORT_PAGE = "_report.json", "_report.html"
REJECTS = "_rejects"  # the underscore hides it from the day's readers


@dataclasses.dataclass(frozen=True)
class Published:
    """A day as readers see it: its ``folder`` holds Parquet, :data:`REJECTS`, :data:`REPORT`, :data:`REPORT_PAGE`."""

    folder: str

    @property
    def rejects(self) -> str:
        """The folder of its rejects."""
        return f"{self.folder}/{REJECTS}"

    def copy_rows(self, folder: str) -> None:
        """Copy the day's rows beside new ones, as they are: each says of which run it is."""
        for entry in storage.walk(self.folder):
            if entry.name.endswith(".parquet"):
                target = f"{folder}/{entry.url[len(self.folder) + 1 :]}"
                with storage.open_read(entry.url) as stream, storage.open_write(target) as sink:
                    shutil.copyfileobj(stream, sink)


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """The days below one folder."""

    output_dir: str

    def published(self, date: str) -> Published | None:
        """Return a day, ``YYYY-MM-DD``, as readers see it now; None if it is not there."""
        url = day_url(self.output_dir, date)
        return Published(url) if storage.exists(url) else None

    def trailing(self, date: str, count: int) -> list[Published]:
        """Return the last ``count`` days that are there before ``date``, the newest first."""
        try:
            names = [entry.name for entry in storage.list_dir(self.output_dir) if DAY.fullmatch(entry.name)]
        except MissingFileError:
            return []
        before = sorted((name for name in names if name < f"dt={date}"), reverse=True)[:count]
        return [Published(storage.join(self.output_dir, name)) for name in before]
