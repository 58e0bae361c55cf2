"""What a style transfer is to do, as data: written by the driver, read by the process that has TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

__all__ = ["CONTENT_LAYERS", "LEAST_SIDE", "LossWeights", "MRF_LAYERS", "OptimizerSpec", "STYLE_LAYERS", "TransferTask"]

CONTENT_LAYERS = ("relu4_2", "relu5_2")
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
MRF_LAYERS = ("relu3_1", "relu4_1")
LEAST_SIDE = 16
"""Pixels: of anything smaller VGG-19's last layers see a single value."""


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """What each part of the loss counts.

    Attributes:
        content: of the content layers together.
        content_blend: share of relu4_2 in it; the rest is relu5_2's.
        style: of all styles together.
        style_layers: of each of :data:`STYLE_LAYERS`, or of :data:`MRF_LAYERS` where the style is patches.
        blend: of each style; they add up to 1.
        total_variation: of the differences of neighbours.
    """

    content: float = 5.0
    content_blend: float = 1.0
    style: float = 500.0
    style_layers: tuple[float, ...] = (0.2,) * 5
    blend: tuple[float, ...] = (1.0,)
    total_variation: float = 100.0

    def content_layers(self) -> dict[str, float]:
        """Return the weight of each content layer that counts."""
        shares = dict(zip(CONTENT_LAYERS, (self.content_blend, 1 - self.content_blend), strict=True))
        return {layer: self.content * share for layer, share in shares.items() if share}


@dataclasses.dataclass(frozen=True)
class OptimizerSpec:
    """How the picture is changed: ``adam`` with its parameters, or ``lbfgs``, which has none."""

    name: str = "adam"
    learning_rate: float = 10.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


@dataclasses.dataclass(frozen=True)
class TransferTask:
    """One picture to make; every path is a full URL.

    Attributes:
        content: the picture whose content is kept.
        styles: pictures whose styles are taken.
        masks: a grey picture a style, white where it is wanted; none without masks.
        output: where the picture goes.
        network: the weights of VGG-19.
        width: of the output in pixels; None: that of the content.
        method: ``gatys``, the style as Gram matrices, or ``mrf``, as patches.
        mrf_rotations: degrees by which the styles are turned for more patches.
        mrf_scales: factors by which they are scaled for more patches.
        style_scales: width of each style picture over that of the output.
        initial: the picture to begin with; "" for the content, where noise is not all of it.
        noise_blend: share of noise in the first picture.
        iterations: steps of the optimizer, over all resolutions.
        resolutions: how many, each twice the one before.
        checkpoint_output: name of a picture on the way, with a place for its number; "" for none.
        metrics: where the losses go, a line of JSON an iteration.
        preserve_colors: whether the content's colours stay, by the output's brightness and the content's colours.
        luminance: whether brightness alone is optimized, on grey pictures matched to the content's brightness.
        convolutions: ``winograd``, with fewer multiplications, or ``direct``, to the reference's last bits.
        max_pixels: a picture file with more is not decoded.
        num_threads: of TensorFlow; 0: one a core.
    """

    content: str
    styles: tuple[str, ...]
    output: str
    network: str
    masks: tuple[str, ...] = ()
    method: str = "gatys"
    mrf_rotations: tuple[float, ...] = (0.0,)
    mrf_scales: tuple[float, ...] = (1.0,)
    width: int | None = None
    style_scales: tuple[float, ...] = (1.0,)
    initial: str = ""
    noise_blend: float = 1.0
    weights: LossWeights = LossWeights()
    optimizer: OptimizerSpec = OptimizerSpec()
    iterations: int = 1000
    resolutions: int = 1
    pooling: str = "max"
    precision: str = "float32"
    convolutions: str = "winograd"
    seed: int = 0
    memory_mb: int = 4096
    tile_size: int = 0
    checkpoint_output: str = ""
    checkpoint_iterations: int = 0
    print_iterations: int = 0
    preserve_colors: bool = False
    luminance: bool = False
    metrics: str = ""
    max_pixels: int = 40_000_000
    num_threads: int = 0

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TransferTask:
        """Read what :meth:`to_json` gave."""
        values: dict[str, Any] = json.loads(text)
        weights, optimizer = LossWeights(**values.pop("weights")), OptimizerSpec(**values.pop("optimizer"))
        weights = dataclasses.replace(weights, style_layers=tuple(weights.style_layers), blend=tuple(weights.blend))
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(weights=weights, optimizer=optimizer, **{**values, **lists})
