"""Requests of the protocols, as bytes and values: what is read, and the sentence for what is not."""

import base64
import json
import struct

import numpy as np
import pytest

from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.open_inference import _takes_gzip
from sparkcv.serve.protocols import generate, open_inference, tf_serving
from sparkcv.serve.protocols.values import Interface

INTERFACE = Interface(image_size=2, channels=3, labels=("red", "green", "blue"), max_batch=4)
B64 = base64.b64encode(b"picture").decode()
PIXELS = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)


def body(value):
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "value",
    [
        {"instances": [{"b64": B64}]},
        {"instances": [{"encoded": {"b64": B64}}]},
        {"instances": [{"b64": B64}], "signature_name": "serving_default"},
        {"instances": [{"b64": base64.encodebytes(b"picture").decode()}]},
        {"instances": [{"b64": f"{B64[:4]}\r\n{B64[4:]}\r\n"}]},
        {"inputs": {"b64": B64}},
        {"inputs": [{"b64": B64}]},
        {"inputs": {"encoded": [{"b64": B64}]}},
    ],
)
def test_a_picture_in_rows_and_columns(value):
    asked = tf_serving.parse_predict(body(value), INTERFACE)
    assert asked.given.pictures == (b"picture",)
    answer = tf_serving.predict_response(asked, np.array([[0.5, 0.25, 0.25]], np.float32))
    assert answer == {("outputs" if "inputs" in value else "predictions"): [[0.5, 0.25, 0.25]]}


@pytest.mark.parametrize("value", [{"instances": PIXELS.tolist()}, {"inputs": {"input": PIXELS.tolist()}}])
def test_pixels_in_rows_and_columns(value):
    given = tf_serving.parse_predict(body(value), INTERFACE).given
    assert given.pixels.dtype == np.float32
    assert np.array_equal(given.pixels, PIXELS)


def test_a_feature_may_be_a_list_of_one_value():
    value = {"examples": [{"encoded": [{"b64": B64}]}, {"encoded": {"b64": B64}}]}
    assert tf_serving.parse_classify(body(value), INTERFACE).pictures == (b"picture",) * 2
    value = {"examples": [{"encoded": [{"b64": B64}] * 2}]}
    with pytest.raises(RequestError, match="is no regular array of numbers"):
        tf_serving.parse_classify(body(value), INTERFACE)


def test_examples_share_their_context():
    value = {"context": {"encoded": {"b64": B64}}, "examples": [{}, {}]}
    assert tf_serving.parse_classify(body(value), INTERFACE).pictures == (b"picture",) * 2


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[" * 100_000, "the body is"),
        (b"[]", "the body is a JSON array, wanted an object"),
        (b"{}", "the body has neither of 'instances' and 'inputs', wanted one of them"),
        (body({"instances": [], "inputs": []}), "the body has both"),
        (body({"instances": []}), "'instances' must be an array of at least one instance"),
        (body({"instances": "x"}), "'instances' must be an array of at least one instance"),
        (body({"instances": [{"b64": "a picture"}]}), r"instances\[0\]: this is no base64"),
        (body({"instances": [{"b64": 3}]}), r"instances\[0\]: b64 is a JSON number, wanted base64 text"),
        (body({"instances": [{"picture": {"b64": B64}}]}), "names the input 'picture', wanted 'encoded' or 'input'"),
        (body({"instances": [{"b64": B64}, [1.0]]}), r"instances\[0\] is neither"),
        (body({"instances": [{"b64": B64}] * 5}), "the request has 5 pictures, wanted 1 to 4"),
        (body({"instances": [[1.0, 2.0]]}), r"shape \[1, 2\], wanted \[batch, 2, 2, 3\]"),
        (body({"instances": [[[1.0], 2.0]]}), "is no regular array of numbers"),
        (body({"instances": [["red"]]}), "is no regular array of numbers"),
        (body({"instances": [[True]]}), "is no regular array of numbers"),
        (b'{"instances": [[[[NaN, 0, 0]]]]}', "NaN is no number of JSON"),
        (body({"instances": np.full((1, 2, 2, 3), 1e300).tolist()}), "values that are not finite"),
        (body({"instances": [{"b64": B64}], "signature_name": "train"}), "unknown signature 'train'"),
    ],
)
def test_what_predict_does_not_take(data, sentence):
    with pytest.raises(RequestError, match=sentence) as caught:
        tf_serving.parse_predict(data, INTERFACE)
    assert caught.value.status == 400


def binary(inputs, tail, **more):
    head = body({"inputs": inputs, **more})
    return head + tail, str(len(head))


def bytes_tensor(*pictures):
    return b"".join(struct.pack("<I", len(data)) + data for data in pictures)


def test_a_bytes_tensor_in_json_and_binary():
    as_json = {"name": "encoded", "datatype": "BYTES", "shape": [1], "data": [B64]}
    assert open_inference.parse_infer(body({"inputs": [as_json]}), None, INTERFACE).given.pictures == (b"picture",)
    tail = bytes_tensor(b"one", b"", b"three")
    tensor = {"name": "encoded", "datatype": "BYTES", "shape": [3, 1], "parameters": {"binary_data_size": len(tail)}}
    data, length = binary([tensor], tail, id="7", parameters={"binary_data_output": True})
    asked = open_inference.parse_infer(data, length, INTERFACE)
    assert asked.given.pictures == (b"one", b"", b"three")
    assert asked.output.binary
    assert asked.request_id == "7"
    scores = np.array([[0.5, 0.25, 0.25]] * 3, np.float32)
    answer, json_length = open_inference.infer_response(asked, "colors", 2, scores, INTERFACE)
    head = json.loads(answer[:json_length])
    assert head["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [3, 3], "parameters": {"binary_data_size": 36}}
    ]
    assert np.array_equal(np.frombuffer(answer[json_length:], "<f4").reshape(3, 3), scores)


def test_pixels_in_json_and_binary():
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 2, 2, 3]}
    as_json = body({"inputs": [tensor | {"data": PIXELS.ravel().tolist()}]})
    assert np.array_equal(open_inference.parse_infer(as_json, None, INTERFACE).given.pixels, PIXELS)
    raw = PIXELS.astype("<f4").tobytes()
    data, length = binary([tensor | {"parameters": {"binary_data_size": len(raw)}}], raw)
    assert np.array_equal(open_inference.parse_infer(data, length, INTERFACE).given.pixels, PIXELS)


def test_what_is_null_is_not_given():
    tensor = TENSOR | {"data": [B64], "parameters": None}
    nulls = {"id": None, "parameters": None, "inputs": [tensor], "outputs": None}
    named = {"inputs": [tensor], "outputs": [{"name": "probabilities", "parameters": None}]}
    for value in (nulls, named):
        asked = open_inference.parse_infer(body(value), None, INTERFACE)
        assert (asked.given.pictures, asked.request_id) == ((b"picture",), "")
        assert asked.output == open_inference.OutputWanted(False)


def test_the_best_classes_are_told_as_score_index_and_label():
    tensor = {"name": "encoded", "datatype": "BYTES", "shape": [1], "data": [B64]}
    wanted = {"name": "probabilities", "parameters": {"classification": 2, "binary_data": False}}
    asked = open_inference.parse_infer(body({"inputs": [tensor], "outputs": [wanted]}), None, INTERFACE)
    answer, length = open_inference.infer_response(asked, "c", 1, np.array([[0.25, 0.75, 0.0]], np.float32), INTERFACE)
    assert length is None
    (output,) = json.loads(answer)["outputs"]
    assert output["data"] == ["0.750000:1:green", "0.250000:0:red"]
    assert output["shape"] == [1, 2]


TENSOR = {"name": "encoded", "datatype": "BYTES", "shape": [1]}


@pytest.mark.parametrize(
    ("data", "length", "sentence"),
    [
        (b"{}", None, "'inputs' must be an array of one tensor"),
        (body({"inputs": [TENSOR, TENSOR]}), None, "'inputs' must be an array of one tensor"),
        (body({"inputs": [TENSOR | {"name": "x"}]}), None, "unknown input 'x'"),
        (body({"inputs": [TENSOR | {"name": {}}]}), None, "unknown input {}, wanted"),
        (body({"inputs": [TENSOR | {"shape": [10**4000] * 2, "data": [B64]}]}), None, "wanted an array of sizes"),
        (body({"inputs": [TENSOR | {"parameters": {"binary_data_size": "\n"}}]}), None, r"_data_size of '\\n', and 0"),
        (body({"inputs": [TENSOR | {"datatype": "FP32"}]}), None, "has datatype 'FP32', wanted 'BYTES'"),
        (body({"inputs": [TENSOR | {"shape": [-1]}]}), None, "wanted an array of sizes"),
        (body({"inputs": [TENSOR | {"shape": [True]}]}), None, "wanted an array of sizes"),
        (body({"inputs": [TENSOR]}), None, "has no 'data'"),
        (body({"inputs": [TENSOR | {"shape": [2], "data": [B64]}]}), None, r"has shape \[2\] and 1 elements"),
        (b"{}", "99", "wanted a number of at most 2, the whole body"),
        (b"{}", "-1", "wanted a number of at most 2"),
        (b"{}", "\u0661", "wanted a number of at most 2"),
        (*binary([TENSOR], b"1234"), "4 bytes stand behind the JSON that no input's binary_data_size counts"),
        (*binary([TENSOR | {"parameters": {"binary_data_size": 5}}], b"1234"), "binary_data_size of 5, and 4 bytes"),
        (*binary([TENSOR | {"parameters": {"binary_data_size": 3}}], b"123"), "is cut: element 0 ends behind its 3"),
        (
            *binary([TENSOR | {"parameters": {"binary_data_size": 4}}], b"\xff" * 4),
            "is cut: element 0 ends behind its 4",
        ),
        (body({"inputs": [TENSOR | {"data": [B64]}], "outputs": [{"name": "x"}]}), None, "unknown output 'x'"),
        (body({"inputs": [TENSOR | {"data": [B64]}], "id": 3}), None, "'id' must be a string"),
        (
            body({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 2, 2, 3], "data": [1]}]}),
            None,
            "has no 'data' of 12 numbers",
        ),
    ],
)
def test_what_infer_does_not_take(data, length, sentence):
    with pytest.raises(RequestError, match=sentence) as caught:
        open_inference.parse_infer(data, length, INTERFACE)
    assert caught.value.status == 400


def test_no_bytes_that_were_changed_end_in_anything_but_a_request_error():
    tail = bytes_tensor(b"one", b"two")
    tensor = {"name": "encoded", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(tail)}}
    data, length = binary([tensor], tail)
    row = body({"instances": [{"b64": B64}, {"encoded": {"b64": B64}}]})
    random = np.random.default_rng(5)
    for _ in range(4000):
        for parse, whole in (
            (lambda bad: open_inference.parse_infer(bad, length, INTERFACE), data),
            (lambda bad: tf_serving.parse_predict(bad, INTERFACE), row),
        ):
            bad = bytearray(whole)
            for _ in range(random.integers(1, 4)):
                bad[random.integers(len(bad))] = random.integers(256)
            if random.random() < 0.3:
                del bad[random.integers(len(bad)) :]
            try:
                assert len(parse(bytes(bad)).given)
            except RequestError as err:
                assert err.status == 400  # noqa: PT017 - most are refused, some are still right


def test_texts_for_numbers_are_refused_before_an_array_gives_each_the_room_of_the_longest():
    texts = ["a" * 10**5] + [""] * 10**5  # as an array of NumPy: 40 GB
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 2, 2, 3], "data": texts}
    with pytest.raises(RequestError, match="is no regular array of numbers"):
        tf_serving.parse_predict(body({"instances": [texts]}), INTERFACE)
    with pytest.raises(RequestError, match="has no 'data' of 12 numbers"):
        open_inference.parse_infer(body({"inputs": [tensor]}), None, INTERFACE)


@pytest.mark.parametrize("field", ["caption", "to_caption"])
def test_a_caption_that_no_answer_can_repeat_is_refused(field):
    value = body({"caption": "a ring", field: "a \ud800 ring"})
    with pytest.raises(RequestError, match=r"a caption is 'a \\ud800 ring', wanted a text without halves") as caught:
        generate.parse(value, 4)
    assert caught.value.status == 400
    assert generate.parse(body({"caption": "a ring \U0001f48d"}), 4).captions == ("a ring \U0001f48d",)


@pytest.mark.parametrize(
    ("accepted", "is_taken"),
    [("gzip, deflate", True), ("identity, GZIP;q=0.5", True), ("gzip;q=0, identity", False), ("gzip; q=0.0", False)],
)
def test_gzip_is_sent_to_who_takes_it(accepted, is_taken):
    assert _takes_gzip(accepted) is is_taken
