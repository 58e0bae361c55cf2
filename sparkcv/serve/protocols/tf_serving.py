"""TensorFlow Serving's REST interface: predict in its row and column form, classify, status and metadata.

See https://www.tensorflow.org/tfx/serving/api_rest. A value ``{"b64": TEXT}`` is the bytes of a picture's file; nested
arrays of numbers are the net's pixels.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.serve.errors import RequestError
from sparkcv.serve.protocols.json_body import decoded_base64, is_numbers, parse_object, said
from sparkcv.serve.protocols.values import PICTURES, PIXELS, SCORES, Interface, ModelInput, pictures_input, tensor_input

__all__ = ["PredictRequest", "classify_response", "metadata", "parse_classify", "parse_predict", "predict_response"]

SIGNATURE = "serving_default"
_MAX_NUMBERS = 64 << 20  # of one tensor in JSON: far beyond what the limit of a body lets through


@dataclasses.dataclass(frozen=True)
class PredictRequest:
    """What was asked, and whether by columns, which the answer then has too."""

    given: ModelInput
    by_columns: bool


def parse_predict(body: bytes, interface: Interface) -> PredictRequest:
    """Read the body of ``:predict``; raises RequestError (400) with what was got and wanted."""
    value = parse_object(body)
    _check_signature(value)
    has_rows, has_columns = "instances" in value, "inputs" in value
    if has_rows == has_columns:
        both = "both" if has_rows else "neither"
        raise RequestError(400, f"the body has {both} of 'instances' and 'inputs', wanted one of them")
    if has_rows:
        rows = value["instances"]
        if not isinstance(rows, list) or not rows:
            raise RequestError(400, "'instances' must be an array of at least one instance")
        return PredictRequest(_of_rows(rows, "instances", interface), False)
    return PredictRequest(_of_columns(value["inputs"], interface), True)


def parse_classify(body: bytes, interface: Interface) -> ModelInput:
    """Read the body of ``:classify``, whose examples are objects of features; raises RequestError (400)."""
    value = parse_object(body)
    _check_signature(value)
    examples = value.get("examples")
    if not isinstance(examples, list) or not examples or not all(isinstance(one, dict) for one in examples):
        raise RequestError(400, '\'examples\' must be an array of objects, such as {"encoded": {"b64": "..."}}')
    context = value.get("context", {})
    if not isinstance(context, dict):
        raise RequestError(400, "'context' must be an object of features")
    rows = [{name: _alone(feature) for name, feature in {**context, **one}.items()} for one in examples]
    return _of_rows(rows, "examples", interface)


def predict_response(request: PredictRequest, scores: NDArray[np.float32]) -> dict[str, Any]:
    """Return the answer to ``:predict``: probabilities ``[batch][classes]``."""
    rows = [[float(number) for number in row] for row in scores]
    return {"outputs": rows} if request.by_columns else {"predictions": rows}


def classify_response(ranked: Sequence[Sequence[tuple[str, float]]]) -> dict[str, Any]:
    """Return the answer to ``:classify``: for each example ``[[label, score], ...]``, best first."""
    return {"results": [[[label, score] for label, score in row] for row in ranked]}


def metadata(name: str, version: int, interface: Interface) -> dict[str, Any]:
    """Return what ``/metadata`` says: the signature with its tensors."""

    def tensor(name: str, dtype: str, *sizes: int) -> dict[str, Any]:
        dims = [{"size": str(size), "name": ""} for size in (-1, *sizes)]
        return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": f"{name}:0"}

    side = interface.image_size
    signature = {
        "inputs": {
            PICTURES: tensor(PICTURES, "DT_STRING"),
            PIXELS: tensor(PIXELS, "DT_FLOAT", side, side, interface.channels),
        },
        "outputs": {SCORES: tensor(SCORES, "DT_FLOAT", len(interface.labels))},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _check_signature(value: dict[str, Any]) -> None:
    name = value.get("signature_name", SIGNATURE)
    if name not in (SIGNATURE, ""):
        raise RequestError(400, f"unknown signature {said(name)}, wanted {SIGNATURE!r}")


def _of_columns(value: Any, interface: Interface) -> ModelInput:
    if isinstance(value, dict) and "b64" not in value:
        if len(value) != 1:
            raise RequestError(
                400, f"'inputs' names {said(sorted(value)[:5])}, wanted one of {PICTURES!r} and {PIXELS!r}"
            )
        ((name, value),) = value.items()
        _check_name(name, "inputs")
        if name == PIXELS:
            return tensor_input(_numbers(value, "inputs"), interface)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        raise RequestError(400, "'inputs' must be an array of at least one value")
    return _of_rows(value, "inputs", interface)


def _of_rows(rows: list[Any], field: str, interface: Interface) -> ModelInput:
    rows = [_unnamed(row, f"{field}[{index}]") for index, row in enumerate(rows)]
    if all(isinstance(row, dict) for row in rows):
        found = []
        for index, row in enumerate(rows):
            if set(row) != {"b64"}:
                raise RequestError(400, f"{field}[{index}] has the keys {said(sorted(row)[:5])}, wanted 'b64'")
            found.append(decoded_base64(row["b64"], f"{field}[{index}]"))
        return pictures_input(found, interface)
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            raise RequestError(
                400, f'{field}[{index}] is neither {{"b64": ...}}, the bytes of a picture, nor an array of pixels'
            )
    return tensor_input(_numbers(rows, field), interface)


def _alone(feature: Any) -> Any:
    """Return a feature's one picture, which may stand in a list: features have lists of values."""
    is_list = isinstance(feature, list) and len(feature) == 1 and isinstance(feature[0], dict)
    return feature[0] if is_list else feature


def _unnamed(row: Any, where: str) -> Any:
    """Return an instance without the name of the tensor that it may have."""
    if isinstance(row, dict) and "b64" not in row:
        if len(row) != 1:
            raise RequestError(400, f"{where} names {said(sorted(row)[:5])}, wanted one of {PICTURES!r} and {PIXELS!r}")
        ((name, row),) = row.items()
        _check_name(name, where)
    return row


def _check_name(name: str, where: str) -> None:
    if name not in (PICTURES, PIXELS):
        raise RequestError(400, f"{where} names the input {said(name)}, wanted {PICTURES!r} or {PIXELS!r}")


def _numbers(value: Any, where: str) -> NDArray[np.float32]:
    try:
        array = np.array(value if is_numbers(value) else None)
    except ValueError as err:
        raise RequestError(400, f"{where!r} is no regular array of numbers") from err
    if array.dtype.kind not in "iuf" or array.size > _MAX_NUMBERS:
        raise RequestError(400, f"{where!r} is no regular array of numbers")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
