"""The flags of style transfer by optimization: those of anishathalye/neural-style by their names, then ours.

A name may be typed with hyphens, as there, or with underscores, as everywhere here.
"""

import dataclasses
import re

from sparkcv.config import spark_flags
from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.config.port_range import PortRange
from sparkcv.config.stylize import WRITTEN
from sparkcv.errors import UsageError

__all__ = ["StyleTransferConfig", "checkpoint_name"]

_PICTURES, _LOSS, _STEPS, _COST, _FOLDER = "pictures", "loss", "steps", "cost", "a folder of pictures"
_MOST_WEIGHT = 1e30  # a loss is a float32, which ends at 3e38
_MOST_BETA = 0.9999999  # of what is nearer to 1 a float32 makes 1: no step would change anything
_BRACES = re.compile(r"\{(:[^{}]*)?\}")
_PERCENT = re.compile(r"%0?\d*[ds]")


def checkpoint_name(pattern: str, iteration: int) -> str:
    """Return the name of a picture on the way: the number stands at ``{}``, ``{:05}``, ``%s``, ``%d`` or ``%05d``.

    Raises UsageError for a pattern that has no such place, or more than one.
    """
    places = [found for form in (_BRACES, _PERCENT) for found in form.finditer(pattern)]
    try:
        if len(places) == 1:
            place = places[0].group()
            number = place.format(iteration) if place.startswith("{") else place % iteration
            return pattern[: places[0].start()] + number + pattern[places[0].end() :]
    except ValueError:
        pass
    raise UsageError(
        f"--checkpoint_output: got {pattern!r}, wanted one place for the number, as in out_{{:05}}.jpg or out_%05d.jpg"
    )


@dataclasses.dataclass(frozen=True)
class StyleTransferConfig(Flags):
    """Make a picture with the content of one and the style of others, by optimization (Gatys et al. 2015)."""

    content: str = flag(
        None,
        "the picture whose content is kept, or a folder of pictures, each to be made",
        group=_PICTURES,
        required=True,
    )
    styles: tuple[str, ...] = flag(None, "one or more pictures whose style is taken", group=_PICTURES, required=True)
    output: str = flag(
        None,
        "the picture to make: .jpg, .png or .webp; or the folder of a folder's pictures",
        group=_PICTURES,
        required=True,
    )
    network: str = flag(
        "imagenet-vgg-verydeep-19.mat",
        "VGG-19's weights: MatConvNet's .mat, an .npz, or a slim checkpoint",
        group=_PICTURES,
        required=True,
    )
    overwrite: bool = flag(False, "replace an output that is there", group=_PICTURES)
    checkpoint_output: str = flag(
        "", "name of pictures on the way, with a place for the number: out_{:05}.jpg or out_%s.jpg", group=_PICTURES
    )
    checkpoint_iterations: int | None = flag(None, "steps between two of them", group=_PICTURES, least=1)
    report_dir: str = flag(
        "", "folder for metrics.jsonl and report.html; not set: the output's name with .report", group=_PICTURES
    )
    width: int | None = flag(None, "width of the output in pixels; not set: the content's", group=_PICTURES, least=16)
    style_scales: tuple[float, ...] | None = flag(
        None, "width of each style over the output's; not set: 1", group=_PICTURES
    )
    masks: tuple[str, ...] | None = flag(
        None, "a grey picture for each style, white where the style is wanted", group=_PICTURES
    )
    initial: str = flag("", "the picture to begin with; not set: noise, of mrf the content", group=_PICTURES)
    initial_noiseblend: float | None = flag(
        None, "share of noise in the first picture; not set: 1, with --initial or of mrf 0", group=_PICTURES, share=True
    )
    preserve_colors: bool = flag(
        False, "take brightness alone from what was made, colours from the content", group=_PICTURES
    )
    luminance: bool = flag(
        False,
        "see brightness alone, the styles' matched to the content's, and keep the content's colours",
        group=_PICTURES,
    )
    max_pixels: int = flag(40_000_000, "pixels above which a picture is not decoded", group=_PICTURES, least=1)

    method: str = flag(
        "gatys",
        "what a style is: Gram matrices (gatys), or patches, each pulled to the most alike of the style (mrf)",
        group=_LOSS,
        choices=("gatys", "mrf"),
    )
    mrf_rotations: tuple[float, ...] | None = flag(
        None, "degrees by which the styles are turned for more patches; not set: 0 alone", group=_LOSS
    )
    mrf_scales: tuple[float, ...] | None = flag(
        None, "factors by which the styles are scaled for more patches; not set: 1 alone", group=_LOSS
    )
    defaults: str = flag(
        "today",
        "whose defaults: today's, or those of 2016 (style weight 100, style layers added up, not averaged)",
        group=_LOSS,
        choices=("today", "2016"),
    )
    content_weight: float = flag(5.0, "weight of the content", group=_LOSS, least=0, most=_MOST_WEIGHT)
    content_weight_blend: float = flag(1.0, "share of relu4_2 in it; the rest is relu5_2's", group=_LOSS, share=True)
    style_weight: float | None = flag(
        None, "weight of the styles; not set: 500, of 2016 100, of mrf 20", group=_LOSS, least=0, most=_MOST_WEIGHT
    )
    style_layer_weight_exp: float = flag(
        1.0, "weight of a style layer over that of the one before", group=_LOSS, above=0, most=_MOST_WEIGHT
    )
    style_blend_weights: tuple[float, ...] | None = flag(
        None, "weight of each style, of which their sum is made 1; not set: equal", group=_LOSS
    )
    tv_weight: float | None = flag(
        None,
        "weight of the differences of neighbouring pixels; not set: 100, of mrf 2",
        group=_LOSS,
        least=0,
        most=_MOST_WEIGHT,
    )
    pooling: str = flag("max", "VGG-19's pooling", group=_LOSS, choices=("max", "avg"))

    iterations: int = flag(1000, "steps, over all resolutions", group=_STEPS, least=1)
    print_iterations: int | None = flag(None, "steps between two lines of losses; not set: none", group=_STEPS, least=1)
    optimizer: str | None = flag(
        None, "what changes the picture; not set: adam, of mrf lbfgs", group=_STEPS, choices=("adam", "lbfgs")
    )
    learning_rate: float = flag(10.0, "Adam's rate, in levels of 0 to 255", group=_STEPS, above=0)
    beta1: float = flag(0.9, "Adam's beta1", group=_STEPS, least=0, most=_MOST_BETA)
    beta2: float = flag(0.999, "Adam's beta2", group=_STEPS, least=0, most=_MOST_BETA)
    eps: float = flag(1e-8, "Adam's epsilon", group=_STEPS, above=0)
    resolutions: int | None = flag(
        None,
        "how many sizes, each twice the one before; they share the steps; not set: 1, of mrf 3",
        group=_STEPS,
        least=1,
        most=8,
    )
    seed: int = flag(0, "of the noise", group=_STEPS, least=0, most=MOST_SEED)

    memory_mb: int = flag(4096, "memory of the process; what does not fit is done in tiles", group=_COST, least=1)
    tile_size: int = flag(
        0, "side of a tile in pixels, rounded down to a multiple of 16; 0: by --memory_mb", group=_COST, least=0
    )
    precision: str = flag(
        "float32",
        "of the convolutions; bfloat16 is coarser, and faster where the CPU has it",
        group=_COST,
        choices=("float32", "bfloat16"),
    )
    convolutions: str = flag(
        "winograd",
        "how they are computed in float32: with fewer multiplications, or directly, in the reference's last bits",
        group=_COST,
        choices=("winograd", "direct"),
    )
    num_threads: int = flag(0, "TensorFlow's threads; 0: one a core", group=_COST, least=0)

    format: str | None = flag(
        None,
        "what is written; not set: each picture's own by its name, png where that is not written",
        group=_FOLDER,
        choices=WRITTEN,
    )
    bad_image_budget: float = flag(
        0.5,
        "share of rejects above which the run fails; without any picture it always does",
        group=_FOLDER,
        share=True,
    )
    num_partitions: int | None = spark_flags.num_partitions(_FOLDER)
    cluster_size: int | None = spark_flags.cluster_size(_FOLDER)
    executor_memory_mb: int = spark_flags.stage_memory_mb(_FOLDER)
    port_range: str | None = spark_flags.port_range(_FOLDER)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        for name in ("style_scales", "style_blend_weights", "masks"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.styles):
                raise UsageError(
                    f"--{name}: got {len(given)} for {len(self.styles)} styles, wanted as many as --styles"
                )
        for name in ("style_scales", "style_blend_weights"):
            for value in getattr(self, name) or ():
                if not 0 <= value <= _MOST_WEIGHT or (name == "style_scales" and value == 0):
                    wanted = "above 0" if name == "style_scales" else "of at least 0"
                    most = f" and at most {_MOST_WEIGHT:g}" if value > _MOST_WEIGHT else ""
                    raise UsageError(f"--{name}: got {value:g}, wanted finite numbers {wanted}{most}")
        if self.style_blend_weights is not None and not any(self.style_blend_weights):
            raise UsageError("--style_blend_weights: got only zeros, wanted one above 0")
        if self.content_weight == self.style_weight == self.tv_weight == 0:
            raise UsageError("--content_weight, --style_weight and --tv_weight are all 0; wanted one above it")
        if bool(self.checkpoint_output) != (self.checkpoint_iterations is not None):
            raise UsageError("--checkpoint_output and --checkpoint_iterations go together, only one of them is given")
        if self.checkpoint_output:
            checkpoint_name(self.checkpoint_output, 1)
        if 0 < self.tile_size < 16:
            raise UsageError(f"--tile_size: got {self.tile_size}, wanted 0 or at least 16")
        if self.num_resolutions > self.iterations:
            raise UsageError(
                f"--resolutions {self.num_resolutions} --iterations {self.iterations}: wanted a step each at least"
            )
        self._check_method()

    @property
    def num_resolutions(self) -> int:
        """How many sizes there are, where none is given that many which the method is best with."""
        return self.resolutions or (3 if self.method == "mrf" else 1)

    def _check_method(self) -> None:
        """Refuse what the other method has."""
        if self.method == "gatys":
            for name in ("mrf_rotations", "mrf_scales"):
                if getattr(self, name) is not None:
                    raise UsageError(f"--{name} is for --method mrf, got --method gatys")
            return
        given = {
            "masks": self.masks,
            "style_blend_weights": self.style_blend_weights,
            "tile_size": self.tile_size,
            "defaults 2016": self.defaults == "2016",
        }
        for name, value in given.items():
            if value:
                raise UsageError(f"--{name} is for --method gatys, got --method mrf")
        for angle in self.mrf_rotations or ():
            if not -180 <= angle <= 180:
                raise UsageError(f"--mrf_rotations: got {angle:g}, wanted degrees of -180 to 180")
        for scale in self.mrf_scales or ():
            if not 0 < scale <= 4:
                raise UsageError(f"--mrf_scales: got {scale:g}, wanted above 0 and at most 4")
