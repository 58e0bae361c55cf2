"""A folder of Parquet a day: what any reader knows, published by renames."""

import shutil

from sparkcv import storage
from sparkcv.errors import MissingFileError
from sparkcv.predict.staging import DAY, Staging, day_url
from sparkcv.predict.tables import Published

__all__ = ["ParquetTable", "copy_parquet"]


class ParquetTable:
    """The days below one folder; see :class:`sparkcv.predict.tables.ScoreTable`."""

    def __init__(self, output_dir: str) -> None:
        self.output_dir = output_dir

    def published(self, date: str) -> Published | None:
        """Return a day that is there."""
        url = day_url(self.output_dir, date)
        return Published(url, url, (url,)) if storage.exists(url) else None

    def trailing(self, date: str, count: int) -> list[Published]:
        """Return the days before ``date``, the newest first."""
        try:
            names = [entry.name for entry in storage.list_dir(self.output_dir) if DAY.fullmatch(entry.name)]
        except MissingFileError:
            return []
        before = sorted((name for name in names if name < f"dt={date}"), reverse=True)[:count]
        urls = [storage.join(self.output_dir, name) for name in before]
        return [Published(url, url, (url,)) for url in urls]

    def check(self, columns: list[str]) -> None:
        """Take any."""

    def next_folder(self, staging: Staging) -> str:
        """Return the day's folder, which stays the same."""
        return staging.day

    def carry_over(self, prior: Published, folder: str) -> None:
        """Copy the day's rows beside the new ones, as they are: each says of which run it is."""
        copy_parquet(prior.folder, folder)

    def publish(self, staging: Staging, name: str, prior: Published | None, schema: str) -> Published:
        """Make the staged folder the day, by one rename or one exchange."""
        del prior, schema  # its rows were copied; each file has its own schema
        staging.publish(name)
        return Published(staging.day, staging.day, (staging.day,))

    def forget(self, date: str, run_id: str) -> None:
        """Do nothing: a run lays nothing outside of its staging folder."""

    def vacuum(self, days: int) -> int:
        """Do nothing: a day that was replaced is gone."""
        return 0


def copy_parquet(source: str, folder: str) -> None:
    """Copy the Parquet files below one folder to the same names below another."""
    for entry in storage.walk(source):
        if entry.name.endswith(".parquet"):
            target = storage.join(folder, storage.relative(entry.url, source))
            with storage.open_read(entry.url) as stream, storage.open_write(target) as sink:
                shutil.copyfileobj(stream, sink)
