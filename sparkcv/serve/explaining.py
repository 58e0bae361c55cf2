"""Why a model says what it says: the picture as the net got it, and a map of what mattered, as PNGs for the page."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv.predict.occlusion import occlusion_map
from sparkcv.predict.predictor import Predictor, Reject
from sparkcv.serve.errors import RequestError

__all__ = ["explain", "shown"]

_SIDE = 320
_VGG_MEAN_RGB = (123.68, 116.78, 103.94)


def explain(
    predictor: Predictor,
    score: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    picture: bytes,
    label_id: int | None,
) -> dict[str, Any]:
    """Return ``seen`` and ``map``, PNGs of one size, ``map_kind`` and ``label_id`` (of the best class, unless given).

    ``score`` gives the probabilities of pixels. Raises RequestError (400) for a picture that cannot be used, or a class
    that the model has not.
    """
    (pixels,) = predictor.decode([picture])
    if isinstance(pixels, Reject):
        raise RequestError(400, pixels.reason)
    if label_id is None:
        label_id = int(score(pixels[None])[0].argmax())
    if not 0 <= label_id < len(predictor.names):
        raise RequestError(400, f"class {label_id} is not one of the model's {len(predictor.names)}")
    seen = shown(pixels, predictor.manifest.preprocessing).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    heat, kind = None, "class-activation map"
    if predictor.engine.name == "tf":
        from sparkcv.predict.engines.activation_map import class_activation_map
        from sparkcv.predict.engines.tf import TFEngine

        assert isinstance(predictor.net, TFEngine)  # noqa: S101 - for the type checker
        heat = class_activation_map(predictor.net, pixels, label_id)
    if heat is None:
        heat, kind = occlusion_map(score, pixels, label_id), "occlusion map"
    return {
        "seen": _png(seen),
        "map": _png(_over(seen, heat)),
        "map_kind": kind,
        "label_id": label_id,
    }


def shown(pixels: NDArray[np.float32], preprocessing: str) -> Image.Image:
    """Return what a net gets as a picture that a person can see.

    Values of Inception's range [-1, 1] and of VGG's, less the mean, are turned back; others are stretched from their
    least to their greatest.
    """
    values = pixels.astype(np.float32)
    if preprocessing.startswith(("vgg", "resnet", "alexnet", "overfeat")) and values.shape[-1] == 3:
        levels = values + np.asarray(_VGG_MEAN_RGB, np.float32)
    elif values.min() >= -1 and values.max() <= 1:
        levels = (values + 1) * 127.5
    else:
        span = float(values.max() - values.min())
        levels = (values - values.min()) * (255 / span if span else 0)
    grey_or_color = levels.clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(grey_or_color[..., 0] if grey_or_color.shape[-1] == 1 else grey_or_color).convert("RGB")


def _over(seen: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Return the picture, dark and grey where little mattered, as it is where much did, with a warm glow."""
    mask = Image.fromarray((heat * 255).astype(np.uint8)).resize(seen.size, Image.Resampling.BICUBIC)
    dim = Image.blend(seen.convert("L").convert("RGB"), Image.new("RGB", seen.size, (16, 18, 28)), 0.55)
    glow = Image.blend(seen, Image.new("RGB", seen.size, (255, 120, 0)), 0.18)
    return Image.composite(glow, dim, mask)


def _png(picture: Image.Image) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, "PNG", compress_level=3)
    return sink.getvalue()
