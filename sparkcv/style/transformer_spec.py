"""The fast style transfer net as data: its layers in order, its variables, and what published checkpoints call them.

Johnson et al. 2016, https://arxiv.org/abs/1603.08155, with the instance normalization of Ulyanov et al.,
https://arxiv.org/abs/1607.08022. Nothing here imports TensorFlow: drivers look at weights too.
"""

from __future__ import annotations

import dataclasses

__all__ = ["LEAST_SIDE", "NetLayer", "PADDINGS", "SCOPE", "STRIDE", "TransformerSpec", "UPSAMPLES"]

SCOPE = "transformer"
STRIDE = 4
"""Pixels of the picture, along a side, for one of the residual blocks'."""
LEAST_SIDE = 16
"""Pixels: of anything smaller the residual blocks would see fewer than 4 x 4 values, and normalize them to noise."""
UPSAMPLES = ("resize", "transposed")
PADDINGS = ("reflect", "same")


@dataclasses.dataclass(frozen=True)
class NetLayer:
    """A convolution and the instance normalization behind it.

    ``scale`` is 2 where the picture's sides are doubled before or by the convolution; ``stride`` 2 halves them.
    ``starts_block`` and ``ends_block`` mark the two convolutions of a residual block.
    """

    name: str
    size: int
    num_in: int
    num_out: int
    stride: int = 1
    scale: int = 1
    relu: bool = True
    starts_block: bool = False
    ends_block: bool = False


@dataclasses.dataclass(frozen=True)
class TransformerSpec:
    """What a transformer net is built from.

    Attributes:
        upsample: ``transposed`` convolutions, as published, or ``resize`` by nearest neighbour and a convolution, which
            leaves no checkerboard (Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard).
        padding: ``reflect`` mirrors at the edges; ``same`` puts zeros there, as published.
        filters: channels of the first three convolutions.
        num_blocks: residual blocks.
        input_scale: what pixels of 0 to 255 are multiplied by.
    """

    upsample: str = "resize"
    padding: str = "reflect"
    filters: tuple[int, int, int] = (32, 64, 128)
    num_blocks: int = 5
    input_scale: float = 1.0 / 255.0

    @property
    def layers(self) -> tuple[NetLayer, ...]:
        """Return the layers in the order in which they are computed."""
        near, middle, far = self.filters
        first = [
            NetLayer("conv1", 9, 3, near),
            NetLayer("conv2", 3, near, middle, stride=2),
            NetLayer("conv3", 3, middle, far, stride=2),
        ]
        blocks = [
            layer
            for number in range(1, self.num_blocks + 1)
            for layer in (
                NetLayer(f"block{number}/conv1", 3, far, far, starts_block=True),
                NetLayer(f"block{number}/conv2", 3, far, far, relu=False, ends_block=True),
            )
        ]
        last = [
            NetLayer("up1", 3, far, middle, scale=2),
            NetLayer("up2", 3, middle, near, scale=2),
            NetLayer("conv4", 9, near, 3, relu=False),
        ]
        return (*first, *blocks, *last)

    def is_transposed(self, layer: NetLayer) -> bool:
        """Tell whether a layer is a transposed convolution."""
        return layer.scale == 2 and self.upsample == "transposed"

    def variables(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each variable by name, three a layer: weights, beta and gamma."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            channels = (layer.num_in, layer.num_out)
            pair = channels[::-1] if self.is_transposed(layer) else channels
            shapes[f"{SCOPE}/{layer.name}/weights"] = (layer.size, layer.size, *pair)
            shapes[f"{SCOPE}/{layer.name}/InstanceNorm/beta"] = (layer.num_out,)
            shapes[f"{SCOPE}/{layer.name}/InstanceNorm/gamma"] = (layer.num_out,)
        return shapes

    def published_names(self) -> dict[str, str]:
        """Return what published checkpoints call each variable: they are numbered in the order of creation."""
        return {name: f"Variable_{number}" if number else "Variable" for number, name in enumerate(self.variables())}
