"""The registry of networks: which there are, at what picture sizes they work, and how to build one by name.

It is data: listing and checking names works without TensorFlow, because the driver does both. TensorFlow and TF-Slim
are imported when a net is built.
"""

import importlib
from dataclasses import dataclass, replace
from typing import Any

from sparkcv.errors import UsageError, nearest
from sparkcv.imports import uncollected
from sparkcv.logs import get as get_logger
from sparkcv.nets.options import BatchNorm, Options

__all__ = ["BatchNorm", "Net", "get", "names", "refuse_quantization"]

_NO_BATCH_NORM = BatchNorm(decay=0.0, epsilon=0.0)


@dataclass(frozen=True)
class Net:
    """One network: ``[batch, size, size, channels]`` float32 pictures in, ``[batch, num_classes]`` float32 logits out.

    Sizes are sides of square pictures in pixels. ``max_image_size`` is None where any larger picture works; the
    others have a final pooling or a fully connected layer of a fixed extent. ``weight_decay`` and ``batch_norm`` are
    the defaults of slim's arg scope for the net; ``batch_norm`` None has no batch normalisation.
    """

    name: str
    family: str
    default_image_size: int
    min_image_size: int
    max_image_size: int | None
    preprocessing: str
    weight_decay: float = 0.00004
    batch_norm: BatchNorm | None = None
    has_aux: bool = False

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
        num_classes: int | None,
        is_training: bool,
        weight_decay: float | None = None,
        batch_norm_decay: float | None = None,
        reuse: bool | None = None,
        global_pool: bool = False,
    ) -> tuple[Any, dict[str, Any]]:
        """Add the net to the default graph; return ``(logits, end_points)``.

        ``images`` is float32 ``[batch, size, size, channels]`` with static size and channels; logits are float32
        ``[batch, num_classes]``. With ``num_classes`` None or 0 the last layer is left off, and its input is returned
        in place of logits: ``[batch, features]`` or ``[batch, 1, 1, features]``, as in slim. ``weight_decay`` and
        ``batch_norm_decay`` None are the net's own. ``global_pool`` has a net with a final pool of a fixed extent
        average over whatever area is left, so that it takes pictures of any larger size.

        ``end_points`` has slim's names. With classes it also holds ``Logits`` and ``Predictions`` (probabilities),
        and in training ``AuxLogits`` if the net ``has_aux``. Update operations of batch normalisation go to
        ``UPDATE_OPS``, weight decay to ``REGULARIZATION_LOSSES``. Raises UsageError for a size or class count that
        cannot work.
        """
        if num_classes and num_classes < 2:
            raise UsageError(f"{self.name} was asked for {num_classes} classes; a classifier needs at least 2")
        _, height, width, _ = images.shape.as_list()
        if height != width or height is None:
            raise UsageError(f"{self.name} wants square pictures of a fixed size, got {height} x {width}")
        (replace(self, max_image_size=None) if global_pool else self).check_image_size(height)
        if batch_norm_decay is not None and self.batch_norm is None:
            get_logger(__name__).info(
                "%s has no batch normalisation: batch_norm_decay %s is unused", self.name, batch_norm_decay
            )
        batch_norm = self.batch_norm or _NO_BATCH_NORM
        options = Options(
            self.name,
            num_classes or None,
            is_training,
            weight_decay=self.weight_decay if weight_decay is None else weight_decay,
            batch_norm=batch_norm if batch_norm_decay is None else replace(batch_norm, decay=batch_norm_decay),
            global_pool=global_pool,
            reuse=reuse,
        )
        family = importlib.import_module(f"{__name__}.{self.family}")
        slim = importlib.import_module(f"{__name__}.slim")
        with slim.quiet(), slim.quick(), uncollected():
            logits, end_points = family.build(images, options)
        return logits, end_points


def _early(name: str, default: int, least: int, most: int) -> Net:
    return Net(name, "convolutional", default, least, most, "vgg", weight_decay=0.0005)


def _resnet(name: str) -> Net:
    norm = BatchNorm(decay=0.997, epsilon=0.00001)
    return Net(name, "resnet", 224, 1, None, "vgg", weight_decay=0.0001, batch_norm=norm)


def _inception(name: str, family: str, default: int, least: int, most: int | None, has_aux: bool = False) -> Net:
    norm = BatchNorm(decay=0.9997, epsilon=0.001)
    return Net(name, family, default, least, most, "inception", batch_norm=norm, has_aux=has_aux)


def _mobilenet(name: str) -> Net:
    norm = BatchNorm(decay=0.997, epsilon=0.001)
    return Net(name, "mobilenet", 224, 1, None, "inception", batch_norm=norm)


def _nasnet(name: str, default: int, weight_decay: float) -> Net:
    # Below 19 pixels a last reduction has nothing to reduce, and the layers would not be those of any checkpoint.
    norm = BatchNorm(decay=0.9997, epsilon=0.001)
    return Net(name, "nasnet", default, 19, None, "inception", weight_decay, norm, has_aux=True)


_ALL = (
    Net("alexnet_flowers", "alexnet_flowers", 227, 1, None, "vgg", 0.001, BatchNorm(decay=0.9, epsilon=0.00001)),
    _early("alexnet_v2", 224, 195, 226),
    Net("charnet", "charnet", 64, 1, None, "charnet", weight_decay=0.0),
    Net("cifarnet", "cifarnet", 32, 4, None, "cifarnet", weight_decay=0.004),
    Net("gan_cls", "gan_cls", 64, 16, 128, "inception", 0.0, BatchNorm(decay=0.9, epsilon=0.00001)),
    _inception("inception_resnet_v2", "inception_v4", 299, 75, None, has_aux=True),
    _inception("inception_v1", "inception", 224, 193, 224),
    _inception("inception_v2", "inception", 224, 1, 256),
    _inception("inception_v3", "inception", 299, 75, 346, has_aux=True),
    _inception("inception_v4", "inception_v4", 299, 75, None, has_aux=True),
    Net("lenet", "lenet", 28, 4, None, "lenet", weight_decay=0.0),
    _mobilenet("mobilenet_edgetpu"),
    _mobilenet("mobilenet_edgetpu_075"),
    _inception("mobilenet_v1", "mobilenet_v1", 224, 1, 256),
    _inception("mobilenet_v1_025", "mobilenet_v1", 224, 1, 256),
    _inception("mobilenet_v1_050", "mobilenet_v1", 224, 1, 256),
    _inception("mobilenet_v1_075", "mobilenet_v1", 224, 1, 256),
    _mobilenet("mobilenet_v2"),
    _mobilenet("mobilenet_v2_035"),
    _mobilenet("mobilenet_v2_140"),
    _mobilenet("mobilenet_v3_large"),
    _mobilenet("mobilenet_v3_large_minimalistic"),
    _mobilenet("mobilenet_v3_small"),
    _mobilenet("mobilenet_v3_small_minimalistic"),
    Net("nasnet_cifar", "nasnet", 32, 3, None, "cifarnet", 0.0005, BatchNorm(0.9, 0.00001), has_aux=True),
    _nasnet("nasnet_large", 331, 0.00005),
    _nasnet("nasnet_mobile", 224, 0.00004),
    _early("overfeat", 231, 231, 262),
    _nasnet("pnasnet_large", 331, 0.00004),
    _nasnet("pnasnet_mobile", 224, 0.00004),
    *(_resnet(f"resnet_{version}_{depth}") for version in ("v1", "v2") for depth in (50, 101, 152, 200)),
    Net("scenenet", "scenenet", 64, 1, None, "inception", 0.0, BatchNorm(decay=0.9, epsilon=0.001)),
    _early("vgg_16", 224, 224, 255),
    _early("vgg_19", 224, 224, 255),
    _early("vgg_a", 224, 224, 255),
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
        hint = nearest(name, _NETS, shown="{!r}")
        raise UsageError(f"unknown network {name!r}{hint} (there are: {', '.join(names())})") from None


def refuse_quantization(flag: str, value: object) -> None:
    """Raise UsageError, always: ``flag=value`` asks for quantized training, which TensorFlow no longer has."""
    raise UsageError(
        f"--{flag}={value} asks for quantized training graphs, but tf.contrib.quantize, which slim made them with, "
        f"left TensorFlow with 2.0; leave --{flag} at its default"
    )
