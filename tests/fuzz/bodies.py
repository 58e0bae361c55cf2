"""Bodies of requests for both protocols of the service, as targets: valid ones, and JSON of the wrong shape or type."""

import base64
import copy
import json
import random
import struct
from typing import Any

import numpy as np

from sparkcv.serve.errors import RequestError
from sparkcv.serve.guard import error_response
from sparkcv.serve.protocols import open_inference, tf_serving
from sparkcv.serve.protocols.values import Interface, ModelInput

INTERFACE = Interface(image_size=2, channels=3, labels=("red", "green", "blue"), max_batch=4)
_SCORES = np.full((4, 3), 1 / 3, np.float32)

# What stands where something else belongs.
_STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 2**31, 2**63, 2**64, 10**400, int("9" * 4300), 0.5, -0.0, 1e300, 1e999,
    "", "a", "\n", "\ud800", "\u202e", "x" * 5000, "AA==", "=", "BYTES", "FP32", "encoded", "input",
    [], [[]], [1, "a"], [[1], 2], [0.0] * 12, [[[[1e39] * 3] * 2] * 2],
    {}, {"b64": "AA=="}, {"b64": 3}, {"": 1}, {"\ud800": "\ud800"}, {"k" * 5000: 1}, {"a": 1, "b": 2},
)  # fmt: skip


def make_predict(rng: random.Random) -> bytes:
    """Return a valid body of ``:predict``."""
    return json.dumps(_predict(rng)).encode()


def make_bent_predict(rng: random.Random) -> bytes:
    """Return JSON that was a body of ``:predict`` or ``:classify``, with some of its values taken by others."""
    examples = {"examples": [{"encoded": _b64(rng)}], "context": {}, "signature_name": ""}
    return json.dumps(_bent(rng, rng.choice((_predict(rng), examples)))).encode()


def make_infer(rng: random.Random) -> bytes:
    """Return a valid body of ``/infer`` behind a line with the length of its JSON, "-" for none."""
    value, tail, length = _infer(rng)
    head = json.dumps(value).encode()
    return (str(len(head)).encode() if length else b"-") + b"\n" + head + tail


def make_bent_infer(rng: random.Random) -> bytes:
    """Return what was made as :func:`make_infer`, with some values of its JSON taken by others."""
    value, tail, length = _infer(rng)
    head = json.dumps(_bent(rng, value)).encode()
    said = rng.choice((str(len(head)), str(len(head) - 1), "9" * 4000, "", "²")) if length else "-"
    return said.encode() + b"\n" + head + tail


def check_whole_predict(data: bytes) -> None:
    """Assert that a valid body is taken."""
    assert 1 <= len(tf_serving.parse_predict(data, INTERFACE).given) <= INTERFACE.max_batch


def check_predict(data: bytes) -> None:
    """Assert that any bytes are taken or refused as a request's body is."""
    for parse in (
        lambda: tf_serving.parse_predict(data, INTERFACE).given,
        lambda: tf_serving.parse_classify(data, INTERFACE),
    ):
        try:
            _check_given(parse())
        except RequestError as err:
            _check_refusal(err)


def check_whole_infer(data: bytes) -> None:
    """Assert that a valid body is taken."""
    length, _, body = data.partition(b"\n")
    open_inference.parse_infer(body, None if length == b"-" else length.decode(), INTERFACE)


def check_infer(data: bytes) -> None:
    """Assert that any bytes are taken and answered, or refused as a request's body is."""
    length, _, body = data.partition(b"\n")
    try:
        asked = open_inference.parse_infer(body, None if length == b"-" else length.decode("latin-1"), INTERFACE)
    except RequestError as err:
        _check_refusal(err)
        return
    _check_given(asked.given)
    answer, head = open_inference.infer_response(asked, "colors", 1, _SCORES[: len(asked.given)], INTERFACE)
    assert json.loads(answer[:head])["outputs"][0]["name"] == "probabilities"


def _check_given(given: ModelInput) -> None:
    assert 1 <= len(given) <= INTERFACE.max_batch
    if given.pixels is None:
        assert all(isinstance(picture, bytes) for picture in given.pictures)
    else:
        assert given.pixels.dtype == np.float32
        assert given.pixels.shape[1:] == (2, 2, 3)
        assert np.isfinite(given.pixels).all()


def _check_refusal(err: RequestError) -> None:
    assert err.status == 400
    assert err.message.isprintable()
    assert 5 < len(err.message) < 500
    assert json.loads(bytes(error_response(err).body)) == {"error": err.message}


def _predict(rng: random.Random) -> dict[str, Any]:
    count = rng.randint(1, INTERFACE.max_batch)
    pixels = np.frombuffer(rng.randbytes(12 * count), np.uint8).reshape(count, 2, 2, 3).tolist()
    pictures: list[Any] = [_b64(rng) for _ in range(count)]
    named = [{"encoded": picture} for picture in pictures]
    rows = {"instances": rng.choice((pictures, named, pixels))}
    columns = {"inputs": rng.choice((pictures, {"encoded": pictures}, pixels, {"input": pixels}))}
    return rng.choice((rows, columns, rows | {"signature_name": "serving_default"}))


def _infer(rng: random.Random) -> tuple[dict[str, Any], bytes, bool]:
    """Return the JSON, the bytes behind it, and whether its length is told."""
    count, is_binary = rng.randint(1, INTERFACE.max_batch), rng.random() < 0.5
    if rng.random() < 0.5:
        files = [rng.randbytes(rng.randint(0, 9)) for _ in range(count)]
        tensor: dict[str, Any] = {"name": "encoded", "datatype": "BYTES", "shape": [count]}
        data: list[Any] = [base64.b64encode(file).decode() for file in files]
        tail = b"".join(struct.pack("<I", len(file)) + file for file in files)
    else:
        tensor = {"name": "input", "datatype": "FP32", "shape": [count, 2, 2, 3]}
        data = [rng.uniform(-1, 1) for _ in range(12 * count)]
        tail = struct.pack(f"<{len(data)}f", *data)
    tensor |= {"parameters": {"binary_data_size": len(tail)}} if is_binary else {"data": data}
    value: dict[str, Any] = {"inputs": [tensor], "id": "7"}
    if rng.random() < 0.5:
        value["outputs"] = [{"name": "probabilities", "parameters": {"classification": 2, "binary_data": is_binary}}]
    else:
        value["parameters"] = {"binary_data_output": is_binary}
    return value, tail if is_binary else b"", is_binary


def _b64(rng: random.Random) -> dict[str, str]:
    return {"b64": base64.b64encode(rng.randbytes(rng.randint(0, 9))).decode()}


def _bent(rng: random.Random, value: Any) -> Any:
    """Return ``value`` with some of what it is made of taken by something else, or left out."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(value))
        holder, key = rng.choice(places)
        if rng.random() < 0.1:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(rng.choice(_STRANGE))
        if not value:
            break
    return value if rng.random() < 0.98 else rng.choice(_STRANGE)


def _places(value: Any) -> Any:
    """Return every place of a JSON value as its container and key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
