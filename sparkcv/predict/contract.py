"""``contract.json``: what a SavedModel of another program takes and gives, said by whoever made it.

It has the fields of ``model.json`` that a person knows, by the same names; see docs/serving.md. The SavedModel and
labels.txt beside it are described when it is read.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from sparkcv import preprocess
from sparkcv.config.pictures import JPEG_ARITHMETIC
from sparkcv.errors import ModelError, UsageError, nearest

__all__ = ["FILE_NAME", "NATIVE_RANGE", "VALUES", "parse_contract"]

FILE_NAME = "contract.json"
SCHEMA = 1
VALUES = ("probabilities", "logits")
NATIVE_RANGE = (-1.0, 1.0)
"""Of the pixels that the preprocessings of :data:`_SCALED` give, which ``range`` maps."""

_SCALED = ("inception", "inception_square", "lenet")
_FIELDS = (
    "schema", "model_name", "image_size", "num_classes", "preprocessing", "use_grayscale", "batch_size", "inputs",
    "outputs",
)  # fmt: skip
_MAX_CHARS = 200


def parse_contract(data: bytes, where: str) -> dict[str, Any]:
    """Return the fields, those that are not given filled in; ``num_classes`` is None where it is not given.

    Raises ModelError naming ``where``, the field, what it is and what was wanted.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise ModelError(f"{where!r} is not JSON: {err}") from err
    value, said = _object(value, where, "the file"), _Reader(where)
    said.refuse_others("", value, _FIELDS)
    said.choice("schema", value, (SCHEMA,), None)
    size = said.whole("image_size", value, wanted="the side of the input in pixels")
    family = said.preprocessing(value, size)
    inputs = said.inner("inputs", value, ("saved_model", "pictures"))
    taken = said.inner("inputs.saved_model", inputs, ("signature", "name", "range"))
    pictures = said.inner("inputs.pictures", inputs, ("jpeg_arithmetic",))
    outputs = said.inner("outputs", value, ("saved_model",))
    given = said.inner("outputs.saved_model", outputs, ("name", "values"))
    return {
        "model_name": said.text("model_name", value, "saved_model"),
        "image_size": size,
        "num_classes": said.whole("num_classes", value, None, wanted="the number of classes"),
        "preprocessing": family,
        "use_grayscale": said.choice("use_grayscale", value, (False, True), False),
        "batch_size": said.whole("batch_size", value, None, wanted="null for any, or the one that the net takes"),
        "inputs": {
            "saved_model": {
                "signature": said.text("inputs.saved_model.signature", taken, "serving_default"),
                "name": said.text("inputs.saved_model.name", taken, ""),
                "range": said.range("inputs.saved_model.range", taken, family),
            },
            "pictures": {
                "jpeg_arithmetic": said.choice("inputs.pictures.jpeg_arithmetic", pictures, JPEG_ARITHMETIC, "accurate")
            },
        },
        "outputs": {
            "saved_model": {
                "name": said.text("outputs.saved_model.name", given, ""),
                "values": said.choice("outputs.saved_model.values", given, VALUES, None),
            }
        },
    }


class _Reader:
    """Takes fields of one contract; ``where`` is its file. A field's default of None means that it must be there."""

    def __init__(self, where: str) -> None:
        self._where = where

    def inner(self, path: str, holder: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Return an object of fields; an empty one where it is not there."""
        value = _object(holder.get(_name(path), {}), self._where, path)
        self.refuse_others(path, value, names)
        return value

    def refuse_others(self, path: str, value: Mapping[str, Any], names: tuple[str, ...]) -> None:
        """Raise ModelError for a field that there is not."""
        for name in value:
            if name not in names:
                what = f"is no field of a contract{nearest(name, names, shown='{!r}')}"
                self._fail(f"{path}.{name}"[:_MAX_CHARS].lstrip("."), what, f"there are: {', '.join(names)}")

    def choice(self, path: str, holder: Mapping[str, Any], among: tuple[Any, ...], default: Any) -> Any:
        """Return a value that must be one of some."""
        value = holder.get(_name(path), default)
        if not any(value == one and type(value) is type(one) for one in among):
            self._wrong(path, holder, f"wanted {' or '.join(json.dumps(one) for one in among)}")
        return value

    def text(self, path: str, holder: Mapping[str, Any], default: str) -> str:
        """Return a short printable text."""
        value = holder.get(_name(path), default)
        if not isinstance(value, str) or len(value) > _MAX_CHARS or not value.isprintable():
            self._wrong(path, holder, f"wanted a text of at most {_MAX_CHARS} characters")
        return str(value)

    def whole(self, path: str, holder: Mapping[str, Any], default: int | None = 0, *, wanted: str) -> Any:
        """Return a positive number; None where that is the default."""
        value = holder.get(_name(path), default)
        if (value is not None or default is not None) and (type(value) is not int or not 1 <= value < 1 << 20):
            self._wrong(path, holder, f"wanted {wanted}")
        return value

    def preprocessing(self, holder: Mapping[str, Any], size: int) -> str:
        """Return the name of a family of preprocessing that gives pictures of ``size``."""
        name = holder.get("preprocessing")
        if not isinstance(name, str):
            self._wrong("preprocessing", holder, f"wanted one of {', '.join(preprocess.names())}")
        try:
            family = preprocess.get(str(name))
            family.check_image_size(size)
        except UsageError as err:
            raise ModelError(f"{self._where!r}: preprocessing: {err}") from err
        return family.name

    def range(self, path: str, holder: Mapping[str, Any], family: str) -> list[float] | None:
        """Return what black and white are to the net; None for what the preprocessing gives."""
        value = holder.get("range")
        if value is None:
            return None
        numbers = isinstance(value, list) and len(value) == 2 and all(type(one) in (int, float) for one in value)
        if not numbers or not all(abs(one) <= 1e6 and math.isfinite(one) for one in value) or not value[0] < value[1]:
            self._wrong(path, holder, "wanted two numbers such as [0, 255], for black and for white")
        if family not in _SCALED:
            self._fail(path, f"does not go with the preprocessing {family!r}", f"wanted one of {', '.join(_SCALED)}")
        return [float(one) for one in value]

    def _wrong(self, path: str, holder: Mapping[str, Any], wanted: str) -> None:
        name = _name(path)
        self._fail(path, f"is {json.dumps(holder[name])[:80]}" if name in holder else "is missing", wanted)

    def _fail(self, path: str, what: str, wanted: str) -> None:
        raise ModelError(f"{self._where!r}: {path} {what}; {wanted}")


def _object(value: Any, where: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{where!r}: {path} is {json.dumps(value)[:80]}; wanted an object of fields")
    return value


def _name(path: str) -> str:
    return path.rpartition(".")[2]
