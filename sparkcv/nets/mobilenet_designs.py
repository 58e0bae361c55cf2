"""The layers of MobileNet v2, v3 and EdgeTPU, as tables."""

from typing import NamedTuple

__all__ = ["Block", "Convolution", "DESIGNS", "Design", "Pool", "rounded"]


class Convolution(NamedTuple):
    """A convolution; ``activation`` None is the design's. One that ``keeps_width`` has its filters at any width."""

    filters: int
    kernel: int = 1
    stride: int = 1
    activation: str | None = None
    normalised: bool = True
    keeps_width: bool = False
    scope: str = "Conv"


class Block(NamedTuple):
    """Expand by a factor, convolve each channel with ``kernel``, project to ``filters``.

    ``squeezes`` gates the channels before the projection; a ``fused`` block convolves all channels where it expands.
    """

    expansion: float
    filters: int
    kernel: int = 3
    stride: int = 1
    activation: str | None = None
    squeezes: bool = False
    fused: bool = False
    residual: bool = True
    scope: str = "expanded_conv"


class Pool(NamedTuple):
    """The mean of the whole area."""

    scope: str = "AvgPool2D"


class Design(NamedTuple):
    """One net: the scope of its variables, its layers, and the ``width`` that multiplies all numbers of filters."""

    scope: str
    layers: tuple[Convolution | Block | Pool, ...]
    activation: str = "relu"
    width: float = 1.0


def rounded(filters: float) -> int:
    """Return the multiple of 8 nearest to ``filters`` that is at least nine tenths of it, and no 0."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest


def _v2(width: float) -> Design:
    blocks = [Block(1, 16)]
    for filters, stride, times in (
        (24, 2, 2),
        (32, 2, 3),
        (64, 2, 4),
        (96, 1, 3),
        (160, 2, 3),
        (320, 1, 1),
    ):
        blocks += [Block(6, filters, stride=stride)] + [Block(6, filters)] * (times - 1)
    # Published narrow nets keep their last layer's features.
    last = Convolution(1280, keeps_width=width < 1)
    return Design("MobilenetV2", (Convolution(32, 3, 2), *blocks, last), "relu6", width)


# Expansion, filters, kernel, stride, whether the block squeezes, and whether it is of the later ones with hard swish.
_V3_LARGE = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    (3, 40, 5, 1, True, False),
    (3, 40, 5, 1, True, False),
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    (184 / 80, 80, 3, 1, False, True),
    (184 / 80, 80, 3, 1, False, True),
    (6, 112, 3, 1, True, True),
    (6, 112, 3, 1, True, True),
    (6, 160, 5, 2, True, True),
    (6, 160, 5, 1, True, True),
    (6, 160, 5, 1, True, True),
)
_V3_SMALL = (
    (1, 16, 3, 2, True, False),
    (72 / 16, 24, 3, 2, False, False),
    (88 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    (6, 40, 5, 1, True, True),
    (6, 40, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (6, 96, 5, 2, True, True),
    (6, 96, 5, 1, True, True),
    (6, 96, 5, 1, True, True),
)


def _v3(rows: tuple[tuple[float, int, int, int, bool, bool], ...], last: int, features: int, minimal: bool) -> Design:
    """Return a design of v3; a minimal one has no gates, no hard swish, and no kernel but 3x3."""
    swish = None if minimal else "hard_swish"
    blocks = [
        Block(expansion, filters, 3 if minimal else kernel, stride, swish if late else None, squeezes and not minimal)
        for expansion, filters, kernel, stride, squeezes, late in rows
    ]
    ends = (
        Convolution(last, activation=swish),
        Pool(),
        Convolution(features, activation=swish, normalised=False),
    )
    return Design("MobilenetV3", (Convolution(16, 3, 2, swish), *blocks, *ends))


def _edge_tpu(width: float) -> Design:
    """Return a design for a chip that convolves all channels together faster than each by itself."""
    rows: list[Block] = [Block(1, 16, fused=True)]
    for filters, kernel, times, fused in ((32, 3, 4, True), (48, 3, 4, True), (96, 3, 4, False)):
        rows += [Block(8, filters, kernel, 2, fused=fused)] + [Block(4, filters, kernel, fused=fused)] * (times - 1)
    rows += [Block(8, 96, residual=False)] + [Block(4, 96)] * 3
    rows += [Block(8, 160, 5, 2)] + [Block(4, 160, 5)] * 3
    rows += [Block(8, 192)]
    last = Convolution(1280, keeps_width=width < 1)
    return Design("MobilenetEdgeTPU", (Convolution(32, 3, 2), *rows, last), width=width)


DESIGNS = {
    "mobilenet_v2": _v2(1.0),
    "mobilenet_v2_140": _v2(1.4),
    "mobilenet_v2_035": _v2(0.35),
    "mobilenet_v3_large": _v3(_V3_LARGE, 960, 1280, minimal=False),
    "mobilenet_v3_small": _v3(_V3_SMALL, 576, 1024, minimal=False),
    "mobilenet_v3_large_minimalistic": _v3(_V3_LARGE, 960, 1280, minimal=True),
    "mobilenet_v3_small_minimalistic": _v3(_V3_SMALL, 576, 1024, minimal=True),
    "mobilenet_edgetpu": _edge_tpu(1.0),
    "mobilenet_edgetpu_075": _edge_tpu(0.75),
}
