"""The weights of a quantized TensorFlow Lite classifier, as the variables of the net that it was made of.

A converted classifier has each layer's batch normalisation folded into its weights and bias, and both as whole
numbers with a scale (Jacob et al. 2018, https://arxiv.org/abs/1712.05877). They become numbers again, and the bias
the beta of a batch normalisation that changes nothing else: gamma 1, mean 0, variance 1 - epsilon. Inference is that
of the folded layers; the statistics are of no data, so a net that goes on from them trains with
``--freeze_batch_norm``.

The layers are told by their order, so only nets whose layers stand in one row are read.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema

from sparkcv import nets
from sparkcv.errors import CheckpointError

__all__ = ["variables"]

_CONVOLUTIONS = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2dNative"}
_WITHOUT_WEIGHTS = frozenset(
    {"ADD", "AVERAGE_POOL_2D", "DEQUANTIZE", "MEAN", "QUANTIZE", "RESHAPE", "SOFTMAX", "SQUEEZE"}
)
_OPERATIONS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
_TYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


@dataclasses.dataclass(frozen=True)
class _Layer:
    """One convolution of the file: weights as TensorFlow has them, [height, width, in, out or multiplier]."""

    operation: str
    stride: int
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def variables(paths: list[str], wheres: list[str], model_name: str) -> dict[str, NDArray[np.float32]]:
    """Return the net's variables by name, of one file or of the parts of a net in their order.

    ``paths`` are local, ``wheres`` what a user calls them. Layers behind the last of the file are left out, as where
    only features were converted; the last layer may have any number of classes.

    Raises CheckpointError for a file that is damaged, not quantized, has an operation or a type that is not read here,
    or layers that are not those of the net.
    """
    layers = [layer for path, where in zip(paths, wheres, strict=True) for layer in _layers(path, where)]
    where = " and ".join(repr(each) for each in wheres)
    if not layers:
        raise CheckpointError(f"{where} has no convolution, so no weights of {model_name}; wanted a classifier")
    found: dict[str, NDArray[np.float32]] = {}
    with tf.Graph().as_default() as graph:
        net = nets.get(model_name)
        size = net.default_image_size
        net.build(tf.zeros([1, size, size, 3]), len(layers[-1].bias), is_training=False)
        convolutions = [each for each in graph.get_operations() if each.type in _CONVOLUTIONS.values()]
        epsilon = net.batch_norm.epsilon if net.batch_norm else 0.0
        names = {variable.op.name for variable in tf.global_variables()}
    if len(layers) > len(convolutions):
        raise CheckpointError(
            f"{where} is of another net: it has {len(layers)} layers with weights, {model_name} has"
            f" {len(convolutions)} convolutions"
        )
    for number, (layer, operation) in enumerate(zip(layers, convolutions, strict=False), 1):
        name = _weights_of(operation)
        wanted = (operation.type, operation.get_attr("strides")[1], operation.inputs[1].shape.as_list())
        got = (layer.operation, layer.stride, list(layer.weights.shape))
        if got != wanted:
            raise CheckpointError(
                f"{where} is of another net than {model_name}: its layer {number} is {_told(got)}, wanted"
                f" {_told(wanted)} ({name})"
            )
        found |= _unfolded(layer, name, names, epsilon, where)
    return found


def _told(layer: tuple[str, int, list[int]]) -> str:
    return f"a {layer[0]} of stride {layer[1]} and shape {layer[2]}"


def _weights_of(operation: Any) -> str:
    """Return the name of the variable that an operation convolves with."""
    source = operation.inputs[1].op
    while source.inputs:
        source = source.inputs[0].op
    return str(source.name)


def _unfolded(
    layer: _Layer, weights: str, names: set[str], epsilon: float, where: str
) -> dict[str, NDArray[np.float32]]:
    """Return the variables of one layer: weights, and the bias as such or as a batch normalisation's."""
    scope = weights.rpartition("/")[0]
    found = {weights: layer.weights}
    if f"{scope}/biases" in names:
        return found | {f"{scope}/biases": layer.bias}
    norm = f"{scope}/BatchNorm"
    if f"{norm}/beta" not in names:
        raise CheckpointError(f"{where} has a bias for {weights}, and the net has neither biases nor a beta there")
    values = {
        "beta": layer.bias,
        "gamma": np.ones_like(layer.bias),
        "moving_mean": np.zeros_like(layer.bias),
        "moving_variance": np.full_like(layer.bias, 1 - epsilon),
    }
    return found | {f"{norm}/{name}": value for name, value in values.items() if f"{norm}/{name}" in names}


def _layers(path: str, where: str) -> list[_Layer]:
    """Return the convolutions of one file in their order, as numbers."""
    with open(path, "rb") as source:
        data = source.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its constructor says where this class moved to
            tf.lite.Interpreter(model_content=data)  # its C++ finds each offset that leads out of the file
    except (ValueError, RuntimeError) as err:
        raise CheckpointError(
            f"{where!r} is no TensorFlow Lite model, or damaged: {str(err).strip().splitlines()[0]}"
        ) from err
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    if len(model.subgraphs) != 1:
        raise CheckpointError(f"{where!r} has {len(model.subgraphs)} graphs, wanted a classifier of one")
    graph, found = model.subgraphs[0], []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        operation = _OPERATIONS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown")
        if operation in _CONVOLUTIONS:
            found.append(_layer(model, operator, _CONVOLUTIONS[operation], where))
        elif operation not in _WITHOUT_WEIGHTS:
            custom = f" ({code.customCode.decode(errors='replace')})" if code.customCode else ""
            raise CheckpointError(
                f"{where!r} has the operation {operation}{custom}, which is not read here; wanted a net of"
                f" {', '.join(sorted([*_CONVOLUTIONS, *_WITHOUT_WEIGHTS]))} in one row"
            )
    return found


def _layer(model: Any, operator: Any, operation: str, where: str) -> _Layer:
    tensors, options = model.subgraphs[0].tensors, operator.builtinOptions
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        raise CheckpointError(f"{where!r} has a {operation} without bias; wanted batch normalisation folded into one")
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1) or options.strideH != options.strideW:
        raise CheckpointError(
            f"{where!r} has a {operation} that is dilated or of unequal strides, which no net here is"
        )
    weights, bias = (
        _numbers(model, tensors[operator.inputs[at]], kind, where) for at, kind in ((1, "uint8"), (2, "int32"))
    )
    if weights.ndim != 4 or bias.shape != (weights.shape[3 if operation != "Conv2D" else 0],):
        raise CheckpointError(f"{where!r} has weights of shape {list(weights.shape)} and {list(bias.shape)} biases")
    # The file has [out, height, width, in], and of a depthwise layer [1, height, width, in].
    order = (1, 2, 3, 0)
    return _Layer(operation, options.strideH, np.ascontiguousarray(weights.transpose(order)), bias)


def _numbers(model: Any, tensor: Any, wanted: str, where: str) -> NDArray[np.float32]:
    """Return a constant as numbers: its whole numbers, less the zero point, times the scale."""
    name, kind = tensor.name.decode(errors="replace").split(";")[0], _TYPES.get(tensor.type, "unknown")
    data, quantization = model.buffers[tensor.buffer].data, tensor.quantization
    if kind != wanted:
        raise CheckpointError(
            f"{where!r} is not quantized as uint8: {name} is {kind}, wanted {wanted}; a net of float32 is taken from"
            " its checkpoint, frozen graph or SavedModel"
        )
    if data is None or not len(data):
        raise CheckpointError(f"{where!r} has no values for {name}: it is computed, wanted a constant")
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        scales = 0 if quantization is None or quantization.scale is None else len(quantization.scale)
        raise CheckpointError(f"{where!r} has {scales} scales for {name}, wanted one for the whole layer")
    shape = [int(side) for side in tensor.shape]
    whole = np.frombuffer(bytes(data), np.uint8 if wanted == "uint8" else "<i4")
    if whole.size != np.prod(shape):
        raise CheckpointError(f"{where!r} has {whole.size} values for {name} of shape {shape}")
    values = (whole.astype(np.int64) - int(quantization.zeroPoint[0])) * float(quantization.scale[0])
    if not np.isfinite(values).all():
        raise CheckpointError(f"{where!r} has the scale {quantization.scale[0]} for {name}, which is no number")
    return values.reshape(shape).astype(np.float32)
