"""Tables whose own log says which of their files count: read file by file they would give rows that were removed."""

from collections.abc import Sequence

from sparkcv import storage
from sparkcv.errors import AccessError, UsageError
from sparkcv.storage import Entry

__all__ = ["DELTA", "owner", "refuse_inside", "refuse_listed"]

DELTA = "a Delta Lake table"

_LOGS = {
    "_delta_log": (DELTA, "SELECT * FROM delta.`{}`", "delta-spark"),
    ".hoodie": ("an Apache Hudi table", "SELECT * FROM hudi_table", "Hudi"),
    "_spark_metadata": ("what Spark's streaming wrote", "SELECT * FROM parquet.`{}`", "Spark"),
}
_ICEBERG = ("an Apache Iceberg table", "SELECT * FROM catalog.db.table", "Iceberg")


def refuse_listed(entries: Sequence[Entry], folder: str) -> None:
    """Raise UsageError if the folder of these entries is a table that has a log."""
    for entry in entries:
        if entry.is_dir and entry.name in _LOGS:
            raise _refusal(folder, entry.name, *_LOGS[entry.name])
        if entry.is_dir and entry.name == "metadata" and _is_iceberg(entry.url):
            raise _refusal(folder, "metadata/*.metadata.json", *_ICEBERG)


def owner(entries: Sequence[Entry]) -> str:
    """Return what the folder of these entries is, such as ``a Delta Lake table``; "" if it has no table's log."""
    found = (_LOGS[entry.name][0] for entry in entries if entry.is_dir and entry.name in _LOGS)
    iceberg = (_ICEBERG[0] for entry in entries if entry.is_dir and entry.name == "metadata" and _is_iceberg(entry.url))
    return next(found, "") or next(iceberg, "")


def refuse_inside(url: str) -> None:
    """Raise UsageError if the folder ``url`` lies in such a table, as one of its partitions does."""
    while (above := storage.parent(url)) != url:  # a root is no table
        for name, words in _LOGS.items():
            if _is_there(storage.join(url, name)):
                raise _refusal(url, name, *words)
        if _is_iceberg(storage.join(url, "metadata")):
            raise _refusal(url, "metadata/*.metadata.json", *_ICEBERG)
        url = above


def _is_there(url: str) -> bool:
    try:
        return storage.is_dir(url)
    except AccessError:  # whoever may not look there cannot read a table's log either
        return False


def _is_iceberg(url: str) -> bool:
    return _is_there(url) and any(entry.name.endswith(".metadata.json") for entry in storage.list_dir(url))


def _refusal(folder: str, log: str, what: str, query: str, package: str) -> UsageError:
    return UsageError(
        f"--input: {folder!r} is {what}: its {log} says which of its files count, and without it they are not read;"
        f" wanted a query that {package} answers, such as --input {query.format(folder)!r}"
    )
