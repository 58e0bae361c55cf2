"""Variables that a training with several ps has cut into parts, for who does more than multiply by them.

Operations take such a variable as one tensor, but it has no slices, and TensorFlow's lookup takes its parts for those
of a table whose rows were dealt out in turn. Here row 0 and row 1 lie in the same part, and a checkpoint has the table
in its order.
"""

from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["rows", "whole"]


def whole(value: Any) -> Any:
    """Return a variable that is cut into parts as one tensor, and anything else as it is."""
    return value.as_tensor() if _is_cut(value) else value


def rows(table: Any, ids: Any) -> Any:
    """Return the rows of a table ``[rows, features]``, a variable or a tensor, that ``ids`` name.

    The gradient is of these rows alone. A table that is cut between its features is fetched as a whole.
    """
    if not _is_cut(table):
        return tf.nn.embedding_lookup(table, ids)
    pieces = list(table)
    if all(piece.shape[1:] == table.shape[1:] for piece in pieces):
        return tf.nn.embedding_lookup(pieces, ids, partition_strategy="div")
    return tf.nn.embedding_lookup(whole(table), ids)


def _is_cut(value: Any) -> bool:
    return hasattr(value, "as_tensor")
