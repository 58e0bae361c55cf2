"""Quantized TensorFlow Lite classifiers of our nets, as a converter makes them: made here, layer by layer."""

import functools

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema


def tensor(name, shape, kind, buffer, scale=0.02, zero=0):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), kind, buffer
    made.quantization = schema.QuantizationParametersT()
    made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
    return made


class File:
    """A model in the making: each layer takes the one before's output."""

    def __init__(self, size):
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.subgraphs, self.model.operatorCodes = 3, [self.graph], []
        self.model.buffers = [schema.BufferT()]
        self.graph.tensors, self.graph.operators = [tensor("input", [1, size, size, 3], schema.TensorType.UINT8, 0)], []
        self.last = 0

    def constant(self, name, values, kind, scale, zero=0):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor(name, values.shape, kind, len(self.model.buffers) - 1, scale, zero))
        return len(self.graph.tensors) - 1

    def operator(self, code, inputs, options=None, kind=0):
        operator, codes = schema.OperatorT(), schema.OperatorCodeT()
        codes.builtinCode = codes.deprecatedBuiltinCode = code
        codes.version = 1
        self.model.operatorCodes.append(codes)
        self.graph.tensors.append(tensor("made", [1, 1, 1, 1], schema.TensorType.UINT8, 0))
        operator.opcodeIndex, operator.inputs = len(self.model.operatorCodes) - 1, [self.last, *inputs]
        operator.outputs = [len(self.graph.tensors) - 1]
        operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.graph.operators.append(operator)
        self.last = operator.outputs[0]

    def convolution(self, weights, bias, stride, *, is_depthwise, scale=0.02, zero=120, **kinds):
        options = (schema.DepthwiseConv2DOptionsT if is_depthwise else schema.Conv2DOptionsT)()
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        codes, kind = schema.BuiltinOperator, schema.BuiltinOptions
        code = codes.DEPTHWISE_CONV_2D if is_depthwise else codes.CONV_2D
        inputs = [
            self.constant("w", weights, kinds.get("weights_type", schema.TensorType.UINT8), scale, zero),
            self.constant("b", bias, kinds.get("bias_type", schema.TensorType.INT32), scale * 0.02),
        ]
        self.operator(code, inputs, options, kind.DepthwiseConv2DOptions if is_depthwise else kind.Conv2DOptions)

    def write(self, path):
        self.graph.inputs, self.graph.outputs = [0], [self.last]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return str(path)


def mobilenet(path, *, num_layers=28, num_classes=5, model_name="mobilenet_v1_025", change=None, **kinds):
    """Write the convolutions of a net; return the path, and weights and biases as numbers by the scope of each layer.

    ``change(number, weights, bias)`` may return others for a layer.
    """
    rng, file, numbers = np.random.default_rng(3), File(32), {}
    for number, (kind, stride, shape, name) in enumerate(_layers(model_name, num_classes)[:num_layers]):
        is_depthwise = kind != "Conv2D"
        weights = rng.integers(0, 256, [shape[3], *shape[:3]]).astype(np.uint8)
        bias = rng.integers(-900, 900, [shape[2] if is_depthwise else shape[3]]).astype(np.int32)
        if change is not None:
            weights, bias = change(number, weights, bias)
        file.convolution(weights, bias, stride, is_depthwise=is_depthwise, **kinds)
        scope = name.rpartition("/")[0].replace("MobilenetV1/MobilenetV1", "MobilenetV1")
        numbers[scope] = ((weights.astype(float) - 120) * 0.02, bias * 0.02 * 0.02)
    return file.write(path), numbers


@functools.cache
def _layers(model_name, num_classes):
    """Return operation, stride, shape of the weights, and name of each convolution of a net."""
    from sparkcv import nets
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default() as graph:
        nets.get(model_name).build(tf.zeros([1, 32, 32, 3]), num_classes, is_training=False)
        layers = [op for op in graph.get_operations() if op.type in ("Conv2D", "DepthwiseConv2dNative")]
        return [(op.type, op.get_attr("strides")[1], tuple(op.inputs[1].shape.as_list()), op.name) for op in layers]
