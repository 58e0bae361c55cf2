"""The registry of networks: which there are, at what picture sizes they work, and how to build one by name.

It is data: listing and checking names works without TensorFlow, because the driver does both. TensorFlow and TF-Slim
are imported when a net is built.
"""

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

from sparkcv.errors import UsageError
from sparkcv.logs import get as get_logger

__all__ = ["Net", "get", "names", "refuse_quantization"]

_SLIM_WEIGHT_DECAY = 0.00004


@dataclass(frozen=True)
class Net:
    """One network: ``[batch, size, size, channels]`` float32 pictures in, ``[batch, num_classes]`` float32 logits out.

    Sizes are sides of square pictures in pixels. ``max_image_size`` is None where any larger picture works; the
    others have a final pooling or a fully connected layer of a fixed extent.
    """

    name: str
    family: str
    default_image_size: int
    min_image_size: int
    max_image_size: int | None
    preprocessing: str
    has_aux: bool = False
    has_batch_norm: bool = False

    def check_image_size(self, size: int) -> int:
        """Return ``size``; raises UsageError when the net cannot be built for pictures of that side."""
        too_large = self.max_image_size is not None and size > self.max_image_size
        if size < self.min_image_size or too_large:
            upper = "" if self.max_image_size is None else f" and at most {self.max_image_size}"
            raise UsageError(
                f"image size {size} does not fit {self.name}: it works at {self.min_image_size} pixels or more{upper} "
                f"(its default is {self.default_image_size})"
            )
        return size

    def build(
        self,
        images: Any,
        num_classes: int,
        is_training: bool,
        weight_decay: float = _SLIM_WEIGHT_DECAY,
        batch_norm_decay: float | None = None,
        reuse: bool | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Add the net to the default graph; return ``(logits, end_points)``.

        ``images`` is float32 ``[batch, size, size, channels]`` with static size and channels; logits are float32
        ``[batch, num_classes]``. ``batch_norm_decay`` None keeps slim's own (0.9997 for Inception, 0.997 for
        ResNet). ``end_points`` always holds ``Logits`` and ``Predictions`` (probabilities), and ``AuxLogits`` with
        ``has_aux``. Update operations of batch normalisation go to ``UPDATE_OPS``, weight decay to
        ``REGULARIZATION_LOSSES``. Raises UsageError for a size or class count that cannot work.
        """
        if num_classes < 2:
            raise UsageError(f"{self.name} was asked for {num_classes} classes; a classifier needs at least 2")
        _, height, width, _ = images.shape.as_list()
        if height != width or height is None:
            raise UsageError(f"{self.name} wants square pictures of a fixed size, got {height} x {width}")
        self.check_image_size(height)
        if batch_norm_decay is not None and not self.has_batch_norm:
            get_logger(__name__).info(
                "%s has no batch normalisation: batch_norm_decay %s is unused", self.name, batch_norm_decay
            )
        family = importlib.import_module(f"{__name__}.{self.family}")
        slim = importlib.import_module(f"{__name__}.slim")
        with slim.quiet(), slim.quick():
            logits, end_points = family.build(
                self.name,
                images,
                num_classes,
                is_training=is_training,
                weight_decay=weight_decay,
                batch_norm_decay=batch_norm_decay,
                reuse=reuse,
            )
        return logits, end_points


def _resnet(name: str) -> Net:
    return Net(name, "resnet", 224, 1, None, "vgg", has_batch_norm=True)


_ALL = (
    Net("alexnet_v2", "convolutional", 224, 195, 226, "vgg"),
    Net("cifarnet", "cifarnet", 32, 4, None, "cifarnet"),
    Net("inception_v1", "inception", 224, 193, 224, "inception", has_batch_norm=True),
    Net("inception_v2", "inception", 224, 1, 256, "inception", has_batch_norm=True),
    Net("inception_v3", "inception", 299, 75, 346, "inception", has_aux=True, has_batch_norm=True),
    Net("lenet", "lenet", 28, 4, None, "lenet"),
    Net("overfeat", "convolutional", 231, 231, 262, "vgg"),
    _resnet("resnet_v1_50"),
    _resnet("resnet_v1_101"),
    _resnet("resnet_v1_152"),
    _resnet("resnet_v2_50"),
    _resnet("resnet_v2_101"),
    _resnet("resnet_v2_152"),
    Net("vgg_16", "convolutional", 224, 224, 255, "vgg"),
    Net("vgg_19", "convolutional", 224, 224, 255, "vgg"),
    Net("vgg_a", "convolutional", 224, 224, 255, "vgg"),
)
_NETS = {net.name: net for net in _ALL}


def names() -> tuple[str, ...]:
    """Return the names of all networks, sorted."""
    return tuple(sorted(_NETS))


def get(name: str) -> Net:
    """Return the net called ``name`` (slim's names); raises UsageError that names the nearest when there is none."""
    try:
        return _NETS[name]
    except KeyError:
        near = difflib.get_close_matches(name, _NETS, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"unknown network {name!r}{hint} (there are: {', '.join(names())})") from None


def refuse_quantization(flag: str, value: object) -> None:
    """Raise UsageError, always: ``flag=value`` asks for quantized training, which TensorFlow no longer has."""
    raise UsageError(
        f"--{flag}={value} asks for quantized training graphs, but tf.contrib.quantize, which slim made them with, "
        f"left TensorFlow with 2.0; leave --{flag} at its default"
    )
