"""The OpenVINO engine: the same frozen graph without TensorFlow in the process; of the extra ``openvino``."""

import hashlib
import os
import tempfile
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager

from sparkcv.errors import ModelError
from sparkcv.predict.engines import INPUT, OUTPUT, pooled
from sparkcv.predict.fetching import locked

__all__ = ["OpenVINOEngine", "VERSION", "read_graph", "save_net"]

VERSION = openvino.__version__

# A batch at 299 pixels holds layers of 6 MB a picture. What is run at once is at most so many values of input.
_MOST_PIXELS = 8 * 299 * 299
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # its own choice is bfloat16 where the CPU has it


class OpenVINOEngine:
    """Scores batches; see :class:`sparkcv.predict.engines.Engine`.

    With ``cache_dir`` the first process of a host leaves there what it has compiled, and the next ones map that into
    memory instead of reading the graph: of Inception v3 80 MB of weights are then there once a host.

    Args:
        path: the local file of a frozen GraphDef, or of a net that :func:`save_net` wrote.
        where: the file to name in messages.
        num_threads: threads of one batch; they are not pinned, as tasks on one machine would share a core.
        precision: ``fp32``, ``bf16`` for bfloat16 where the CPU has it, or ``int8`` of a net that was quantized.
        features: operation of the maps or values that :meth:`with_features` gives; None: of none.
        cache_dir: local folder of this user that processes share; None: nothing is kept.
    """

    def __init__(
        self,
        path: str,
        where: str,
        *,
        num_threads: int = 1,
        precision: str = "fp32",
        features: str | None = None,
        cache_dir: str | None = None,
    ) -> None:
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": _hint(core, precision),
            "INFERENCE_NUM_THREADS": num_threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            compiled = _compile(core, path, where, features, cache_dir, settings)
        except RuntimeError as err:
            raise ModelError(f"{where!r} does not run in OpenVINO {VERSION}: {_last_line(err)}") from err
        shape = compiled.inputs[0].get_partial_shape()
        self._batch_size = shape[0].get_length() if shape[0].is_static else None
        side = shape[1].get_length() if shape[1].is_static else 1
        self._most = self._batch_size or max(1, _MOST_PIXELS // (side * side))
        self._request: Any = compiled.create_infer_request()

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score ``[batch, size, size, channels]``, some pictures at a time; a graph of fixed size gets zeros behind."""
        return np.concatenate([self._run(part)[0] for part in self._parts(images)])

    def with_features(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the probabilities, and the features ``[batch, channels]``: maps by their mean, taken in float32."""
        scores, values = zip(*(self._run(part) for part in self._parts(images)), strict=True)
        return np.concatenate(scores), np.concatenate(values)

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""
        self._request = None

    def _parts(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [images[at : at + self._most] for at in range(0, len(images), self._most)]

    def _run(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        count = len(images)
        if self._batch_size and count < self._batch_size:
            images = np.concatenate([images, np.zeros((self._batch_size - count, *images.shape[1:]), np.float32)])
        self._request.infer([images])
        scores, *values = (tensor.data[:count] for tensor in self._request.output_tensors)
        # Copies: the next batch writes there.
        return [np.array(scores, np.float32), *(np.array(pooled(value)) for value in values)]


def read_graph(path: str, where: str, features: str | None = None) -> Any:
    """Return the openvino.Model of a frozen graph: from its pixels to probabilities, and to ``features`` if asked.

    Raises ModelError for a file that is none.
    """
    outputs = [OUTPUT, *([features] if features else [])]
    try:
        frontend = FrontEndManager().load_by_framework("tf")
        graph = frontend.load(path)
        places = [graph.get_place_by_tensor_name(f"{name}:0") for name in (INPUT, *outputs)]
        if any(place is None for place in places):
            raise _no_graph(where, outputs)
        graph.override_all_outputs(places[1:])
        model = frontend.convert(graph)
    except ModelError:
        raise
    except Exception as err:  # the front ends' errors have no class of their own
        raise ModelError(f"{where!r} is no graph that OpenVINO {VERSION} can take: {_last_line(err)}") from err
    _check_ends(model, where, outputs)
    return model


def save_net(model: Any, path: str) -> None:
    """Write a model as ``path`` (.xml) and its weights beside it (.bin), the first last: who finds it finds both."""
    with tempfile.TemporaryDirectory(prefix=".net-", dir=os.path.dirname(path)) as aside:
        openvino.save_model(model, f"{aside}/net.xml", compress_to_fp16=False)
        os.replace(f"{aside}/net.bin", path.removesuffix(".xml") + ".bin")
        os.replace(f"{aside}/net.xml", path)


def _compile(
    core: Any, path: str, where: str, features: str | None, cache_dir: str | None, settings: dict[str, Any]
) -> Any:
    if cache_dir is None:
        model = core.read_model(path) if path.endswith(".xml") else read_graph(path, where, features)
        return core.compile_model(model, "CPU", settings)
    os.makedirs(cache_dir, mode=0o700, exist_ok=True)
    with locked(os.path.join(cache_dir, "lock")):
        if not path.endswith(".xml"):
            name = hashlib.sha256(f"{features}".encode()).hexdigest()[:16]
            net = os.path.join(cache_dir, f"{name}.xml")
            if not os.path.exists(net):
                save_net(read_graph(path, where, features), net)
            path = net
        # By its path: what is in the cache already is then found without reading the net.
        return core.compile_model(path, "CPU", {**settings, "CACHE_DIR": cache_dir})


def _check_ends(model: Any, where: str, outputs: list[str]) -> None:
    taken, given = model.inputs, model.outputs
    if len(taken) != 1 or f"{INPUT}:0" not in taken[0].get_names() or len(given) != len(outputs):
        raise _no_graph(where, outputs)


def _no_graph(where: str, outputs: list[str]) -> ModelError:
    return ModelError(f"{where!r} is no graph from {INPUT!r} to {' and '.join(map(repr, outputs))}")


def _hint(core: Any, precision: str) -> str:
    has_it = precision != "bf16" or "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return _HINTS[precision] if has_it else _HINTS["fp32"]


def _last_line(err: BaseException) -> str:
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(err).__name__
