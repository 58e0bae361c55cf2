"""Loading a fetched model: its net by one of the engines, and the decoder beside it.

Engines are imported when they are asked for: they take time, and a process that only reads manifests must not pay.
"""

from __future__ import annotations

import dataclasses
import os

from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import Decoder, Engine, NetSpec, agreement
from sparkcv.predict.engines.choice import EngineChoice
from sparkcv.predict.frozen_graph import read_graph
from sparkcv.predict.manifest import ModelManifest

__all__ = ["LocalModel", "load_decoder", "load_engine", "load_net", "needs_tensorflow"]


@dataclasses.dataclass(frozen=True)
class LocalModel:
    """A model whose files were fetched and found right, in a folder of a cache.

    ``is_shared`` says that other processes of the host will find it there, and what an engine makes of it.
    """

    manifest: ModelManifest
    folder: str
    is_shared: bool = True

    @property
    def cache_dir(self) -> str:
        """The folder of the cache."""
        return os.path.dirname(self.folder)

    def read_graph(self) -> tuple[bytes, str]:
        """Return its frozen graph, every byte checked, and the file; see :func:`~.frozen_graph.read_graph`."""
        return read_graph(self.folder, self.manifest)


def needs_tensorflow(manifest: ModelManifest, engine: str) -> bool:
    """Return whether an engine's process imports TensorFlow for this model.

    Beside OpenVINO it does for JPEG as only TensorFlow rounds it.
    """
    return engine != "openvino" or manifest.jpeg_arithmetic != "accurate"


def load_engine(model: LocalModel, choice: EngineChoice, net: NetSpec, num_threads: int) -> Engine:
    """Load the net; one of less precision than float32 only where it was measured to agree.

    Raises:
        ModelError: the graph does not load, or the net agrees too rarely.
        UsageError: features that the net has not, or a precision that nobody has measured.
    """
    if choice.precision == "fp32":
        return load_net(model, choice, net.features, num_threads)
    found = agreement.read_for(net, choice, model.manifest.digest)
    path = agreement.fetch_net(net, found, model.cache_dir) if choice.precision == "int8" else None
    return load_net(model, choice, net.features, num_threads, path=path)


def load_net(
    model: LocalModel, choice: EngineChoice, end_point: str | None, num_threads: int, *, path: str | None = None
) -> Engine:
    """Load the net as it is, or another of its forms that lies at ``path``."""
    features = None if end_point is None else model.manifest.end_point(end_point)
    if choice.name == "openvino":
        from sparkcv.predict.engines.openvino import OpenVINOEngine

        path = path or model.read_graph()[1]
        return OpenVINOEngine(
            path,
            path,
            num_threads=num_threads,
            precision=choice.precision,
            features=features,
            cache_dir=f"{model.folder}.openvino" if model.is_shared else None,
        )
    from sparkcv.predict.engines.tf import TFEngine

    graph, path = model.read_graph()
    return TFEngine(graph, path, num_threads=num_threads, precision=choice.precision, features=features)


def load_decoder(model: LocalModel, choice: EngineChoice, num_threads: int) -> Decoder:
    """Load what prepares the pictures: Pillow beside OpenVINO where TensorFlow is not needed."""
    manifest = model.manifest
    grey, normalization = manifest.use_grayscale, manifests.normalization(model.folder, manifest)
    if not needs_tensorflow(manifest, choice.name):
        from sparkcv.predict.engines.pillow import PillowDecoder

        return PillowDecoder(
            manifest.preprocessing,
            manifest.image_size,
            use_grayscale=grey,
            normalization=normalization,
            num_threads=num_threads,
        )
    from sparkcv.predict.engines.decoding import TFDecoder

    return TFDecoder(
        manifest.preprocessing,
        manifest.image_size,
        use_grayscale=grey,
        jpeg_arithmetic=manifest.jpeg_arithmetic,
        normalization=normalization,
        num_threads=num_threads,
    )
