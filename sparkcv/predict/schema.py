"""The columns of scored rows, said once: tasks write them as Arrow, Spark reads them by its own words for the same."""

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.types as pt

from sparkcv.predict.rows import KeptColumn

__all__ = ["OF_SCORES", "SCORED", "ddl", "scored_schema"]

SCORED = pa.schema(
    [
        pa.field("id", pa.string(), False),
        pa.field("filename", pa.string()),
        pa.field("label", pa.string()),
        pa.field("label_id", pa.int32()),
        pa.field("score", pa.float32()),
        pa.field("top_k", pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))),
        pa.field("damaged", pa.bool_()),
        pa.field("has_more_frames", pa.bool_()),
        pa.field("model_digest", pa.string(), False),
        pa.field("scored_at", pa.timestamp("us", "UTC"), False),
        pa.field("reason", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("where", pa.string()),
    ]
)
"""What a task says of a row: a prediction has a label, a score and its best classes; a reject a reason instead."""

_FEATURES = pa.field("features", pa.list_(pa.float32()))

# What a task says for the night's report; no table has these. An executor is a host, and the parent of its tasks.
_WORK = (
    pa.field("_piece", pa.int32()),
    pa.field("_executor", pa.string()),
    pa.field("_read_ms", pa.float32()),
    pa.field("_truth", pa.string()),
    pa.field("_true_id", pa.int32()),  # a line of labels.txt; -1: a label that the model does not have
    pa.field("_in_top_k", pa.bool_()),
)

# What else a day's tables have, among them its partition column: a kept column takes another name.
OF_SCORES = (
    *SCORED.names,
    _FEATURES.name,
    "reason_class",
    "model_name",
    "model_step",
    "run_id",
    "dt",
    *(field.name for field in _WORK),
)

_WORDS = {
    pa.string(): "string",
    pa.binary(): "binary",
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp",
    pa.timestamp("us"): "timestamp_ntz",
}


def scored_schema(kept: Iterable[KeptColumn] = (), *, has_features: bool = False) -> pa.Schema:
    """Return :data:`SCORED` with the net's features, the kept columns of the input, and those of the report."""
    features = [_FEATURES] if has_features else []
    return pa.schema([*SCORED, *features, *_WORK, *(pa.field(column.name, column.kind) for column in kept)])


def ddl(schema: pa.Schema) -> str:
    """Return ``schema`` in Spark's DDL, such as ``id string, top_k array<struct<label: string>>``."""
    return ", ".join(f"{_quoted(field.name)} {_word(field.type)}" for field in schema)


def _word(kind: pa.DataType) -> str:
    if pt.is_list(kind):
        return f"array<{_word(kind.value_type)}>"
    if pt.is_struct(kind):
        return "struct<" + ", ".join(f"{_quoted(field.name)}: {_word(field.type)}" for field in kind) + ">"
    if pt.is_map(kind):
        return f"map<{_word(kind.key_type)}, {_word(kind.item_type)}>"
    if pt.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _WORDS[kind]


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "`" + name.replace("`", "``") + "`"
