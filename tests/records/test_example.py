"""Examples: TF-Slim's features byte for byte, and nothing that TensorFlow would take for class 0."""

import dataclasses
import random

import pytest

from sparkcv.errors import RecordError
from sparkcv.records import example
from sparkcv.records.example import ImageExample
from sparkcv.records.example_proto import Example
from sparkcv.records.features import encode_features

PICTURE = ImageExample(b"\xff\xd8 bytes", "jpeg", 3, "tulip", 48, 64, "tulip/1.jpg")


def payload(**features) -> bytes:
    """An Example of these features, named without ``image/``; None takes one away."""
    whole = {"encoded": b"x", "format": b"png", "class/label": 1, **features}
    return encode_features({f"image/{name}": value for name, value in whole.items() if value is not None})


def test_an_example_comes_back_as_it_went():
    assert example.decode(example.encode(PICTURE)) == PICTURE


def test_the_bytes_are_pinned():
    # As protobuf serializes the same Example deterministically.
    assert example.encode(ImageExample(b"ab", "png", 300, "c", 1, 2, "f")).hex() == (
        "0ab0010a1b0a11696d6167652f636c6173732f6c6162656c12061a040a02ac02"
        "0a190a10696d6167652f636c6173732f7465787412050a030a0163"
        "0a170a0d696d6167652f656e636f64656412060a040a026162"
        "0a170a0e696d6167652f66696c656e616d6512050a030a0166"
        "0a170a0c696d6167652f666f726d617412070a050a03706e67"
        "0a150a0c696d6167652f68656967687412051a030a0101"
        "0a140a0b696d6167652f776964746812051a030a0102"
    )


@pytest.mark.parametrize("label", [0, -1, 127, 128, 2**31, 2**63 - 1, -(2**63)])
def test_every_int64_label_survives(label):
    assert example.decode(example.encode(dataclasses.replace(PICTURE, label=label))).label == label


def test_names_keep_every_byte():
    odd = dataclasses.replace(PICTURE, text="größe\n\0", filename=b"a\xff.jpg".decode("utf-8", "surrogateescape"))
    assert example.decode(example.encode(odd)) == odd


def test_what_slim_may_leave_out_has_slims_defaults():
    read = example.decode(encode_features({"image/encoded": b"x", "image/class/label": 0}))
    assert read == ImageExample(b"x", "jpeg", 0, "", 0, 0, "")


def test_other_features_are_passed_over():
    assert example.decode(payload(**{"object/bbox/label": 7})).label == 1


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"class/label": None}, "s:12: the Example has no image/class/label"),
        ({"class/label": b"tulip"}, "s:12: image/class/label is a list of bytes, wanted int"),
        ({"encoded": None}, "s:12: the Example has no image/encoded"),
        ({"encoded": 5}, "s:12: image/encoded is a list of int, wanted bytes"),
        ({"format": 5}, "s:12: image/format is a list of int, wanted bytes"),
        ({"height": b"48"}, "s:12: image/height is a list of bytes, wanted int"),
    ],
)
def test_a_missing_or_mistyped_feature_is_refused_by_name(features, sentence):
    with pytest.raises(RecordError, match=sentence):
        example.decode(payload(**features), "s:12")


def test_an_empty_list_of_labels_is_a_missing_label():
    data = payload(**{"class/label": None}) + bytes.fromhex("0a190a170a11") + b"image/class/label" + b"\x12\x02\x1a\x00"
    with pytest.raises(RecordError, match="image/class/label has 0 values, wanted 1"):
        example.decode(data)


@pytest.mark.parametrize(("name", "kind"), [("image/orientation", "int64_list"), ("image/filename", "bytes_list")])
def test_an_empty_list_that_tensorflow_refuses_is_told(name, kind):
    message = Example.FromString(payload())
    message.features.feature[name].Clear()
    assert example.decode(message.SerializeToString()).orientation == 1
    getattr(message.features.feature[name], kind).SetInParent()
    with pytest.raises(RecordError, match=f"s:12: {name} has 0 values, wanted 1"):
        example.decode(message.SerializeToString(), "s:12")
    message.features.feature["image/format"].Clear()
    message.features.feature["image/format"].bytes_list.SetInParent()  # which it does not parse
    del message.features.feature[name]
    assert example.decode(message.SerializeToString()).format == "jpeg"


def test_two_labels_are_refused():
    data = payload(**{"class/label": None}) + bytes.fromhex("0a1d0a1b0a11") + b"image/class/label"
    with pytest.raises(RecordError, match="image/class/label has 2 values, wanted 1"):
        example.decode(data + bytes.fromhex("12061a040a020102"))


@pytest.mark.parametrize("data", [b"", b"\0", b"\x80" * 40, b"hello, I am text"])
def test_bytes_that_are_no_example_are_refused(data):
    with pytest.raises(RecordError, match=r"^s: (these \d+ bytes are no tf.train.Example|the Example has no)"):
        example.decode(data, "s")


def test_every_flipped_byte_gives_an_example_or_a_record_error():
    base = example.encode(PICTURE)
    rng = random.Random(1)
    for offset in range(len(base)):
        damaged = bytearray(base)
        damaged[offset] ^= 1 << rng.randrange(8)
        try:
            example.decode(bytes(damaged))
        except RecordError:
            continue


@pytest.mark.tensorflow
def test_the_bytes_are_tensorflows_own():
    import tensorflow.compat.v1 as tf

    message = tf.train.Example.FromString(example.encode(PICTURE))
    assert message.SerializeToString(deterministic=True) == example.encode(PICTURE)
    features = message.features.feature
    assert features["image/encoded"].bytes_list.value[:] == [PICTURE.encoded]
    assert features["image/format"].bytes_list.value[:] == [b"jpeg"]
    assert features["image/class/label"].int64_list.value[:] == [3]
    assert features["image/class/text"].bytes_list.value[:] == [b"tulip"]
    assert features["image/height"].int64_list.value[:] == [48]
    assert features["image/width"].int64_list.value[:] == [64]
    assert features["image/filename"].bytes_list.value[:] == [b"tulip/1.jpg"]
