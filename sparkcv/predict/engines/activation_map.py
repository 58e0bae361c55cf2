"""Where in a picture a class was seen: class-activation maps, of nets that end in a global pool and one linear layer.

Such a map weighs the last convolution's maps with the class's weights (Zhou et al., "Learning Deep Features for
Discriminative Localization", CVPR 2016).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.predict.engines import OUTPUT
from sparkcv.predict.engines.tf import TFEngine
from sparkcv.predict.occlusion import scaled

__all__ = ["class_activation_map"]

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
    return scaled(np.maximum(features[0] @ kernel[:, label_id], 0))


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
