"""The columns of scored rows, said once: tasks write them as Arrow, Spark reads them by its own words for the same."""

import pyarrow as pa

__all__ = ["SCORED", "ddl"]

SCORED = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("filename", pa.string()),
        pa.field("label", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("top_k", pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))),
        pa.field("model_digest", pa.string()),
        pa.field("reason", pa.string()),
    ]
)
"""A prediction has a label, a score and its best classes; a reject has a reason instead."""

_WORDS = {pa.string(): "string", pa.float32(): "float"}


def ddl(schema: pa.Schema) -> str:
    """Return ``schema`` in Spark's DDL, such as ``id string, top_k array<struct<label: string>>``."""
    return ", ".join(f"{field.name} {_word(field.type)}" for field in schema)


def _word(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"array<{_word(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "struct<" + ", ".join(f"{field.name}: {_word(field.type)}" for field in kind) + ">"
    return _WORDS[kind]
