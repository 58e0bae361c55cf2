"""One SavedModel in one of Spark's Python workers: loaded once, called by batches, with the columns it gives."""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from sparkcv import storage
from sparkcv.errors import ModelError, UsageError
from sparkcv.launchers.barrier import gpus_of

__all__ = ["SavedModelPlan", "columns_of", "predict"]


_loaded: dict[tuple[Any, ...], Any] = {}  # by what was asked for: kept for the next partition of this Python worker


@dataclasses.dataclass(frozen=True)
class SavedModelPlan:
    """What to load, and how rows and tensors belong together.

    Attributes:
        export_dir: storage URL of the SavedModel.
        tag_set: its tags, with commas; "" for any.
        signature: key of the signature.
        inputs: names of the input tensors, by column.
        outputs: names of the output tensors, by column.
        batch_size: rows at once.
        argv: sys.argv for the model's code; [] to leave it.
    """

    export_dir: str
    tag_set: str
    signature: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    batch_size: int
    argv: tuple[str, ...] = ()


def columns_of(plan: SavedModelPlan) -> list[tuple[str, int]]:
    """Return Spark's type and the dimensions within a row of each output; raise ModelError for one that is missing."""
    outputs = _function(plan).structured_outputs
    found = []
    for name in plan.outputs:
        if name not in outputs:
            raise ModelError(f"{plan.export_dir} gives {', '.join(sorted(outputs))}, but no {name!r}")
        dtype, rank = outputs[name].dtype, outputs[name].shape.rank
        kind = "binary" if dtype.name == "string" else "double" if dtype.is_floating else "bigint"
        found.append(("boolean" if dtype.is_bool else kind, max(0, (rank or 1) - 1)))
    return found


def predict(plan: SavedModelPlan, rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the outputs for each row, in order; raise ModelError where inputs or outputs do not fit the rows."""
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= plan.batch_size:
            yield from _predict_batch(plan, batch)
            batch = []
    if batch:
        yield from _predict_batch(plan, batch)


def _predict_batch(plan: SavedModelPlan, rows: list[Any]) -> Iterator[tuple[Any, ...]]:
    import tensorflow as tf

    function = _function(plan)
    specs = function.structured_input_signature[1]
    inputs = {}
    for at, name in enumerate(plan.inputs):
        if name not in specs:
            raise ModelError(f"{plan.export_dir} takes {', '.join(sorted(specs))}, but no {name!r}")
        spec = specs[name]
        values = [bytes(row[at]) if isinstance(row[at], bytearray) else row[at] for row in rows]
        try:
            tensor = tf.constant(values, dtype=spec.dtype)
            if spec.shape.rank is not None:  # a column of Spark's is flat
                tensor = tf.reshape(tensor, [len(rows), *[-1 if size is None else size for size in spec.shape[1:]]])
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as err:
            text = str(err).partition("\n")[0]
            raise ModelError(
                f"column {at} does not fit input {name!r}, {spec.dtype.name} {spec.shape}: {text}"
            ) from err
        inputs[name] = tensor
    outputs = function(**inputs)
    columns = [outputs[name].numpy().tolist() for name in plan.outputs]
    for name, column in zip(plan.outputs, columns, strict=True):
        if not isinstance(column, list) or len(column) != len(rows):
            raise ModelError(f"output {name!r} of {plan.export_dir} is not one for each of {len(rows)} rows")
    yield from zip(*columns, strict=True)


def _function(plan: SavedModelPlan) -> Any:
    key = (plan.export_dir, plan.tag_set, plan.signature)
    if key not in _loaded:
        if plan.argv:
            sys.argv = list(plan.argv)
        _set_devices()
        import tensorflow as tf

        tags = plan.tag_set.split(",") if plan.tag_set else None
        model = tf.saved_model.load(_local(plan.export_dir), tags=tags)
        if plan.signature not in model.signatures:
            raise ModelError(f"{plan.export_dir} has the signatures {sorted(model.signatures)}, no {plan.signature!r}")
        _loaded.clear()  # one model at a time: another one follows, it does not join
        _loaded[key] = (model, model.signatures[plan.signature])
    return _loaded[key][1]


def _set_devices() -> None:
    """Show TensorFlow only the GPUs that Spark gave this task, before it takes all that it sees."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is not None and (gpus := gpus_of(context)):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)


def _local(url: str) -> str:
    """Return a local folder with the model; Spark removes a copy with the application."""
    if (local := storage.local_path(url)) is not None:
        if not storage.is_dir(url):
            raise UsageError(f"there is no SavedModel at {url}")
        return local
    root = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or None
    target = tempfile.mkdtemp(prefix="saved-model-", dir=root)
    storage.fetch_dir(url, target)
    return target
