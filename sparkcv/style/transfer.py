"""Make one picture: read the pictures and VGG-19, optimize, keep the best, write it; in a process with TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv import logs, storage
from sparkcv.config.style_transfer import checkpoint_name
from sparkcv.errors import ImageError, ModelError, UsageError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style import colors, mrf_setup, optimizers, picture_pixels, tiles, vgg19_weights
from sparkcv.style.objective import FeatureNet, LossParts, Objective, Targets, content_values, style_grams
from sparkcv.style.task import LEAST_SIDE, STYLE_LAYERS, TransferTask

__all__ = ["TransferResult", "tile_size", "transfer"]

Floats = NDArray[np.float32]
Pixel = NDArray[np.float64]
NOISE = 0.256
_QUALITY = 95
_WHITE, _NOWHERE = (255, 255, 255), (0, 0, 0)  # what transparent pixels stand on; where a mask has none, none is wanted
_FIXED_BYTES = 900e6  # TensorFlow, and VGG-19 twice
_PIXEL_BYTES = 12 * 14 + 8 * 4  # of the whole picture: itself, gradient, optimizer, best, tiles' sum; content's values
_STYLE_BYTES = 16  # of a pixel of a style: whole levels, and those as float32
_LBFGS_BYTES = 24 * 26
_TILE_BYTES = 3500  # of a pixel of a tile: layers' values for the gradient, and what is computed between
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TransferResult:
    """What was made: size in pixels, the best picture's step and loss, the tile's side (0: none), the net.

    ``expected_s`` are the seconds that the iterations were to take, 0 where that was not asked beforehand, and
    ``spent_s`` those that they took.
    """

    width: int
    height: int
    iteration: int
    loss: float
    first_loss: float
    tile_size: int
    network: str
    expected_s: float = 0.0
    spent_s: float = 0.0


def transfer(task: TransferTask, widths: tuple[int, ...] = vgg19_weights.WIDTHS) -> TransferResult:
    """Do what ``task`` says; ``widths`` are those of VGG-19's blocks, smaller ones for tests.

    Raises:
        ImageError: a picture is none, or too large or too small.
        ModelError: the network is no VGG-19, or the loss is no number; the last good picture was written, if any.
    """
    content, styles, masks, initial = _pictures(task)  # first: what is none is told at once
    weights = vgg19_weights.load(task.network, widths)
    _log.info("VGG-19 of %s", weights)
    net = FeatureNet(weights, task.pooling, task.precision, task.convolutions)
    mean, network = weights.mean_pixel, str(weights)
    del weights  # of which the net takes what it needs
    record = _Record(task, mean)
    seen = content
    if task.luminance:
        seen = colors.gray(content)
        styles = [colors.matched(colors.gray(style), seen) for style in styles]
    least = mrf_setup.LEAST_SIDE if task.method == "mrf" else LEAST_SIDE

    def prepared(level: int) -> tuple[Floats, Any]:
        """Return the content as it is shown at a resolution, and the loss there."""
        height, width = (max(least, math.ceil(side / 2**level)) for side in content.shape[:2])
        shown = _resized(seen, height, width)
        return shown, _objective(net, task, (shown, styles, masks), mean, width / content.shape[1])

    expected_s, image = 0.0, None
    if task.method == "mrf":
        prepared = functools.cache(prepared)
        expected_s = mrf_setup.expected_s(task, prepared)
    begun_s = time.monotonic()
    try:
        for level in range(task.resolutions - 1, -1, -1):
            shown, record.objective = prepared(level)
            size = shown.shape[:2]
            image = _first(task, shown, initial, mean) if image is None else _enlarged(image, *size)
            record.begin(level, _resized(content, *size), tile_size(task, *size))
            optimizers.minimize(task.optimizer, record.evaluate, image, mrf_setup.steps_of(task, level), record.step)
            image = record.best_image()
    finally:
        record.save()
    spent_s = time.monotonic() - begun_s
    return dataclasses.replace(record.outcome(network), expected_s=expected_s, spent_s=spent_s)


def tile_size(task: TransferTask, height: int, width: int) -> int:
    """Return the side of the tiles in which the picture fits into the task's memory; 0 if it fits as a whole.

    Raises UsageError where not even the smallest tile does.
    """
    if task.tile_size:
        return task.tile_size // tiles.ALIGNMENT * tiles.ALIGNMENT
    own = _own_bytes(task)
    if task.method == "mrf":
        return 0  # its patches may lie anywhere; mrf_setup.check says whether they fit
    left = task.memory_mb * 1e6 - _FIXED_BYTES - height * width * own
    if left >= height * width * _TILE_BYTES:
        return 0
    around = tiles.halo([*STYLE_LAYERS, *task.weights.content_layers()])
    side = int(math.sqrt(max(0.0, left) / _TILE_BYTES)) - 2 * around
    if side < tiles.ALIGNMENT:
        least = (_FIXED_BYTES + height * width * own + (2 * around + tiles.ALIGNMENT) ** 2 * _TILE_BYTES) / 1e6
        raise UsageError(
            f"--memory_mb {task.memory_mb}: a picture of {width}x{height} pixels wants {least:.0f} at least"
        )
    return side // tiles.ALIGNMENT * tiles.ALIGNMENT


def _own_bytes(task: TransferTask) -> float:
    """Return the bytes that a pixel of the picture takes wherever it is looked at."""
    return _PIXEL_BYTES + (_LBFGS_BYTES if task.optimizer.name == "lbfgs" else 0) + 16 * len(task.masks)


class _Record:
    """Loss by loss: the best picture so far, the metrics, the pictures on the way."""

    def __init__(self, task: TransferTask, mean: Pixel) -> None:
        self._task, self._mean = task, mean
        self._content = np.zeros((0, 0, 3), np.float32)
        self._progress = logs.Progress("style", task.iterations, "iteration")
        self._started_s = time.monotonic()
        self.objective: Any = None
        self.metrics: list[dict[str, Any]] = []
        self._best: tuple[float, int, Floats] | None = None
        self._iteration, self._level, self._tile = 0, 0, 0
        self._parts = LossParts(0.0, 0.0, 0.0)

    def begin(self, level: int, shown: Floats, tile: int) -> None:
        """Begin a resolution, whose losses cannot be compared with those of another."""
        self._iteration = max(0, self._iteration - 1)  # the last picture of one resolution is the first of the next
        self._level, self._content, self._tile, self._best = level, shown, tile, None
        cut = f" in tiles of {tile}" if tile else ""
        _log.info("%dx%d pixels%s, from iteration %d", shown.shape[1], shown.shape[0], cut, self._iteration)

    def evaluate(self, image: Floats) -> tuple[float, Floats]:
        """Return loss and gradient, and keep the picture if it is the best."""
        parts, gradient = self.objective(image)
        self._parts = parts
        if not (math.isfinite(parts.total) and np.isfinite(gradient).all()):
            named = ", ".join(f"{name} {value:g}" for name, value in dataclasses.asdict(parts).items())
            kept = f"the best of iteration {self._best[1]} was written" if self._best else "nothing was written"
            raise ModelError(
                f"the loss or its gradient is no number at iteration {self._iteration} ({named}); {kept}; a smaller"
                " --learning_rate or smaller weights may help"
            )
        if self._best is None or parts.total < self._best[0]:
            self._best = (parts.total, self._iteration, image.copy())
        return parts.total, gradient

    def step(self) -> None:
        """Note the newest losses, and write what is due."""
        task, parts = self._task, self._parts
        told = {**dataclasses.asdict(parts), "total": parts.total}
        self.metrics.append(
            {"iteration": self._iteration, "resolution": self._level, **told, "elapsed_s": self._elapsed_s()}
        )
        number = self._iteration
        if task.print_iterations and number % task.print_iterations == 0:
            lines = " ".join(f"{name} {value:g}" for name, value in told.items())
            _log.info("iteration %d: %s", number, lines)
        if task.checkpoint_iterations and number and number % task.checkpoint_iterations == 0:
            self._write(checkpoint_name(task.checkpoint_output, number))
        self._progress.update(number, f"loss {parts.total:g}")
        self._iteration += 1

    def best_image(self) -> Floats:
        """Return the best picture of the resolution, mean pixel taken off."""
        if self._best is None:
            raise ModelError("the optimizer has looked at no picture")
        return self._best[2]

    def save(self) -> None:
        """Write the best picture and the metrics, if there is a picture."""
        self._progress.close()
        if self._best is not None:
            self._write(self._task.output)
            storage.write_text(self._task.metrics, "".join(json.dumps(line) + "\n" for line in self.metrics))

    def outcome(self, network: str) -> TransferResult:
        """Return what was made."""
        height, width = self.best_image().shape[:2]
        loss, iteration = self._best[:2] if self._best else (math.nan, 0)
        return TransferResult(width, height, iteration, loss, self.metrics[0]["total"], self._tile, network)

    def _write(self, url: str) -> None:
        pixels = colors.levels(colors.less(self.best_image(), -self._mean))
        if self._task.preserve_colors or self._task.luminance:
            pixels = colors.with_colors_of(pixels, colors.levels(self._content))
        file_format = picture_pixels.format_of(storage.basename(url))
        storage.write_bytes(url, picture_pixels.encode(pixels, str(file_format), _QUALITY))

    def _elapsed_s(self) -> float:
        return round(time.monotonic() - self._started_s, 3)


def _pictures(task: TransferTask) -> tuple[Floats, list[Floats], list[Floats], Floats | None]:
    """Return content, styles, masks and the picture to begin with, 0 to 255, each as wide as it is wanted."""
    content = _read(task, task.content, "--content")
    if task.width is not None:
        height = int(content.shape[0] / content.shape[1] * task.width)
        _check_size(task, "--width", (height, task.width), _own_bytes(task))
        content = _resized(content, height, task.width, task.content)
    height, width = content.shape[:2]
    on_the_way = [checkpoint_name(task.checkpoint_output, 0)] if task.checkpoint_output else []
    for url in (task.output, *on_the_way):  # not once hours were spent
        picture_pixels.check_sides(height, width, str(picture_pixels.format_of(storage.basename(url))))
    tile_size(task, height, width)  # raises here what the last resolution would, once the others are done
    styles = []
    for url, scale in zip(task.styles, task.style_scales, strict=True):
        style = _read(task, url, "--styles")
        factor = scale * width / style.shape[1]
        sides = int(style.shape[0] * factor), int(style.shape[1] * factor)
        _check_size(task, "--style_scales", sides, _STYLE_BYTES)
        styles.append(_resized(style, *sides, url))
    masks = []
    for url in task.masks:
        mask = np.rint(colors.gray(_read(task, url, "--masks", _NOWHERE)))
        if not mask.any():
            raise ImageError(f"--masks: {url!r} is black all over, wanted white where its style is wanted")
        masks.append(_resized(mask, height, width))
    if task.method == "mrf":
        mrf_setup.check(task, content, styles, _FIXED_BYTES + height * width * (_own_bytes(task) + _TILE_BYTES))
    initial = _resized(_read(task, task.initial, "--initial"), height, width) if task.initial else None
    return content, styles, masks, initial


def _check_size(task: TransferTask, name: str, sides: tuple[int, int], each: float) -> None:
    """Raise UsageError, before it is made, for a picture whose pixels of ``each`` bytes do not fit into the memory."""
    least_mb = sides[0] * sides[1] * each / 1e6
    if least_mb > task.memory_mb:
        raise UsageError(
            f"{name}: a picture of {sides[1]}x{sides[0]} pixels wants {least_mb:.0f} MB at least, --memory_mb is"
            f" {task.memory_mb}"
        )


def _read(task: TransferTask, url: str, name: str, background: tuple[int, int, int] = _WHITE) -> Floats:
    rules = PictureRules(task.max_pixels, background=background)
    try:
        pixels = picture_pixels.read(storage.read_bytes(url), rules, LEAST_SIDE)
    except ImageError as err:
        raise ImageError(f"{name}: {url!r} is rejected, {err}") from err
    return pixels.astype(np.float32)


def _resized(pixels: Floats, height: int, width: int, where: str = "") -> Floats:
    if pixels.shape[:2] == (height, width):
        return pixels
    if min(height, width) < LEAST_SIDE:
        raise ImageError(f"{where!r} becomes {width}x{height} pixels, wanted sides of at least {LEAST_SIDE}")
    return np.asarray(Image.fromarray(colors.levels(pixels)).resize((width, height))).astype(np.float32)


def _enlarged(image: Floats, height: int, width: int) -> Floats:
    channels = [Image.fromarray(image[..., channel]) for channel in range(3)]
    resized = [np.asarray(channel.resize((width, height), Image.Resampling.BICUBIC)) for channel in channels]
    return np.ascontiguousarray(np.stack(resized, axis=-1), np.float32)


def _first(task: TransferTask, content: Floats, initial: Floats | None, mean: Pixel) -> Floats:
    """Return the first picture: ``initial``, or the content, with its share of noise."""
    noise = np.random.default_rng(task.seed).standard_normal(content.shape, np.float32) * np.float32(NOISE)
    start = content if initial is None else _resized(initial, *content.shape[:2])
    share = np.float32(task.noise_blend)
    return colors.less(start, mean) * (1 - share) + noise * share


def _objective(
    net: FeatureNet,
    task: TransferTask,
    pictures: tuple[Floats, list[Floats], list[Floats]],
    mean: Pixel,
    factor: float,
) -> Any:
    """Return the loss at a resolution, whose width is ``factor`` of the output's; styles are scaled likewise."""
    content, styles, masks = pictures
    least = mrf_setup.LEAST_SIDE if task.method == "mrf" else LEAST_SIDE
    sizes = [[max(least, int(side * factor)) for side in style.shape[:2]] for style in styles]
    scaled = [_resized(style, height, width) for style, (height, width) in zip(styles, sizes, strict=True)]
    if task.method == "mrf":
        return mrf_setup.objective(net, task, content, scaled, mean)
    tile = tile_size(task, *content.shape[:2])
    grams = [style_grams(net, colors.less(style, mean), tile) for style in scaled]
    shown = [_resized(mask, *content.shape[:2])[..., :1] / np.float32(255) for mask in masks]
    targets = Targets(
        {layer: np.stack([gram[layer] for gram in grams]) for layer in STYLE_LAYERS},
        content_values(net, colors.less(content, mean), task.weights.content_layers(), tile),
        np.stack(shown) if shown else None,
    )
    return Objective(net, targets, task.weights, tile)
