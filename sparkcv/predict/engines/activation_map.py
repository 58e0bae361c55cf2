"""Where in a picture a class was seen: class-activation maps, and occlusion maps for nets that have none.

A class-activation map (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016) weighs the
last convolution's maps with a class's weights, in nets that end in a global average pool and one linear layer. An
occlusion map (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014) is what a class
loses where a patch of the picture is covered.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.predict.engines.tf import OUTPUT, TFEngine

__all__ = ["class_activation_map", "occlusion_map"]

_STEPS = 7
_PASSED = ("Softmax", "Reshape", "Squeeze", "BiasAdd", "Add", "AddV2", "Identity", "Cast", "ExpandDims", "Flatten")
_MAX_DEPTH = 24


def class_activation_map(engine: TFEngine, image: NDArray[np.float32], label_id: int) -> NDArray[np.float32] | None:
    """Return a class's map, float32 ``[height, width]`` in [0, 1] of the last convolution; None for nets without one.

    Args:
        engine: a loaded net.
        image: ``[size, size, channels]`` as the net takes it.
        label_id: the class, a column of the probabilities.
    """
    ends = _linear_head(engine.graph)
    if ends is None:
        return None
    features, weights = engine.fetch(image[None], list(ends))
    if features.ndim != 4 or features.shape[-1] != weights.size // weights.shape[-1]:
        return None
    kernel = weights.reshape(features.shape[-1], weights.shape[-1])
    if label_id >= kernel.shape[1]:
        return None
    return _scaled(np.maximum(features[0] @ kernel[:, label_id], 0))


def occlusion_map(engine: TFEngine, image: NDArray[np.float32], label_id: int) -> NDArray[np.float32]:
    """Return how much of a class's score is lost where a patch is covered with the mean: ``[7, 7]`` in [0, 1]."""
    side = image.shape[0]
    edges = np.linspace(0, side, _STEPS + 1).round().astype(int)
    covered = np.repeat(image[None], _STEPS * _STEPS + 1, axis=0)
    fill = image.mean((0, 1))
    for index in range(_STEPS * _STEPS):
        row, column = divmod(index, _STEPS)
        covered[index, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = fill
    scores = engine.probabilities(covered)[:, label_id]
    return _scaled(np.maximum(scores[-1] - scores[:-1], 0).reshape(_STEPS, _STEPS))


def _linear_head(graph: Any) -> tuple[str, str] | None:
    """Return the names of the maps before the global pool and of the linear layer's weights behind it."""
    operation = graph.get_tensor_by_name(f"{OUTPUT}:0").op
    weights = None
    for _ in range(_MAX_DEPTH):
        if operation.type in ("Conv2D", "MatMul") and weights is None:
            weights = _constant(operation.inputs[1])
            if weights is None:
                return None
        elif operation.type in ("Mean", "AvgPool") and weights is not None:
            return (operation.inputs[0].name, weights) if _is_global(operation) else None
        elif operation.type not in _PASSED:
            return None
        operation = operation.inputs[0].op
    return None


def _is_global(operation: Any) -> bool:
    shape = operation.outputs[0].shape
    return shape.rank == 2 or (shape.rank == 4 and shape[1] == 1 and shape[2] == 1)


def _constant(tensor: Any) -> str | None:
    operation = tensor.op
    while operation.type == "Identity":
        operation = operation.inputs[0].op
    return str(operation.outputs[0].name) if operation.type == "Const" else None


def _scaled(values: NDArray[Any]) -> NDArray[np.float32]:
    least, span = float(values.min()), float(np.ptp(values))
    return ((values - least) / span if span > 0 else np.zeros_like(values)).astype(np.float32)
