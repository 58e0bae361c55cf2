"""Super-resolution as a job: pictures checked first, then enlarged in this process, which needs NumPy alone."""

import dataclasses
import time

import numpy as np
from numpy.typing import NDArray

from sparkcv import logs, storage
from sparkcv.config import SuperResolveConfig
from sparkcv.driver import picture_files
from sparkcv.errors import ImageError, UsageError
from sparkcv.style import picture_pixels, super_resolution
from sparkcv.style.super_resolution import SuperResolutionSpec

__all__ = ["SuperResolvePlan", "SuperResolveReport", "prepare", "run"]


@dataclasses.dataclass(frozen=True)
class SuperResolvePlan:
    """A picture that can be enlarged: pixels, uint8 ``[height, width, 3]``, its examples', and where it goes."""

    pixels: NDArray[np.uint8]
    examples: tuple[NDArray[np.uint8], ...]
    spec: SuperResolutionSpec
    output: str

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class SuperResolveReport:
    """What was made."""

    output: str
    width: int
    height: int
    num_patches: int
    elapsed_s: float

    def __str__(self) -> str:
        rows = [
            ("picture", f"{self.output}, {self.width}x{self.height} pixels"),
            ("examples", f"{self.num_patches} patches"),
            ("took", logs.duration(self.elapsed_s)),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)


def prepare(config: SuperResolveConfig) -> SuperResolvePlan:
    """Check flags and pictures.

    Raises:
        UsageError: an output that cannot be, or too little memory.
        ImageError: a picture is none, an example is smaller than a patch and what is seen around it, or the output
            larger than its format can be.
        MissingFileError, FileExistsAlreadyError: what is to be there or not.
    """
    url = picture_files.found(config.input, "input")
    urls = [picture_files.found(given, "examples") for given in config.examples]
    output = picture_files.writable(config.output, [url, *urls], overwrite=config.overwrite)
    spec = SuperResolutionSpec(
        **{field.name: getattr(config, field.name) for field in dataclasses.fields(SuperResolutionSpec)}
    )
    pixels = picture_files.pixels_of(url, "input", config.max_pixels)
    height, width = pixels.shape[:2]
    file_format = str(picture_pixels.format_of(storage.basename(output)))
    picture_pixels.check_sides(height * spec.scale, width * spec.scale, file_format)
    wanted_mb = super_resolution.used_bytes(height, width, spec) / 1e6
    if wanted_mb > config.memory_mb:
        raise UsageError(
            f"--memory_mb {config.memory_mb}: a picture of {width}x{height} pixels, {spec.scale} times as large, wants"
            f" {wanted_mb:.0f}; wanted that much, fewer --candidates or a smaller --max_patches"
        )
    least = super_resolution.least_side(spec)
    examples = []
    for example in urls:
        examples.append(picture_files.pixels_of(example, "examples", config.max_pixels))
        if min(examples[-1].shape[:2]) < least:
            high, wide = examples[-1].shape[:2]
            raise ImageError(f"--examples: {example!r} is {wide}x{high} pixels, wanted sides of at least {least}")
    return SuperResolvePlan(pixels, tuple(examples), spec, output)


def run(spark: None, plan: SuperResolvePlan) -> SuperResolveReport:
    """Enlarge the picture and write it."""
    del spark
    started_s = time.monotonic()
    examples = super_resolution.example_patches(plan.examples, plan.spec)
    made = super_resolution.enlarged(plan.pixels, examples, plan.spec)
    picture_files.write(plan.output, made)
    return SuperResolveReport(
        plan.output, made.shape[1], made.shape[0], len(examples.seen), time.monotonic() - started_s
    )
