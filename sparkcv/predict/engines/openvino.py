"""The OpenVINO engine: the same frozen graph without TensorFlow in the process; of the extra ``openvino``."""

from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from sparkcv.errors import ModelError
from sparkcv.predict.engines import INPUT, OUTPUT

__all__ = ["OpenVINOEngine", "VERSION"]

VERSION = openvino.__version__

# A batch at 299 pixels holds layers of 6 MB a picture. What is run at once is at most so many values of input.
_MOST_PIXELS = 8 * 299 * 299


class OpenVINOEngine:
    """Scores batches; see :class:`sparkcv.predict.engines.Engine`.

    Args:
        path: the local file of a frozen GraphDef, as :class:`sparkcv.predict.engines.tf.TFEngine` takes it.
        where: the file to name in messages.
        num_threads: threads of one batch; they are not pinned, as tasks on one machine would share a core.
        output: the tensor to answer with, by its operation's name.
    """

    def __init__(self, path: str, where: str, *, num_threads: int = 1, output: str = OUTPUT) -> None:
        model = _read(path, where, output)
        shape = model.inputs[0].get_partial_shape()
        self._batch_size = shape[0].get_length() if shape[0].is_static else None
        side = shape[1].get_length() if shape[1].is_static else 1
        self._most = self._batch_size or max(1, _MOST_PIXELS // (side * side))
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # its own choice is bfloat16 where the CPU has it
            "INFERENCE_NUM_THREADS": num_threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._request: Any = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as err:
            raise ModelError(f"{where!r} does not run in OpenVINO {VERSION}: {_last_line(err)}") from err

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score ``[batch, size, size, channels]``, some pictures at a time; a graph of fixed size gets zeros behind."""
        parts = [self._run(images[at : at + self._most]) for at in range(0, len(images), self._most)]
        return np.concatenate(parts)

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""
        self._request = None

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        count = len(images)
        if self._batch_size and count < self._batch_size:
            images = np.concatenate([images, np.zeros((self._batch_size - count, *images.shape[1:]), np.float32)])
        (scores,) = self._request.infer([images]).values()
        return np.array(scores[:count], np.float32)  # a copy: the next batch writes there


def _read(path: str, where: str, output: str) -> Any:
    try:
        model = openvino.Core().read_model(path)
    except RuntimeError as err:
        raise ModelError(f"{where!r} is no graph that OpenVINO {VERSION} can take: {_last_line(err)}") from err
    inputs = [node for node in model.get_parameters() if f"{INPUT}:0" in node.output(0).get_names()]
    found = _find(model, output)
    if len(inputs) != 1 or len(model.get_parameters()) != 1 or found is None:
        raise ModelError(f"{where!r} is no graph from {INPUT!r} to {output!r}")
    if len(model.outputs) == 1 and model.get_results()[0].input_value(0) == found:
        return model
    return openvino.Model([found], inputs)


def _find(model: Any, name: str) -> Any:
    """Return the output of the operation ``name``, which a graph may end at or pass by."""
    for node in model.get_ops():
        for output in node.outputs():
            names = output.get_names()
            if node.get_type_name() != "Result" and (name in names or f"{name}:0" in names):
                return output
    return None


def _last_line(err: BaseException) -> str:
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(err).__name__
