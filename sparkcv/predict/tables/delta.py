"""A Delta Lake table: tasks of Spark write Parquet, and one commit to the table's log makes a day appear or change.

No reader sees a window. Each day's commits carry an application transaction (``sparkcv dt=DATE``, 1, 2, ...), so that
of two runs that publish the same version of a day one is refused. A version's rejects and report lie in
``_nights/dt=DATE/<version>-<run>/``, which its commit alone makes the day's, by a second transaction (``sparkcv
run=RUN``): readers of Delta see no folder of such a name.
Delta's protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import contextlib
import datetime
import itertools
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction, Transaction

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError, MissingFileError, SchemaError, StorageError
from sparkcv.predict.staging import DAY, Staging, day_url
from sparkcv.predict.tables import REJECTS, REPORT, Published
from sparkcv.predict.tables.parquet import copy_parquet

__all__ = ["DeltaScores", "LOG"]

LOG, _NIGHTS = "_delta_log", "_nights"
_NO_NAME = re.compile(r"[ ,;{}()\n\t=]")


class DeltaScores:
    """The Delta table in one folder; see :class:`sparkcv.predict.tables.ScoreTable`."""

    def __init__(self, output_dir: str) -> None:
        self.output_dir = output_dir

    def published(self, date: str) -> Published | None:
        """Return a day that the newest version of the table has."""
        table = self._open()
        return None if table is None else self._day(table, date)

    def trailing(self, date: str, count: int) -> list[Published]:
        """Return the days before ``date``, the newest first."""
        table = self._open()
        if table is None:
            return []
        before = (name for name in self._names(_NIGHTS) if DAY.fullmatch(name) and name < f"dt={date}")
        days = (self._day(table, name.removeprefix("dt=")) for name in sorted(before, reverse=True))
        return list(itertools.islice((day for day in days if day is not None), count))

    def check(self, columns: list[str]) -> None:
        """Refuse what Delta's protocol has no place for without column mapping."""
        for name in columns:
            if _NO_NAME.search(name):
                raise SchemaError(
                    f"--table_format delta: the name of the column {name!r} has a space or one of ,;{{}}()=, which a"
                    " Delta table cannot have; --keep_columns leaves it out"
                )
        folded = [name.casefold() for name in columns]
        if double := next((name for name in columns if folded.count(name.casefold()) > 1), None):
            raise SchemaError(
                f"--table_format delta: of the column {double!r} there are two that differ by capitals only, which a"
                " Delta table cannot have; --keep_columns leaves one out"
            )

    def next_folder(self, staging: Staging) -> str:
        """Return the folder of the version after the day's newest."""
        now = self.published(staging.date)
        return self._night(staging.date, f"{(now.version if now else 0) + 1}-{staging.run_id}")

    def carry_over(self, prior: Published, folder: str) -> None:
        """Copy the day's rejects; its predictions stay where they are, as new files only add to them."""
        copy_parquet(prior.rejects, storage.join(folder, REJECTS))

    def publish(self, staging: Staging, name: str, prior: Published | None, schema: str) -> Published:
        """Move the staged files to their places, and commit them in one transaction."""
        date = staging.date
        table = self._open() or self._create(schema)
        with _translated(self.output_dir):
            self._add_columns(table, schema)
            now = self._day(table, date)
            if (prior or not staging.may_replace) and (now and now.version) != (prior and prior.version):
                raise _published_meanwhile(self.output_dir, date)
            number = (now.version if now else 0) + 1
            replaced = [] if now is None or prior is not None else list(_files(table, date))
            try:
                adds = self._move(staging, name, number)
                removes = [
                    RemoveAction(path, True, int(time.time() * 1000), size, {"dt": date}) for path, size in replaced
                ]
                properties = CommitProperties(
                    custom_metadata={"sparkcv.run_id": staging.run_id, "sparkcv.dt": date},
                    app_transactions=[Transaction(_day(date), number), Transaction(_run(staging.run_id), number)],
                )
                table.create_write_transaction(
                    [*removes, *adds], "append", table.schema(), partition_by=["dt"], commit_properties=properties
                )
            except CommitFailedError as err:
                if "oncurrent transaction" not in str(err):
                    raise
                self.forget(date, staging.run_id)
                raise _published_meanwhile(self.output_dir, date) from err
            except BaseException:
                self.forget(date, staging.run_id)
                raise
        staging.is_published = True
        day = self.published(date)
        if day is None:
            raise StorageError(f"{self.output_dir!r} does not show {date}, which was committed to it just now")
        return day

    def forget(self, date: str, run_id: str) -> None:
        """Delete the files of a run that it never committed."""
        table = self._open()
        if table is not None and _committed(table, run_id) is not None:
            return
        for above, name in ((day_url(self.output_dir, date), run_id), *self._nights(date, run_id)):
            storage.delete(storage.join(above, name), recursive=True)
            if storage.exists(above) and not storage.list_dir(above):
                storage.delete(above)

    def vacuum(self, days: int) -> int:
        """Delete files that were removed from the table more than ``days`` days ago, and such nights' folders."""
        table = self._open()
        if table is None:
            return 0
        with _translated(self.output_dir):
            gone = table.vacuum(24 * days, dry_run=False, enforce_retention_duration=False)
        oldest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
        days_there = [name.removeprefix("dt=") for name in self._names(_NIGHTS) if DAY.fullmatch(name)]
        return len(gone) + sum(self._vacuum_night(table, date, oldest) for date in days_there)

    def _vacuum_night(self, table: DeltaTable, date: str, oldest: datetime.datetime) -> int:
        nights = sorted((_committed(table, name.partition("-")[2]) or 0, name) for _, name in self._nights(date))
        old = []
        for (version, name), (_, following) in itertools.pairwise(nights):
            with contextlib.suppress(StorageError, KeyError, ValueError):
                report = storage.read_json(self._night(date, following, REPORT))
                if version and datetime.datetime.fromisoformat(report["ended"]) < oldest:
                    old.append(name)
        for name in old:
            storage.delete(self._night(date, name), recursive=True)
        return len(old)

    def _open(self) -> DeltaTable | None:
        if not storage.exists(storage.join(self.output_dir, LOG)):
            return None
        with _translated(self.output_dir):
            return DeltaTable(self.output_dir)

    def _create(self, schema: str) -> DeltaTable:
        """Make the table, empty: its version 0."""
        fields = json.loads(schema)
        fields["fields"].append({"name": "dt", "type": "date", "nullable": False, "metadata": {}})
        with _translated(self.output_dir):
            return DeltaTable.create(
                self.output_dir, Schema.from_json(json.dumps(fields)), mode="ignore", partition_by=["dt"]
            )

    def _add_columns(self, table: DeltaTable, schema: str) -> None:
        """Give the table the columns that it lacks: whoever calls has decided that it may have them."""
        there = {field.name for field in table.schema().fields}
        new = [field for field in Schema.from_json(schema).fields if field.name not in there]
        if new:
            nullable = [{**json.loads(field.to_json()), "nullable": True} for field in new]
            table.alter.add_columns(Schema.from_json(json.dumps({"type": "struct", "fields": nullable})).fields)

    def _day(self, table: DeltaTable, date: str) -> Published | None:
        with _translated(self.output_dir):
            version = table.transaction_version(_day(date))
            if version is None:
                return None
            names = [name for _, name in self._nights(date) if name.startswith(f"{version}-")]
            mine = [name for name in names if _committed(table, name.partition("-")[2]) == version]
            files = tuple(storage.join(self.output_dir, path) for path, _ in _files(table, date))
        where = f"{self.output_dir} (Delta, version {table.version()}), dt={date}"
        return Published(where, self._night(date, *(mine[:1] or ["gone"])), files, version)

    def _move(self, staging: Staging, name: str, number: int) -> list[AddAction]:
        """Move the staged predictions into the day's folder, and the rest into the night's; return what to add."""
        adds = []
        for entry in storage.list_dir(staging.join(name)):
            if entry.name.endswith(".parquet"):
                with storage.open_read(entry.url) as source:
                    num_rows = pq.read_metadata(source).num_rows
                path = f"dt={staging.date}/{staging.run_id}/{entry.name}"
                storage.rename(entry.url, storage.join(self.output_dir, path))
                stats = json.dumps({"numRecords": num_rows})
                now_ms = int(time.time() * 1000)
                adds.append(AddAction(path, entry.size, {"dt": staging.date}, now_ms, True, stats))
        storage.rename(staging.join(name), self._night(staging.date, f"{number}-{staging.run_id}"))
        return adds

    def _night(self, date: str, *names: str) -> str:
        return storage.join(self.output_dir, _NIGHTS, f"dt={date}", *names)

    def _nights(self, date: str, run_id: str = "") -> list[tuple[str, str]]:
        """Return folder and name of a day's nights, committed or not, or of those of one run."""
        found = self._names(_NIGHTS, f"dt={date}")
        return [(self._night(date), name) for name in found if name.endswith(run_id)]

    def _names(self, *folder: str) -> list[str]:
        try:
            return [entry.name for entry in storage.list_dir(storage.join(self.output_dir, *folder))]
        except MissingFileError:
            return []


def _day(date: str) -> str:
    return f"sparkcv dt={date}"


def _run(run_id: str) -> str:
    return f"sparkcv run={run_id}"


def _committed(table: DeltaTable, run_id: str) -> int | None:
    """Return the version of its day that a run published; None if it published none."""
    found: int | None = table.transaction_version(_run(run_id))
    return found


def _files(table: DeltaTable, date: str) -> Iterator[tuple[str, int]]:
    """Yield path and size of the files of a day."""
    actions: Any = pa.table(table.get_add_actions(flatten=True))
    wanted = datetime.date.fromisoformat(date)
    columns = [actions[name].to_pylist() for name in ("path", "size_bytes", "partition.dt")]
    for path, size, day in zip(*columns, strict=True):
        if day == wanted:
            yield urllib.parse.unquote(path), size


def _published_meanwhile(output_dir: str, date: str) -> FileExistsAlreadyError:
    return FileExistsAlreadyError(
        f"dt={date} of {output_dir!r} was published by another run meanwhile; this one's is dropped"
    )


@contextlib.contextmanager
def _translated(output_dir: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (DeltaError, OSError, ValueError) as err:
        raise StorageError(
            f"the Delta table {output_dir!r}: {str(err).splitlines()[0] if str(err) else err!r}"
        ) from err
