"""The Open Inference Protocol, version 2, over REST: JSON and the binary tensor extension.

See https://github.com/kserve/open-inference-protocol and Triton's binary_data and classification extensions. With the
binary extension the body is JSON and then the tensors' raw bytes; ``Inference-Header-Content-Length`` counts the JSON.
A tensor of BYTES is, for each element, a little-endian u32 length and the bytes.
"""

import dataclasses
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.serve.errors import RequestError, whole_number
from sparkcv.serve.protocols.json_body import decoded_base64, is_numbers, parse_object, said
from sparkcv.serve.protocols.values import PICTURES, PIXELS, SCORES, Interface, ModelInput, pictures_input, tensor_input

__all__ = [
    "HEADER_LENGTH",
    "InferRequest",
    "OutputWanted",
    "configuration",
    "infer_response",
    "metadata",
    "parse_infer",
]

HEADER_LENGTH = "Inference-Header-Content-Length"
PLATFORM = "sparkcv"
_SIZE = struct.Struct("<I")


@dataclasses.dataclass(frozen=True)
class OutputWanted:
    """How an output is to come: binary or JSON, and as the best ``classes`` of each picture where that is not 0."""

    binary: bool
    classes: int = 0


@dataclasses.dataclass(frozen=True)
class InferRequest:
    """What was asked: the input, how the output is wanted, and the client's own id."""

    given: ModelInput
    output: OutputWanted
    request_id: str = ""


def parse_infer(body: bytes, header_length: str | None, interface: Interface) -> InferRequest:
    """Read the body of ``/infer``; ``header_length`` is that header's text. Raises RequestError (400)."""
    head, tail = _split(body, header_length)
    value = parse_object(head)
    inputs = value.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RequestError(400, f"'inputs' must be an array of one tensor, {PICTURES!r} or {PIXELS!r}")
    given = _input(inputs[0], tail, interface)
    request_id = _given(value, "id", "")
    if not isinstance(request_id, str):
        raise RequestError(400, "'id' must be a string")
    return InferRequest(given, _output(value, interface), request_id[:200])


def infer_response(
    request: InferRequest, name: str, version: int, scores: NDArray[np.float32], interface: Interface
) -> tuple[bytes, int | None]:
    """Return the body of the answer, and the length of its JSON if binary data stands behind it."""
    wanted = request.output
    value: dict[str, Any] = {"model_name": name, "model_version": str(version)}
    if request.request_id:
        value["id"] = request.request_id
    output: dict[str, Any] = {"name": SCORES}
    if wanted.classes:
        texts = [text for row in scores for text in _classification(row, wanted.classes, interface.labels)]
        output |= {"datatype": "BYTES", "shape": [len(scores), wanted.classes], "data": texts}
        raw = b"".join(_SIZE.pack(len(data)) + data for data in (text.encode("utf-8") for text in texts))
    else:
        output |= {"datatype": "FP32", "shape": list(scores.shape), "data": []}
        raw = np.ascontiguousarray(scores, "<f4").tobytes()
        if not wanted.binary:
            output["data"] = [float(number) for number in scores.ravel()]
    if not wanted.binary:
        return json.dumps(value | {"outputs": [output]}).encode("utf-8"), None
    del output["data"]
    output["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps(value | {"outputs": [output]}).encode("utf-8")
    return head + raw, len(head)


def metadata(name: str, versions: Sequence[int], interface: Interface) -> dict[str, Any]:
    """Return a model's metadata; a request gives one of the two inputs."""
    side = interface.image_size
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORM,
        "inputs": [
            {"name": PICTURES, "datatype": "BYTES", "shape": [-1]},
            {"name": PIXELS, "datatype": "FP32", "shape": [-1, side, side, interface.channels]},
        ],
        "outputs": [{"name": SCORES, "datatype": "FP32", "shape": [-1, len(interface.labels)]}],
    }


def configuration(name: str, interface: Interface) -> dict[str, Any]:
    """Return a model's configuration in the words of Triton's extension, whose shapes have no batch."""
    side = interface.image_size
    return {
        "name": name,
        "platform": PLATFORM,
        "max_batch_size": interface.max_batch,
        "input": [
            {"name": PICTURES, "data_type": "TYPE_STRING", "dims": [1], "reshape": {"shape": []}, "optional": True},
            {"name": PIXELS, "data_type": "TYPE_FP32", "dims": [side, side, interface.channels], "optional": True},
        ],
        "output": [{"name": SCORES, "data_type": "TYPE_FP32", "dims": [len(interface.labels)]}],
    }


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    length = whole_number(header_length)
    if length is None or length > len(body):
        raise RequestError(
            400, f"{HEADER_LENGTH} is {header_length[:40]!r}, wanted a number of at most {len(body)}, the whole body"
        )
    return body[:length], body[length:]


def _input(tensor: Mapping[str, Any], tail: bytes, interface: Interface) -> ModelInput:
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    wanted = {PICTURES: "BYTES", PIXELS: "FP32"}
    if not isinstance(name, str) or name not in wanted:
        raise RequestError(400, f"unknown input {said(name)}, wanted {PICTURES!r} or {PIXELS!r}")
    if datatype != wanted[name]:
        raise RequestError(400, f"input {name!r} has datatype {said(datatype)}, wanted {wanted[name]!r}")
    if not isinstance(shape, list) or not 1 <= len(shape) <= 8 or not all(_is_size(size) for size in shape):
        raise RequestError(400, f"input {name!r} has shape {said(shape)}, wanted an array of sizes")
    raw = _raw(tensor, tail, name)
    if name == PICTURES:
        pictures = _pictures(tensor, raw)
        if math.prod(shape) != len(pictures):
            raise RequestError(400, f"input {name!r} has shape {shape} and {len(pictures)} elements")
        return pictures_input(pictures, interface)
    return tensor_input(_pixels(tensor, raw, shape), interface)


def _raw(tensor: Mapping[str, Any], tail: bytes, name: str) -> bytes | None:
    """Return the tensor's binary data; None where it stands in the JSON."""
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        if tail:
            raise RequestError(400, f"{len(tail)} bytes stand behind the JSON that no input's binary_data_size counts")
        return None
    if not _is_size(size) or size != len(tail):
        raise RequestError(
            400, f"input {name!r} has a binary_data_size of {said(size)}, and {len(tail)} bytes behind the JSON"
        )
    if "data" in tensor:
        raise RequestError(400, f"input {name!r} has both 'data' and a binary_data_size")
    return tail


def _pictures(tensor: Mapping[str, Any], raw: bytes | None) -> list[bytes]:
    if raw is None:
        data = tensor.get("data")
        if not isinstance(data, list):
            raise RequestError(400, f"input {PICTURES!r} has no 'data', wanted an array of base64 text")
        return [decoded_base64(text, f"input {PICTURES!r}[{index}]") for index, text in enumerate(data)]
    found: list[bytes] = []
    at = 0
    while at < len(raw):
        end = at + _SIZE.size
        size = _SIZE.unpack_from(raw, at)[0] if end <= len(raw) else None
        if size is None or end + size > len(raw):
            raise RequestError(400, f"input {PICTURES!r} is cut: element {len(found)} ends behind its {len(raw)} bytes")
        found.append(raw[end : end + size])
        at = end + size
    return found


def _pixels(tensor: Mapping[str, Any], raw: bytes | None, shape: list[int]) -> NDArray[np.float32]:
    count = math.prod(shape)
    if raw is not None:
        if len(raw) != 4 * count:
            raise RequestError(400, f"input {PIXELS!r} has {len(raw)} bytes, wanted {4 * count} for shape {shape}")
        return np.frombuffer(raw, "<f4").reshape(shape).astype(np.float32)
    try:
        data = tensor.get("data")
        values = np.array(data if is_numbers(data) else None)
    except ValueError:
        values = np.array(None)
    if values.dtype.kind not in "iuf" or values.size != count:
        raise RequestError(400, f"input {PIXELS!r} has no 'data' of {count} numbers, which its shape {shape} wants")
    with np.errstate(over="ignore"):
        return values.astype(np.float32).reshape(shape)


def _output(value: Mapping[str, Any], interface: Interface) -> OutputWanted:
    parameters = _given(value, "parameters", {})
    outputs = value.get("outputs") or [{"name": SCORES}]
    if not isinstance(parameters, dict):
        raise RequestError(400, "'parameters' must be an object")
    if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise RequestError(400, f"'outputs' must be an array of one output, {SCORES!r}")
    if outputs[0].get("name") != SCORES:
        raise RequestError(400, f"unknown output {said(outputs[0].get('name'))}, wanted {SCORES!r}")
    own = _given(outputs[0], "parameters", {})
    if not isinstance(own, dict):
        raise RequestError(400, "an output's 'parameters' must be an object")
    classes, most = own.get("classification", 0), len(interface.labels)
    if not _is_size(classes):
        raise RequestError(400, f"'classification' is {said(classes)}, wanted a number from 1 to {most}")
    binary = own.get("binary_data", parameters.get("binary_data_output", False))
    return OutputWanted(binary is True, min(classes, most))


def _given(value: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """Return what may be left out, or be null, as clients write it that send each of their fields."""
    found = value.get(name)
    return otherwise if found is None else found


def _classification(row: NDArray[np.float32], classes: int, labels: Sequence[str]) -> list[str]:
    best = np.argsort(-row, kind="stable")[:classes]
    return [f"{row[index]:f}:{index}:{labels[index]}" for index in best]


def _is_size(value: Any) -> bool:
    """Tell whether a value of JSON counts something; a product of larger ones has too many digits to be said."""
    return type(value) is int and 0 <= value < 1 << 40
