"""A table that Spark knows, or SQL: frozen as Parquet by Spark itself, then scored as any Parquet is."""

import re

__all__ = ["KIND", "advice", "is_sql", "is_table_name"]

KIND = "query"

_SQL = re.compile(r"\s*(select|with|from|table)\s+\S", re.IGNORECASE)
_TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){1,2}")
_OF_SPARK = {"ORC": "orc", "Avro": "avro", "JSON": "json"}


def is_sql(given: str) -> bool:
    """Return whether it is a query, such as ``SELECT path FROM orc.`/data/day```."""
    return _SQL.match(given) is not None


def is_table_name(given: str) -> bool:
    """Return whether it may be the name of a table, such as ``db.table``."""
    return _TABLE.fullmatch(given) is not None


def advice(name: str, url: str) -> str:
    """Return how Spark would read a format that is not read here, as the end of a sentence; "" for one it does not."""
    source = _OF_SPARK.get(name)
    return f"; Spark reads it: --input 'TABLE {source}.`{url}`'" if source else ""
