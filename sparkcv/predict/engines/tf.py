"""The TensorFlow engine: a frozen graph in a session of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import ModelError
from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.predict.engines import INPUT, OUTPUT, pooled
from sparkcv.predict.engines.choice import has_bf16

__all__ = ["FORBIDDEN_OPS", "INPUT", "OUTPUT", "SAVER_OPS", "TFEngine", "session_config"]

SAVER_OPS = frozenset({"RestoreV2", "RestoreSlice", "Restore", "SaveV2", "SaveSlices", "Save", "MergeV2Checkpoints"})
"""Operations that read and write checkpoints; a SavedModel has them, a frozen graph has not."""

# Ops that reach out of the graph: into Python, or to files and sockets. No net needs them.
FORBIDDEN_OPS = (
    frozenset(
        {"EagerPyFunc", "PyFunc", "PyFuncStateless", "ReadFile", "WriteFile", "MatchingFiles", "DebugIdentityV3"}
        | {"LoadAndRemapMatrix", "LookupTableImportV2", "InitializeTableFromTextFileV2", "PrintV2", "TensorSummaryV2"}
    )
    | SAVER_OPS
)


class TFEngine:
    """Scores batches with a frozen graph; see :class:`sparkcv.predict.engines.Engine`.

    Args:
        graph: a serialized GraphDef without variables, with the float32 placeholder ``input``
            ``[batch or None, size, size, channels]`` and the float32 tensor ``probabilities`` ``[batch, classes]``.
        where: the file that ``graph`` was read from, for messages.
        num_threads: threads of one operation; so many batches are not run at once.
        precision: ``fp32``, or ``bf16`` for bfloat16 where the CPU has it.
        features: operation of the maps or values that :meth:`with_features` gives; None: of none.
    """

    def __init__(
        self, graph: bytes, where: str, *, num_threads: int = 1, precision: str = "fp32", features: str | None = None
    ) -> None:
        definition = parse_graph(graph, where)
        self._graph = tf.Graph()
        try:
            with self._graph.as_default():
                tf.import_graph_def(definition, name="")
            images = self._graph.get_tensor_by_name(f"{INPUT}:0")
            scores = self._graph.get_tensor_by_name(f"{OUTPUT}:0")
            values = self._graph.get_tensor_by_name(f"{features}:0") if features else None
        except (ValueError, KeyError) as err:
            wanted = repr(OUTPUT) + (f" and {features!r}" if features else "")
            raise ModelError(f"{where!r} is no graph from {INPUT!r} to {wanted}: {_first_line(err)}") from err
        del definition  # the weights once more
        self._batch_size = images.shape.as_list()[0]
        self._session: Any = tf.Session(graph=self._graph, config=session_config(num_threads, precision))
        self._run = self._session.make_callable([scores], feed_list=[images])
        self._run_both = values is not None and self._session.make_callable([scores, values], feed_list=[images])

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score ``[batch, size, size, channels]``; a graph of fixed batch size gets the rest padded with zeros."""
        (scored,) = self._in_batches(self._run, images)
        return np.asarray(scored, np.float32)

    def with_features(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the probabilities, and the features ``[batch, channels]``: maps by their mean, taken in float32."""
        scored, values = self._in_batches(self._run_both, images)
        return np.asarray(scored, np.float32), pooled(values)

    @property
    def graph(self) -> Any:
        """The loaded tf.Graph, for who looks for tensors in it."""
        return self._graph

    def fetch(self, images: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[Any]]:
        """Return tensors of the net by name, as they are for a batch of ``images``."""
        images = images if self._batch_size is None else _pad(images, self._batch_size)
        return list(self._session.run(list(names), {f"{INPUT}:0": images}))

    def close(self) -> None:
        """Close the session; calling it again does nothing."""
        self._session.close()

    def _in_batches(self, run: Any, images: NDArray[np.float32]) -> list[NDArray[Any]]:
        size = self._batch_size
        if size is None:
            return list(run(images))
        parts = [run(_pad(images[at : at + size], size)) for at in range(0, len(images), size)]
        return [np.concatenate(of)[: len(images)] for of in zip(*parts, strict=True)]


def parse_graph(graph: bytes, where: str) -> Any:
    """Read a GraphDef; raises ModelError if it is none, or has operations that reach out of the graph."""
    definition = tf.GraphDef()
    try:
        definition.ParseFromString(graph)
    except Exception as err:
        raise ModelError(f"{where!r} is no TensorFlow graph: {_first_line(err)}") from err
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    forbidden = sorted({node.op for node in nodes} & FORBIDDEN_OPS)
    if forbidden:
        raise ModelError(f"{where!r} has the operation {forbidden[0]}, which a model to score with must not have")
    return definition


def session_config(num_threads: int, precision: str = "fp32") -> Any:
    """Return a ConfigProto that keeps to the cores it was given: tasks x threads = cores.

    With the precision ``bf16`` Grappler lets oneDNN compute in bfloat16 what allows it; a CPU that has no instructions
    for it, where that would be slower, computes in float32.
    """
    config = tf.ConfigProto(
        intra_op_parallelism_threads=num_threads,
        inter_op_parallelism_threads=1,
        allow_soft_placement=True,
        gpu_options=tf.GPUOptions(allow_growth=True),
    )
    if precision == "bf16" and has_bf16():
        rewrite = config.graph_options.rewrite_options
        rewrite.auto_mixed_precision_onednn_bfloat16 = type(rewrite).ON
    return config


def _pad(images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    missing = size - len(images)
    return np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)]) if missing else images


def _first_line(err: BaseException) -> str:
    return str(err).strip().split("\n")[0][:200]
