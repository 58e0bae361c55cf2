"""What pictures are known to show: which line of labels.txt that is, and whether the model found it."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sparkcv.predict.rows import TRUTH

__all__ = ["mark"]


def mark(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return scored rows that say what their pictures show, where that is given in words or as a number.

    ``_true_id`` is the line of labels.txt with that name, else of that number, and -1 if the model has neither;
    ``_in_top_k`` whether it is among the best labels; both null where nothing is given. ``names`` are the labels.
    """
    index = {name: line for line, name in enumerate(names)}
    truth, best = batch.column(TRUTH).to_pylist(), batch.column("top_k").to_pylist()
    if not any(text is not None for text in truth):
        return batch
    lines = [None if text is None else _line(text, index) for text in truth]
    hits = [
        None if line is None else line >= 0 and any(one["label"] == names[line] for one in some or ())
        for line, some in zip(lines, best, strict=True)
    ]
    values: dict[str, list[Any]] = {"_true_id": lines, "_in_top_k": hits}
    for name, items in values.items():
        at = batch.schema.get_field_index(name)
        batch = batch.set_column(at, batch.schema.field(at), pa.array(items, batch.schema.field(at).type))
    return batch


def _line(text: str, index: dict[str, int]) -> int:
    if text in index:
        return index[text]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) < len(index) else -1
