"""``_schema.json``: the columns of a table of scores, said once beside it, so that no night changes them unseen.

It lies in the output folder, hidden from readers, and names the table's form, its columns as Spark writes them in JSON,
and each version that they had. A table without one, made before there was such a file, gets one with its next night.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

from sparkcv import storage
from sparkcv.errors import DataError, FileExistsAlreadyError, MissingFileError, SchemaError, StorageError
from sparkcv.predict.rows import table_formats
from sparkcv.predict.staging import DAY

__all__ = ["FILE_NAME", "TableSchema", "check_owner"]

FILE_NAME = "_schema.json"
_FORMAT = "sparkcv scores"
_OTHERS = "another --output_dir keeps both"
_DATA = (".parquet", ".orc", ".avro", ".csv", ".json")


@dataclasses.dataclass(frozen=True)
class TableSchema:
    """The columns of a table.

    Attributes:
        table_format: ``parquet`` or ``delta``.
        predictions: each a field of Spark's JSON: ``{"name", "type", "nullable", "metadata"}``.
        rejects: likewise.
        versions: what each version added, oldest first: ``{"version", "created", "added"}``.
    """

    table_format: str
    predictions: tuple[dict[str, Any], ...]
    rejects: tuple[dict[str, Any], ...]
    versions: tuple[dict[str, Any], ...] = ()

    @property
    def version(self) -> int:
        """The newest version's number, from 1."""
        return len(self.versions)

    @property
    def predictions_json(self) -> str:
        """The columns of the predictions, as Spark's JSON."""
        return json.dumps({"type": "struct", "fields": list(self.predictions)})

    def check(self, output_dir: str, *, may_add: bool) -> TableSchema:
        """Return the table's schema with this run's rows in it: what is there, or a new version.

        Raises SchemaError, naming the columns, if this run's differ from those of the table; with ``may_add`` columns
        that are new are none of them.
        """
        there = read(output_dir)
        if there is None:
            return dataclasses.replace(self, versions=(_version(1, []),))
        added: list[str] = []
        for kind in ("predictions", "rejects"):
            mine, theirs = ({field["name"]: field for field in getattr(of, kind)} for of in (self, there))
            lost = [f"{name!r} is {_type(theirs[name])} there" for name in theirs if name not in mine]
            lost += [
                f"{name!r} is {_type(theirs[name])} there and {_type(mine[name])} now"
                for name in theirs
                if name in mine and not _fits(mine[name], theirs[name])
            ]
            new = [name for name in mine if name not in theirs]
            if lost or (new and not may_add):
                said = [*lost, *(f"{name!r} is {_type(mine[name])} now" for name in new if not may_add)]
                hint = "--evolve_schema adds new columns, " if not lost else ""
                raise SchemaError(
                    f"{storage.join(output_dir, FILE_NAME)!r}: this run's {kind} have other columns than version"
                    f" {there.version} of the table: {', '.join(said)}; {hint}{_OTHERS}"
                )
            added += [name for name in new if name not in added]
        if not added:
            return there
        return TableSchema(
            there.table_format,
            _grown(there.predictions, self.predictions),
            _grown(there.rejects, self.rejects),
            (*there.versions, _version(there.version + 1, added)),
        )

    def write(self, output_dir: str) -> None:
        """Write it, if it is not there; raises SchemaError if another run wrote another one first."""
        url, data = storage.join(output_dir, FILE_NAME), self.to_bytes()
        if self.version > 1:
            storage.write_bytes(url, data)
            return
        try:
            storage.write_new(url, data)
        except FileExistsAlreadyError:
            self.check(output_dir, may_add=False)

    def to_bytes(self) -> bytes:
        """Return the file."""
        value = {"format": _FORMAT, "version": self.version, **dataclasses.asdict(self)}
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def read(output_dir: str) -> TableSchema | None:
    """Read the schema beside a table; None if there is none. Raises DataError for a file that is no such schema."""
    url = storage.join(output_dir, FILE_NAME)
    try:
        value = storage.read_json(url)
    except MissingFileError:
        return None
    except StorageError as err:
        raise DataError(str(err)) from err
    try:
        if value["format"] != _FORMAT:
            raise ValueError(f"its format is {value['format']!r}")
        fields = {name: tuple(value[name]) for name in ("predictions", "rejects", "versions")}
        for field in (*fields["predictions"], *fields["rejects"]):
            _type(field), str(field["name"]), bool(field["nullable"])
        found = TableSchema(str(value["table_format"]), **fields)
        if not found.versions or found.version != value["version"]:
            raise ValueError(f"it is version {value['version']!r} and lists {found.version}")
    except (KeyError, TypeError, ValueError) as err:
        raise DataError(f"{url!r} is no schema of a table of scores: {err}") from err
    return found


def check_owner(output_dir: str, table_format: str) -> None:
    """Raise SchemaError if the folder holds something else than a table of scores of this form.

    That is a table of the other form or of another program, and any file or folder of data that is no day.
    """
    there = read(output_dir)
    if there is not None and there.table_format != table_format:
        raise SchemaError(
            f"--output_dir: {output_dir!r} holds a table of --table_format {there.table_format}, got {table_format};"
            f" {_OTHERS}"
        )
    try:
        entries = storage.list_dir(output_dir)
    except MissingFileError:
        return
    owner = table_formats.owner(entries)
    if owner and (there is None or table_format != "delta" or owner != table_formats.DELTA):
        raise SchemaError(f"--output_dir: {output_dir!r} is {owner} of another program; {_OTHERS}")
    foreign = next((entry.name for entry in entries if _is_foreign(entry)), None)
    if foreign is not None:
        raise SchemaError(
            f"--output_dir: {output_dir!r} holds {foreign!r}, which is no day of a table of scores; {_OTHERS}"
        )
    if table_format == "delta" and there is None and any(DAY.fullmatch(entry.name) for entry in entries):
        raise SchemaError(f"--output_dir: {output_dir!r} holds days of --table_format parquet, got delta; {_OTHERS}")


def _is_foreign(entry: storage.Entry) -> bool:
    if entry.name.startswith(("_", ".")) or DAY.fullmatch(entry.name):
        return False
    return "=" in entry.name if entry.is_dir else entry.name.lower().endswith(_DATA)


def _fits(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Return whether a column's values may stand in the table's: of the same type, and null only where that may be."""
    return bool(mine["type"] == theirs["type"] and (theirs["nullable"] or not mine["nullable"]))


def _grown(there: tuple[dict[str, Any], ...], mine: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    names = {field["name"] for field in there}
    return (*there, *({**field, "nullable": True} for field in mine if field["name"] not in names))


def _version(number: int, added: list[str]) -> dict[str, Any]:
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"version": number, "created": created, "added": added}


def _type(field: dict[str, Any]) -> str:
    kind = field["type"]
    text = kind if isinstance(kind, str) else json.dumps(kind, sort_keys=True)
    return text if field["nullable"] else f"{text} (required)"
