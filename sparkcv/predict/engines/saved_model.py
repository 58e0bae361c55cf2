"""Freezes a SavedModel of TensorFlow 2 or Keras 3: ``python -m sparkcv.predict.engines.saved_model FOLDER FILE``.

FOLDER is a local model folder whose ``model.json`` says, by its contract, what the SavedModel takes and gives; FILE
gets a GraphDef from ``input`` to ``probabilities`` as every engine takes it. The last line on standard output says
why not.
"""

import os
import sys
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from sparkcv.errors import ModelError
from sparkcv.imports import exit_now
from sparkcv.predict import manifest as manifests
from sparkcv.predict.contract import NATIVE_RANGE
from sparkcv.predict.engines import INPUT, OUTPUT
from sparkcv.predict.engines.tf import FORBIDDEN_OPS, SAVER_OPS
from sparkcv.predict.manifest import ModelManifest

__all__ = ["freeze", "main"]


def freeze(folder: str, manifest: ModelManifest) -> bytes:
    """Return the SavedModel of a model folder as a serialized GraphDef of constants.

    Raises ModelError if it does not load, has operations that reach out of the graph, or is not as its contract says.
    """
    name = manifests.saved_model_of(manifest)
    path = os.path.join(folder, os.path.dirname(name))
    _check_operations(os.path.join(folder, name))
    taken, given = manifest.inputs["saved_model"], manifest.outputs["saved_model"]
    try:
        loaded = tf.saved_model.load(path)
    except Exception as err:
        raise ModelError(f"the SavedModel does not load: {_first_line(err)}") from err
    signature = _one(loaded.signatures, taken["signature"], "signature")
    specs = signature.structured_input_signature[1]
    input_name = _named(specs, taken["name"], "inputs.saved_model.name", "input")
    output_name = _named(signature.structured_outputs, given["name"], "outputs.saved_model.name", "output")
    shape = [manifest.batch_size, manifest.image_size, manifest.image_size, manifest.channels]
    _check_input(specs[input_name], shape, input_name)
    low, high = taken["range"] or NATIVE_RANGE
    is_scaled = (low, high) != NATIVE_RANGE

    def score(images: Any) -> Any:
        if is_scaled:
            images = images * ((high - low) / 2) + (high + low) / 2
        scores = tf.cast(signature(**{input_name: images})[output_name], tf.float32)
        return tf.identity(tf.nn.softmax(scores) if given["values"] == "logits" else scores, name=OUTPUT)

    try:
        made = tf.function(score, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32, name=INPUT))
        graph = convert_variables_to_constants_v2(made).graph.as_graph_def()
    except Exception as err:
        raise ModelError(f"the SavedModel cannot be frozen: {_first_line(err)}") from err
    _check_output(made.outputs[0].shape, manifest.num_classes, output_name)
    return bytes(tf.compat.v1.graph_util.extract_sub_graph(graph, [OUTPUT]).SerializeToString(deterministic=True))


def _check_operations(path: str) -> None:
    """Look at the file before it is loaded, which runs some of its operations."""
    model = saved_model_pb2.SavedModel()
    try:
        with open(path, "rb") as source:
            model.ParseFromString(source.read())
    except Exception as err:
        raise ModelError(f"saved_model.pb is no SavedModel: {_first_line(err)}") from err
    for graph in (meta.graph_def for meta in model.meta_graphs):
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        bad = sorted({node.op for node in nodes} & (FORBIDDEN_OPS - SAVER_OPS))
        if bad:
            raise ModelError(f"the SavedModel has the operation {bad[0]}, which a model to score with must not have")


def _one(found: Any, name: str, what: str) -> Any:
    if name not in found:
        raise ModelError(f"the SavedModel has no {what} {name!r}, it has: {', '.join(sorted(found)) or 'none'}")
    return found[name]


def _named(found: Any, name: str, field: str, what: str) -> str:
    """Return the name of an input or output; the only one where the contract names none."""
    if not name and len(found) == 1:
        return str(next(iter(found)))
    if not name:
        raise ModelError(f"the SavedModel has the {what}s {', '.join(sorted(found))}; wanted one of them as {field}")
    _one(found, name, what)
    return name


def _check_input(spec: Any, shape: list[int | None], name: str) -> None:
    if spec.dtype != tf.float32:
        raise ModelError(f"the SavedModel's input {name!r} is {spec.dtype.name}, wanted float32 pixels")
    wanted = tf.TensorShape(shape)
    if not spec.shape.is_compatible_with(wanted) or (spec.shape.rank and spec.shape[0] is not None and not shape[0]):
        raise ModelError(
            f"the SavedModel's input {name!r} has shape {spec.shape}, the contract's image_size, use_grayscale and"
            f" batch_size say {wanted}"
        )


def _check_output(shape: Any, num_classes: int, name: str) -> None:
    if shape.rank not in (None, 2) or (shape.rank == 2 and shape[1] not in (None, num_classes)):
        raise ModelError(
            f"the SavedModel's output {name!r} has shape {shape}, wanted [batch, {num_classes}], a column for each line"
            f" of {manifests.LABELS}"
        )


def _first_line(err: BaseException) -> str:
    return (str(err).strip() or type(err).__name__).splitlines()[0][:200]


def main(argv: list[str]) -> int:
    """Freeze the SavedModel of the folder ``argv[0]`` into the file ``argv[1]``; return the exit code."""
    folder, path = argv
    try:
        data = freeze(folder, manifests.read_manifest(folder))
    except ModelError as err:
        sys.stdout.write(f"{err}\n")
        return err.exit_code
    with open(path, "wb") as sink:
        sink.write(data)
    return 0


if __name__ == "__main__":
    exit_now(main(sys.argv[1:]))  # TensorFlow's threads have nothing left to do
