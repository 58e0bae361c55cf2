"""The flags by which a job takes its pictures from a table that Spark knows, where several jobs have them."""

from typing import Any

from sparkcv.config.flags import flag
from sparkcv.errors import UsageError

__all__ = [
    "OF_A_TABLE",
    "check_table",
    "dataset_query",
    "dataset_table",
    "image_column",
    "label_column",
    "name_column",
]

_GIVEN = {"image_column": "image", "label_column": "label", "name_column": None}
OF_A_TABLE = (*_GIVEN, "validation_fraction")
"""Flags of a training that say how a table is read: of no use to one that takes none."""


def dataset_table(group: str) -> Any:
    """Declare ``--dataset_table``."""
    return flag(None, "table that Spark knows, such as db.pictures, with a column of pictures' bytes", group=group)


def dataset_query(group: str) -> Any:
    """Declare ``--dataset_query``."""
    return flag(None, "SQL whose rows are pictures' bytes and labels, instead of --dataset_table", group=group)


def image_column(group: str) -> Any:
    """Declare ``--image_column``."""
    return flag("image", "column of a table that holds a picture's file, as bytes; image.bytes is a field", group=group)


def label_column(group: str) -> Any:
    """Declare ``--label_column``."""
    return flag("label", "column of a table that holds the class, its name or a whole number", group=group)


def name_column(group: str) -> Any:
    """Declare ``--name_column``."""
    return flag(
        None, "column of a table that names a picture, for lists of rejects; not set: a digest of the row", group=group
    )


def check_table(config: Any) -> bool:
    """Return whether a table or a query is given; raises UsageError for both, or for a column of none."""
    if config.dataset_table and config.dataset_query:
        raise UsageError("got both --dataset_table and --dataset_query, wanted one of them")
    is_table = bool(config.dataset_table or config.dataset_query)
    for name, default in _GIVEN.items():
        if not is_table and getattr(config, name) != default:
            raise UsageError(
                f"--{name} {getattr(config, name)}: it names a column of a table; wanted --dataset_table or"
                " --dataset_query"
            )
    return is_table
