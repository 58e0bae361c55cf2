"""The weights of a frozen graph or a SavedModel, as the variables of the net that it was made of.

Nothing of the graph is run: it comes from outside. Its weights are known by the names of the net's variables, which may
stand below a scope of their own, such as ``net/``.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from sparkcv import nets
from sparkcv.errors import CheckpointError

__all__ = ["of_graph", "of_saved_model"]

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the tensor that says which object has which value, since TensorFlow 2
_VALUE = "VARIABLE_VALUE"
_VARIABLE_OPERATIONS = ("VarHandleOp", "Variable", "VariableV2")
# How slim's variables end: those that a file has and the net has not are told, other constants are arithmetic.
_ENDS = ("weights", "biases", "beta", "gamma", "moving_mean", "moving_variance")

_Weights = dict[str, NDArray[np.float32]]


def of_graph(path: str, where: str, model_name: str) -> _Weights:
    """Return the variables that a frozen graph, the local file ``path``, holds as constants.

    Raises CheckpointError for a file that is damaged or no graph, of another net, or has weights of a type that is no
    floating-point number. ``where`` is what a user calls it.
    """
    graph = _parsed(tf.GraphDef(), path, f"{where!r} is no frozen graph, or damaged")
    if not graph.node:
        raise CheckpointError(f"{where!r} is no frozen graph: it has no nodes")
    return _of_nodes(_nodes(graph), where, model_name)


def of_saved_model(folder: str, where: str, model_name: str) -> _Weights:
    """Return the variables of the SavedModel in the local ``folder``: TensorFlow 1's, 2's, or one of a frozen graph.

    Raises CheckpointError as :func:`of_graph`.
    """
    refusal = f"{where!r}: its saved_model.pb is damaged, or none"
    saved = _parsed(saved_model_pb2.SavedModel(), os.path.join(folder, "saved_model.pb"), refusal)
    if not saved.meta_graphs:
        raise CheckpointError(f"{refusal}: it holds no graph")
    prefix = os.path.join(folder, "variables", "variables")
    if os.path.exists(f"{prefix}.index"):
        try:
            readers = _readers(tf.train.load_checkpoint(prefix))
            found = _of_names(readers, where, model_name) if readers else {}
        except (tf.errors.OpError, ValueError, RuntimeError) as err:
            if isinstance(err, CheckpointError):
                raise
            raise CheckpointError(f"{where!r}: its variables are damaged: {str(err).strip().splitlines()[0]}") from err
        if found:
            return found
    nodes = [node for meta in saved.meta_graphs for node in _nodes(meta.graph_def)]
    if not os.path.exists(f"{prefix}.index") and any(node.op in _VARIABLE_OPERATIONS for node in nodes):
        raise CheckpointError(f"the SavedModel {where!r} is half deleted: its variables/variables.index is missing")
    return _of_nodes(nodes, where, model_name)


def _parsed(message: Any, path: str, refusal: str) -> Any:
    """Return the protobuf ``message`` with what a local file holds; raise CheckpointError for a file that is none."""
    with open(path, "rb") as source:
        data = source.read()
    try:
        message.ParseFromString(data)
    except DecodeError as err:
        raise CheckpointError(f"{refusal}: {err}") from err
    return message


def _nodes(graph: Any) -> list[Any]:
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


def _readers(reader: Any) -> dict[str, Callable[[], Any]]:
    """Return for each variable of a checkpoint, of objects or of names, what reads its value."""
    keys = {name: name for name in reader.get_variable_to_shape_map() if name != _OBJECTS}
    if reader.has_tensor(_OBJECTS):
        objects = trackable_object_graph_pb2.TrackableObjectGraph()
        objects.ParseFromString(reader.get_tensor(_OBJECTS))
        values = [each for node in objects.nodes for each in node.attributes if each.name == _VALUE]
        keys = {each.full_name: each.checkpoint_key for each in values if each.full_name}
    return {name: functools.partial(reader.get_tensor, key) for name, key in keys.items()}


def _of_nodes(nodes: Iterable[Any], where: str, model_name: str) -> _Weights:
    constants = {node.name: node.attr["value"].tensor for node in nodes if node.op == "Const"}
    if not constants:
        raise CheckpointError(f"{where!r} has no constants, so no weights; wanted a frozen graph")

    def read(tensor: Any) -> Any:
        try:
            return tf.make_ndarray(tensor)
        except (TypeError, ValueError) as err:
            raise CheckpointError(f"{where!r} has a constant that is damaged: {err}") from err

    return _of_names({name: functools.partial(read, each) for name, each in constants.items()}, where, model_name)


def _of_names(readers: Mapping[str, Callable[[], Any]], where: str, model_name: str) -> _Weights:
    """Return the values under the net's names, whatever scope all of them stand below."""
    wanted = _names_of(model_name)
    ends = Counter(name[: -len(each)] for name in readers for each in _tails(name) if each in wanted)
    if not ends:
        held = sorted({name.partition("/")[0] for name in readers if name.endswith(_ENDS)} or readers)[:3]
        raise CheckpointError(
            f"{where!r} is of another net: its weights lie in {', '.join(held) or 'nothing'}, wanted variables of"
            f" {model_name} such as {min(wanted)}"
        )
    (scope, _), *_ = ends.most_common(1)
    found = {}
    for name, read in readers.items():
        short = name[len(scope) :]
        if name.startswith(scope) and (short in wanted or short.rpartition("/")[2].endswith(_ENDS)):
            found[short] = _as_float(read(), name, where)
    return found


def _tails(name: str) -> list[str]:
    """Return a name and what is left of it behind each slash."""
    words = name.split("/")
    return ["/".join(words[at:]) for at in range(len(words))]


def _names_of(model_name: str) -> set[str]:
    with tf.Graph().as_default():
        net = nets.get(model_name)
        size = net.default_image_size
        net.build(tf.zeros([1, size, size, 3]), 2, is_training=False)
        return {variable.op.name for variable in tf.global_variables()}


def _as_float(value: Any, name: str, where: str) -> NDArray[np.float32]:
    value = np.asarray(value)
    if value.dtype not in (np.float16, np.float32, np.float64, tf.bfloat16.as_numpy_dtype):
        raise CheckpointError(f"{where!r} has {name} as {value.dtype}, wanted floating-point numbers: is it quantized?")
    return value.astype(np.float32)
