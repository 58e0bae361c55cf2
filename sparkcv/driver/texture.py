"""Texture synthesis as a job: the sample checked first, then grown in this process, which needs NumPy alone."""

import dataclasses
import time

import numpy as np
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.config import TextureConfig
from sparkcv.driver import picture_files
from sparkcv.errors import ImageError, UsageError
from sparkcv.style import texture
from sparkcv.style.texture import TextureSpec

__all__ = ["TexturePlan", "TextureReport", "prepare", "run"]


@dataclasses.dataclass(frozen=True)
class TexturePlan:
    """A texture that can be grown: the sample's pixels, uint8 ``[height, width, 3]``, and where the texture goes."""

    sample: NDArray[np.uint8]
    spec: TextureSpec
    output: str

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class TextureReport:
    """What was made."""

    output: str
    width: int
    height: int
    elapsed_s: float

    def __str__(self) -> str:
        size = f"{self.width}x{self.height} pixels"
        return f"texture      {self.output}, {size}\ntook         {logs.duration(self.elapsed_s)}"


def prepare(config: TextureConfig) -> TexturePlan:
    """Check flags and the sample.

    Raises:
        UsageError: an output that cannot be, a texture smaller than the sample that it continues, too little memory.
        ImageError: the sample is no picture, or smaller than the window.
        MissingFileError, FileExistsAlreadyError: what is to be there or not.
    """
    url = picture_files.found(config.input, "input")
    output = picture_files.writable(config.output, [url], overwrite=config.overwrite)
    sample = picture_files.pixels_of(url, "input", config.max_pixels)
    height, width = sample.shape[:2]
    if min(height, width) < config.window:
        raise ImageError(
            f"--input: {url!r} is {width}x{height} pixels, wanted sides of at least {config.window}, those of --window"
        )
    if config.start == "sample" and (height > config.height or width > config.width):
        raise UsageError(
            f"--start sample: {url!r} is {width}x{height} pixels, wanted no more than the texture's"
            f" {config.width}x{config.height}"
        )
    wanted_mb = texture.table_bytes(height, width, config.window) / 1e6
    if wanted_mb > config.memory_mb:
        raise UsageError(
            f"--memory_mb {config.memory_mb}: the windows of a sample of {width}x{height} pixels take {wanted_mb:.0f},"
            " wanted that much, a smaller --window or a smaller sample"
        )
    spec = TextureSpec(config.height, config.width, config.window, config.error_threshold, config.start, config.seed)
    return TexturePlan(sample, spec, output)


def run(spark: None, plan: TexturePlan) -> TextureReport:
    """Grow the texture and write it."""
    del spark
    started_s = time.monotonic()
    picture_files.write(plan.output, texture.grow(plan.sample, plan.spec))
    return TextureReport(plan.output, plan.spec.width, plan.spec.height, time.monotonic() - started_s)
