"""Features of an Example: what is read, and what is refused with a reason."""

import random

import pytest

from sparkcv.records.features import Value, encode_features, parse_features

# Older versions of protobuf tell no reason.
CORRUPT = "Wire format was corrupt|Error parsing message"


def test_features_come_back_as_they_went():
    data = encode_features({"b": b"\0\xff", "a": -1, "c": 2**63 - 1, "d": -(2**63), "e": b""})
    features = parse_features(data)
    assert {name: (value.kind, list(value.items)) for name, value in features.items()} == {
        "a": (int, [-1]),
        "b": (bytes, [b"\0\xff"]),
        "c": (int, [2**63 - 1]),
        "d": (int, [-(2**63)]),
        "e": (bytes, [b""]),
    }


def test_features_are_written_in_order_of_name():
    assert encode_features({"b": 1, "a": 2}) == encode_features({"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("hexed", "kind", "items"),
    [
        ("0a0b0a090a01611204 1a020801", int, [1]),  # not packed, as proto2 writers do
        ("0a0d0a0b0a01611206 1a040a020102", int, [1, 2]),
        ("0a0f0a0d0a01611208 12060a040000803f", float, [1.0]),
        ("0a0e0a0c0a01611207 12050d0000803f", float, [1.0]),  # not packed
        ("0a090a070a01611202 1a00", int, []),
        ("0a090a070a01611202 0a00", bytes, []),
    ],
)
def test_lists_are_read_packed_or_not(hexed, kind, items):
    value = parse_features(bytes.fromhex(hexed))["a"]
    assert (value.kind, list(value.items)) == (kind, items)


def test_unknown_fields_are_passed_over():
    known = encode_features({"a": 1})
    assert parse_features(b"\x10\x05" + b"\x1d1234" + b"\x1912345678" + known).keys() == {"a"}


def test_booleans_are_integers():
    assert encode_features({"a": True, "b": Value(int, [False])}) == encode_features({"a": 1, "b": 0})


def test_names_come_in_order_whatever_the_order_in_the_bytes():
    names = [f"{index:02d}" for index in range(30)]
    backwards = b"".join(encode_features({name: 1}) for name in reversed(names))
    assert list(parse_features(backwards)) == names


def test_an_integer_beyond_int64_is_refused():
    with pytest.raises(ValueError, match="9223372036854775808"):
        encode_features({"a": 2**63})


def test_a_later_entry_of_a_name_wins():
    both = encode_features({"a": 1}) + encode_features({"a": 2})
    assert list(parse_features(both)["a"].items) == [2]


def test_a_feature_without_a_list_has_a_name_and_no_kind():
    data = bytes.fromhex("0a070a050a01611200")
    assert parse_features(data) == {"a": Value(None, ())}
    assert encode_features({"a": Value(None, ())}) == data


def test_lists_come_back_as_they_went():
    lists = {
        "b": Value(bytes, [b"", b"\xff"]),
        "f": Value(float, [1.5, -0.0, float("inf")]),
        "i": Value(int, [-1, 2**63 - 1]),
        "none": Value(int, []),
    }
    read = parse_features(encode_features(lists))
    assert {name: (value.kind, list(value.items)) for name, value in read.items()} == {
        name: (value.kind, list(value.items)) for name, value in lists.items()
    }


def test_a_list_of_one_is_written_as_the_value_itself_is():
    one = {"b": Value(bytes, [b"x"]), "i": Value(int, [-7])}
    assert encode_features(one) == encode_features({"b": b"x", "i": -7})


def test_a_float_that_float32_cannot_hold_is_refused():
    with pytest.raises(OverflowError):
        encode_features({"f": Value(float, [1e300])})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x80" * 20, CORRUPT),
        (b"\x0a", CORRUPT),
        (b"\x0a\x05abc", CORRUPT),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", CORRUPT),
        (b"\x02\x00", CORRUPT),
        (b"\x0b", CORRUPT),
        (b"\x08\x01", "features in Example is of the wire type 0"),
        (b"\x0912345678", "features in Example is of the wire type 1"),  # as an event file's wall time
        (bytes.fromhex("0a020801"), "feature in Features is of the wire type 0"),
        (bytes.fromhex("0a090a070a016112021801"), "int64_list in Feature is of the wire type 0"),
        (bytes.fromhex("0a0b0a090a016112041a020d01"), CORRUPT),
        (bytes.fromhex("0a0b0a090a016112040a020801"), "value in BytesList is of the wire type 0"),
        (bytes.fromhex("0a0d0a0b0a0161120612040a02ffff"), CORRUPT),
        (bytes.fromhex("0a0d0a0b0a016112061a040a0280ff"), CORRUPT),
        (bytes.fromhex("0a070a050a01ff1200"), "bad UTF-8|Error parsing"),
    ],
)
def test_bytes_that_are_no_example_are_refused(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_features(data)


def test_noise_and_flipped_bits_end_in_a_value_or_in_a_value_error():
    rng = random.Random(0)
    base = encode_features({"image/encoded": b"x" * 50, "image/class/label": 3})
    for _ in range(3000):
        data = bytearray(base if rng.random() < 0.7 else rng.randbytes(rng.randrange(80)))
        for _ in range(rng.randrange(4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            features = parse_features(bytes(data))
        except ValueError:
            continue
        assert all(len(bytes(item)) <= len(data) for v in features.values() if v.kind is bytes for item in v.items)
