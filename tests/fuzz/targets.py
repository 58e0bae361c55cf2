"""What is fuzzed: each target makes a valid input, and knows what holds for a valid one and for any other."""

import dataclasses
import functools
import io
import random
import re
from collections.abc import Callable

import numpy as np
from PIL import Image

from sparkcv.errors import ImageError, RecordError
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import example, features, gnt, image_header, tfrecord
from sparkcv.records.features import Value
from tests.fuzz import bodies

MAX_PIXELS = 1 << 16
"""Limit of the pictures here, so that memory which follows a header's claim and not the limit shows."""

_AT_OFFSET = re.compile(r"in: damaged at offset (\d+): .+")
_REASON = re.compile(r"[A-Za-z0-9 ]+: .+", re.DOTALL)
_IN, _AT_BEGIN = re.compile(r"in: .+", re.DOTALL), re.compile(r"damaged at offset 0: .+")
_CHARACTERS = "A啊囧πЖ~"


@dataclasses.dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        make: returns a valid input.
        check_valid: asserts what holds for a valid one, such as the way there and back.
        check: asserts what holds for any bytes: no error but ours, all bytes accounted for.
        most_bytes: of memory that reading one input may take at its peak.
    """

    make: Callable[[random.Random], bytes]
    check_valid: Callable[[bytes], None]
    check: Callable[[bytes], None]
    most_bytes: int = 8 << 20


def _said(err: Exception, wanted: re.Pattern[str]) -> re.Match[str]:
    """Return the match of an error's sentence with what it has to say."""
    found = wanted.fullmatch(str(err))
    if found is None:
        raise AssertionError(f"{err!r} does not say {wanted.pattern}") from err
    return found


# ---- records


def _make_records(rng: random.Random) -> bytes:
    """Return a shard, whose payloads may hold frames themselves."""
    payloads = [_payload(rng) for _ in range(rng.randint(0, 6))]
    return b"".join(map(tfrecord.frame, payloads))


def _payload(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return b"".join(tfrecord.frame(rng.randbytes(rng.randint(0, 9))) for _ in range(rng.randint(1, 3)))
    return rng.choice((b"", bytes(rng.randint(1, 40)), rng.randbytes(rng.randint(1, 200))))


def _check_whole_records(data: bytes) -> None:
    records = list(tfrecord.read_records(data, "in"))
    assert b"".join(tfrecord.frame(bytes(record.payload)) for record in records) == data
    assert tfrecord.read_all(data) == records
    assert tfrecord.read_all(data, len(records)) == records


def _check_records(data: bytes) -> None:
    for count in (None, 0, 1, 5):
        items = tfrecord.read_all(data, count)
        begin = 0
        for item in items:
            assert item.offset >= begin, f"an item at {item.offset} lies before {begin}"
            if isinstance(item, tfrecord.Record):
                begin = item.offset + tfrecord.HEADER_BYTES + item.payload.nbytes + tfrecord.FOOTER_BYTES
                crc = tfrecord.masked_crc32c(bytes(item.payload)).to_bytes(4, "little")
                length = item.payload.nbytes.to_bytes(8, "little")
                assert item.is_mended or data[item.offset : item.offset + 8] == length
                assert data[begin - 4 : begin] == crc, "a record whose CRC is wrong"
            else:
                assert item.lost_bytes >= 0
                assert item.reason
                begin = item.offset + item.lost_bytes
            assert begin <= len(data)
        if count is not None:
            assert sum(item.num_records for item in items) == count
    try:
        list(tfrecord.read_records(data, "in"))
    except RecordError as err:
        offset = int(_said(err, _AT_OFFSET)[1])
        if offset > len(data):
            raise AssertionError(f"{err}, of {len(data)} bytes") from err


# ---- Examples


def _make_example(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        lists = (
            Value(int, [rng.randint(-(2**63), 2**63 - 1) for _ in range(rng.randint(0, 3))]),
            Value(float, [rng.uniform(-1e9, 1e9) for _ in range(rng.randint(0, 3))]),
            Value(bytes, [rng.randbytes(5) for _ in range(rng.randint(0, 3))]),
            Value(None, ()),
        )
        names = ("image/class/label", "image/encoded", "ä", "")
        return features.encode_features({name: rng.choice(lists) for name in names})
    return example.encode(
        example.ImageExample(
            rng.randbytes(rng.randint(0, 90)),
            "png",
            rng.randint(-5, 1 << 40),
            text=rng.choice(_CHARACTERS),
            height=rng.randint(0, 99),
            filename=rng.randbytes(6).decode("utf-8", "surrogateescape"),
            orientation=rng.randint(1, 8),
        )
    )


def _check_whole_example(data: bytes) -> None:
    assert features.encode_features(features.parse_features(data)) == data
    _check_example(data)


def _check_example(data: bytes) -> None:
    names = example.FeatureNames(texts=("A", "B"))
    for wanted in (example.SLIM_FEATURES, names):
        try:
            found = example.decode(data, "in", wanted)
        except RecordError as err:
            _said(err, _IN)
            continue
        if wanted is not names:
            assert example.decode(example.encode(found)) == found
    try:
        parsed = features.parse_features(data)
    except ValueError:
        return
    again = features.encode_features(parsed)
    assert features.encode_features(features.parse_features(again)) == again


# ---- GNT


def _make_gnt(rng: random.Random) -> bytes:
    samples = []
    for _ in range(rng.randint(0, 5)):
        height, width = rng.randint(1, 20), rng.choice((1, 3, 20, 300))
        pixels = np.frombuffer(rng.randbytes(height * width), np.uint8).reshape(height, width)
        samples.append(gnt.encode(rng.choice(_CHARACTERS), pixels))
    return b"".join(samples)


def _check_whole_gnt(data: bytes) -> None:
    items = list(gnt.read(io.BytesIO(data), MAX_PIXELS))
    samples = [item for item in items if isinstance(item, gnt.Sample)]
    assert len(samples) == len(items)
    assert b"".join(gnt.encode(sample.character, sample.pixels) for sample in samples) == data


def _check_gnt(data: bytes) -> None:
    for max_pixels in (MAX_PIXELS, 500):  # the second is less than many of the samples have
        _check_gnt_within(data, max_pixels)
    try:
        gnt.decode(data, MAX_PIXELS)
    except RecordError as err:
        _said(err, _AT_BEGIN)


def _check_gnt_within(data: bytes, max_pixels: int) -> None:
    begin = 0
    for item in gnt.read(io.BytesIO(data), max_pixels):
        assert item.offset == begin, f"an item at {item.offset}, wanted one at {begin}"
        if isinstance(item, gnt.Sample):
            begin += item.num_bytes
            assert item.pixels.size <= max_pixels
            assert data[item.offset + gnt.HEADER_BYTES : begin] == item.pixels.tobytes()
            assert len(item.character) == 1
            assert item.character.isprintable()
        else:
            assert item.lost_bytes > 0
            assert _REASON.fullmatch(item.reason)
            begin += item.lost_bytes
    assert begin == len(data)


# ---- pictures

_FORMATS = {
    "jpeg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP", "tiff": "TIFF", "avif": "AVIF",
    "jpeg2000": "JPEG2000",
}  # fmt: skip


@functools.cache
def _pictures() -> tuple[bytes, ...]:
    """A small file of each format, in some of its modes."""
    found = []
    grey = Image.fromarray(np.arange(12 * 9, dtype=np.uint8).reshape(9, 12))
    exif = Image.Exif()
    exif[0x0112] = 6
    modes = {"png": ("L", "P", "RGBA", "1"), "jpeg": ("L", "CMYK"), "tiff": ("L", "RGBA"), "bmp": ("P",), "gif": ("P",)}
    for name, plugin in _FORMATS.items():
        for mode in ("RGB", *modes.get(name, ())):
            buffer = io.BytesIO()
            options = {"exif": exif} if name in ("jpeg", "png", "webp", "tiff") else {}
            grey.convert("RGB").convert(mode).save(buffer, plugin, **options)
            found.append(buffer.getvalue())
    return tuple(found)


def _make_picture(rng: random.Random) -> bytes:
    return rng.choice(_pictures())


def _check_whole_picture(data: bytes) -> None:
    header = image_header.probe(data, max_pixels=MAX_PIXELS, formats=image_header.FORMATS)
    assert (header.height, header.width) == (9, 12)


def _check_header(data: bytes) -> None:
    try:
        header = image_header.probe(data, max_pixels=MAX_PIXELS, formats=image_header.FORMATS)
    except ImageError as err:
        _said(err, _REASON)
        return
    assert header.format in image_header.FORMATS
    assert 1 <= header.height <= image_header.MAX_SIDE
    assert 1 <= header.width <= image_header.MAX_SIDE
    assert header.height * header.width <= MAX_PIXELS
    assert 1 <= header.orientation <= 8


def _check_picture(data: bytes) -> None:
    """Read a file as conversion and scoring do, by Pillow where TensorFlow does not."""
    try:
        seen = picture_file.read(data, PictureRules(MAX_PIXELS))
    except ImageError as err:
        _said(err, _REASON)
        return
    assert seen.format in ("jpeg", "png", "webp")
    assert 1 <= seen.height * seen.width <= MAX_PIXELS


TARGETS = {
    "record": Target(_make_records, _check_whole_records, _check_records),
    "example": Target(_make_example, _check_whole_example, _check_example),
    "gnt": Target(_make_gnt, _check_whole_gnt, _check_gnt),
    "header": Target(_make_picture, _check_whole_picture, _check_header),
    "picture": Target(_make_picture, _check_whole_picture, _check_picture),
    "predict": Target(bodies.make_predict, bodies.check_whole_predict, bodies.check_predict),
    "bent_predict": Target(bodies.make_bent_predict, bodies.check_predict, bodies.check_predict),
    "infer": Target(bodies.make_infer, bodies.check_whole_infer, bodies.check_infer),
    "bent_infer": Target(bodies.make_bent_infer, bodies.check_infer, bodies.check_infer),
}
