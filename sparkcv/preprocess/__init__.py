"""The registry of preprocessings: how the bytes of one picture become the float tensor that a net was made for.

It is data: listing and checking names works without TensorFlow. Names are slim's: a family (``inception``) or a net
(``inception_v3``), whose family it then stands for.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from sparkcv.config.augment import NO_AUGMENTATIONS, Augmentations
from sparkcv.errors import UsageError, nearest
from sparkcv.preprocess.normalization import OWN_RANGE, Normalization

__all__ = ["EncodedPicture", "Preprocessing", "get", "names"]


# slim has no entry for alexnet_v2 and overfeat, both published with pictures prepared as VGG's are; nor for the narrow
# nets of MobileNet v1, which are prepared as the wide one's; nor for nasnet_cifar, which learned from CIFAR's.
_FAMILIES = {
    "charnet": ("charnet",),
    "cifarnet": ("cifarnet", "nasnet_cifar"),
    "inception": (
        "inception",
        "gan_cls",
        "inception_resnet_v2",
        "inception_v1",
        "inception_v2",
        "inception_v3",
        "inception_v4",
        "mobilenet_edgetpu",
        "mobilenet_edgetpu_075",
        "mobilenet_v1",
        "mobilenet_v1_025",
        "mobilenet_v1_050",
        "mobilenet_v1_075",
        "mobilenet_v2",
        "mobilenet_v2_035",
        "mobilenet_v2_140",
        "mobilenet_v3_large",
        "mobilenet_v3_large_minimalistic",
        "mobilenet_v3_small",
        "mobilenet_v3_small_minimalistic",
        "nasnet_large",
        "nasnet_mobile",
        "pnasnet_large",
        "pnasnet_mobile",
        "scenenet",
    ),
    "inception_square": ("inception_square",),
    "lenet": ("lenet",),
    "vgg": (
        "vgg",
        "vgg_16",
        "vgg_19",
        "vgg_a",
        "alexnet_flowers",
        "alexnet_v2",
        "overfeat",
        "resnet_v1_50",
        "resnet_v1_101",
        "resnet_v1_152",
        "resnet_v1_200",
        "resnet_v2_50",
        "resnet_v2_101",
        "resnet_v2_152",
        "resnet_v2_200",
    ),
}
_FAMILY_OF = {name: family for family, members in _FAMILIES.items() for name in members}


@dataclass(frozen=True)
class EncodedPicture:
    """One picture's bytes in a graph, with what else the decoder is told.

    Attributes:
        encoded: scalar string tensor.
        orientation: 1 to 8 as EXIF counts, a number or a scalar int64 tensor; 1 turns nothing.
        jpeg_arithmetic: one of :data:`sparkcv.config.pictures.JPEG_ARITHMETIC`.
        draw: two whole numbers, or int64 ``[2]``, by which augmentations are drawn: a run's seed, and which of its
            pictures this is.
        pixels: the upright picture, uint8 ``[height, width, 3]``, where it is decoded already; what is encoded is not
            looked at then.
    """

    encoded: Any
    orientation: Any = 1
    jpeg_arithmetic: str = "accurate"
    draw: Any = (0, 0)
    pixels: Any = None

    @classmethod
    def of(cls, picture: Any) -> "EncodedPicture":
        """Return the picture; a string tensor alone is one that stands upright."""
        return picture if isinstance(picture, cls) else cls(picture)


@dataclass(frozen=True)
class Preprocessing:
    """One family of preprocessing; both methods add operations to the default graph or ``tf.data`` function.

    ``own_range`` says in words what the output's values are, if they are not normalized in another way. ``cuts_window``
    is whether training cuts a window whose smallest area can be chosen. ``max_image_size`` is the largest side of the
    output, None for any. ``is_gray``: it is for nets of grey pictures, so that every job uses it with
    ``use_grayscale``. ``augmentations`` are drawn in training; ``normalization`` is applied on every path.
    """

    name: str
    own_range: str
    cuts_window: bool = False
    max_image_size: int | None = None
    is_gray: bool = False
    augmentations: Augmentations = NO_AUGMENTATIONS
    normalization: Normalization = OWN_RANGE

    @property
    def value_range(self) -> str:
        """Say in words what the output's values are, for model.json."""
        return self.normalization.value_range or self.own_range

    def augmented(self, augmentations: Augmentations) -> "Preprocessing":
        """Return the same with what training draws."""
        return dataclasses.replace(self, augmentations=augmentations)

    def normalized(self, normalization: Normalization) -> "Preprocessing":
        """Return the same with another normalization; raises DataError for statistics of another tensor's size."""
        return dataclasses.replace(self, normalization=normalization)

    def check_image_size(self, size: int) -> int:
        """Return ``size``; raises UsageError for a side that this family cannot produce."""
        if self.max_image_size is not None and size > self.max_image_size:
            raise UsageError(
                f"image size {size} does not fit the {self.name} preprocessing, which cuts squares out of pictures of "
                f"{self.max_image_size} pixels; wanted at most that, or --preprocessing_name inception"
            )
        return size

    def for_train(
        self,
        encoded: Any,
        size: int,
        *,
        use_grayscale: bool = False,
        seed: int | None = None,
        min_crop_area: float | None = None,
    ) -> Any:
        """Decode, distort at random and scale one picture.

        ``encoded`` is an EncodedPicture, or a scalar string tensor with the bytes of one. Returns float32
        ``[size, size, 3]``, or ``[size, size, 1]`` with ``use_grayscale``, as in slim. A fixed ``seed`` gives the same
        sequence of distortions to the same sequence of pictures when they are mapped one at a time. ``min_crop_area``
        is the smallest share of the picture that a random window keeps, for the families that cut one (None: slim's).
        Augmentations follow, drawn by the picture's own ``draw``. Raises UsageError for a size that cannot work.
        """
        self.check_image_size(size)
        window = {} if min_crop_area is None or not self.cuts_window else {"min_crop_area": min_crop_area}
        family, drawn = self._module(), self.augmentations
        if not drawn and self.normalization.is_own:
            return family.for_train(encoded, size, use_grayscale=use_grayscale, seed=seed, **window)
        if drawn.slim:
            pixels = family.train_pixels(encoded, size, seed=seed, **window)
        else:
            pixels = family.eval_pixels(encoded, size)
        return self._finished(family, pixels, use_grayscale, EncodedPicture.of(encoded).draw)

    def for_eval(self, encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
        """Decode, crop and scale one picture, the same way each time; shapes and errors as in ``for_train``."""
        self.check_image_size(size)
        family = self._module()
        if self.normalization.is_own:
            return family.for_eval(encoded, size, use_grayscale=use_grayscale)
        return self._finished(family, family.eval_pixels(encoded, size), use_grayscale)

    def unscaled(self, encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
        """Return what ``for_eval`` scales or normalizes: the same pixels in [0, 1]."""
        return self.normalized(Normalization("rescale")).for_eval(encoded, size, use_grayscale=use_grayscale)

    def _finished(self, family: Any, pixels: Any, use_grayscale: bool, draw: Any = None) -> Any:
        """Return a family's pixels augmented, if ``draw`` is given, and scaled or normalized."""
        from sparkcv.preprocess import augmentations, decode, normalize

        white = family.WHITE
        to_unit = 1.0 / white  # a division is rewritten where the graph is optimized: other last bits
        if draw is not None and self.augmentations.ranges:
            pixels = augmentations.distort(pixels * to_unit, self.augmentations, draw) * white
        if self.normalization.is_own:
            return family.scale(pixels, use_grayscale)
        pixels = pixels * to_unit
        return normalize.normalize(decode.to_gray(pixels) if use_grayscale else pixels, self.normalization)

    def _module(self) -> Any:
        # Here, because they import TensorFlow. An import statement, because tf.data's AutoGraph follows calls: it
        # would warn that it cannot read the source of importlib.
        from sparkcv.preprocess import charnet, cifarnet, inception, inception_square, lenet, vgg

        modules = {"charnet": charnet, "cifarnet": cifarnet, "inception": inception}
        modules |= {"inception_square": inception_square}
        return {**modules, "lenet": lenet, "vgg": vgg}[self.name]


_PREPROCESSINGS = {
    "charnet": Preprocessing("charnet", "[0, 1]: 0 is white, 1 is black", is_gray=True),
    "cifarnet": Preprocessing("cifarnet", "standardized: mean 0 and standard deviation 1 in each picture"),
    "inception": Preprocessing("inception", "[-1, 1]", cuts_window=True),
    "inception_square": Preprocessing("inception_square", "[-1, 1]", cuts_window=True),
    "lenet": Preprocessing("lenet", "[-1, 1)"),
    "vgg": Preprocessing(
        "vgg", "[-123.68, 151.06]: 0 to 255 less the mean of ImageNet's red, green and blue", max_image_size=256
    ),
}


def names() -> tuple[str, ...]:
    """Return all names that ``get`` knows, sorted."""
    return tuple(sorted(_FAMILY_OF))


def get(name: str) -> Preprocessing:
    """Return the preprocessing called ``name``, or that of the net; UsageError names the nearest if there is none."""
    try:
        return _PREPROCESSINGS[_FAMILY_OF[name]]
    except KeyError:
        hint = nearest(name, _FAMILY_OF, shown="{!r}")
        raise UsageError(f"unknown preprocessing {name!r}{hint} (there are: {', '.join(names())})") from None
