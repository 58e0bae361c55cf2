"""GNT files: bytes pinned, every damage found and its cost bounded, every sample of a whole file read."""

import io
import random
import struct

import numpy as np
import pytest

from sparkcv import synthetic
from sparkcv.errors import DataError, RecordError
from sparkcv.records import gnt
from sparkcv.records.gnt import BadSample, Sample

# GB2312, GBK beyond it, an ASCII character and a letter of Greek: what a set has.
CHARACTERS = "啊一囧AπЖあ"


def pixels(seed: int, height: int = 40, width: int = 30) -> np.ndarray:
    """Grey ink on white, of no two values alike in a row."""
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


SAMPLES = [gnt.encode(character, pixels(i, 20 + i, 300 - 40 * i)) for i, character in enumerate(CHARACTERS)]
STARTS = [sum(map(len, SAMPLES[:index])) for index in range(len(SAMPLES) + 1)]
FILE = b"".join(SAMPLES)


def scan(data: bytes, max_pixels: int = gnt.MAX_PIXELS) -> tuple[list[Sample], list[BadSample]]:
    """What is read of a file, which is all of it, once, in order."""
    items = list(gnt.read(io.BytesIO(data), max_pixels))
    ends = [item.offset + (item.num_bytes if isinstance(item, Sample) else item.lost_bytes) for item in items]
    assert [item.offset for item in items] == [0, *ends][: len(items)]
    assert ends[-1:] == [len(data)] * bool(data)
    good = [item for item in items if isinstance(item, Sample)]
    return good, [item for item in items if isinstance(item, BadSample)]


class Trickle(io.RawIOBase):
    """A stream that gives seven bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._source.read(min(7, size) if size >= 0 else -1)


def test_a_sample_has_the_formats_bytes():
    picture = np.array([[255, 0, 7], [1, 2, 255]], np.uint8)
    assert gnt.encode("啊", picture).hex() == "10000000" + "b0a1" + "0300" + "0200" + "ff00070102ff"
    assert gnt.encode("A", picture)[4:6] == b"A\0"
    assert gnt.encode("囧", picture)[4:6].hex() == "87e5"  # of GBK, which GB2312 lacks


def test_what_is_written_is_read_again_in_its_order():
    good, bad = scan(FILE)
    assert bad == []
    assert [sample.character for sample in good] == list(CHARACTERS)
    assert [sample.offset for sample in good] == STARTS[:-1]
    for index, sample in enumerate(good):
        np.testing.assert_array_equal(sample.pixels, pixels(index, 20 + index, 300 - 40 * index))
        assert sample.num_bytes == len(SAMPLES[index])
    assert [sample.character for sample in gnt.read(Trickle(FILE))] == list(CHARACTERS)
    assert scan(b"") == ([], [])


def test_sizes_are_whole_numbers_where_a_byte_that_is_shifted_stays_a_byte():
    """The tutorials' reader adds shifted bytes of a uint8 array: under NumPy 2 that ends before the first sample."""
    head = np.frombuffer(FILE, np.uint8, gnt.HEADER_BYTES)
    with np.errstate(over="ignore"):
        size = head[0] + (head[1] << 8) + (head[2] << 16) + (head[3] << 24)
        width, height = head[6] + (head[7] << 8), head[8] + (head[9] << 8)
        assert gnt.HEADER_BYTES + int(width) * int(height) != int(size)  # at which that reader stops
    good, _ = scan(FILE)
    assert (good[0].num_bytes, *good[0].pixels.shape) == (6010, 20, 300)


@pytest.mark.parametrize("cut", [1, 9, 10, 11, 3000, len(SAMPLES[0]) - 1])
def test_a_file_that_is_cut_costs_its_last_sample(cut):
    good, bad = scan(FILE + SAMPLES[0][:cut])
    assert [sample.character for sample in good] == list(CHARACTERS)
    (lost,) = bad
    assert (lost.offset, lost.lost_bytes) == (len(FILE), cut)
    assert lost.reason.startswith("cut")


@pytest.mark.parametrize("at", [STARTS[2] + 12, STARTS[3] - 100, STARTS[2] + 400])
@pytest.mark.parametrize("num_bytes", [1, 5, 90])
def test_bytes_that_are_missing_or_too_many_cost_the_sample_that_they_are_of(at, num_bytes):
    missing = FILE[:at] + FILE[at + num_bytes :]
    good, bad = scan(missing)
    assert [sample.character for sample in good] == [c for i, c in enumerate(CHARACTERS) if i != 2]
    assert [(lost.offset, lost.reason.partition(":")[0]) for lost in bad] == [(STARTS[2], "cut")]
    good, bad = scan(FILE[:at] + bytes(num_bytes) + FILE[at:])
    assert len(good) == len(CHARACTERS)  # nothing tells the bytes that were put in from those that they pushed out
    assert [lost.offset for lost in bad] == [STARTS[3]]


def test_every_flipped_bit_of_a_header_is_found_and_costs_one_sample():
    for bit in range(8 * gnt.HEADER_BYTES):
        damaged = bytearray(FILE)
        damaged[STARTS[3] + bit // 8] ^= 1 << bit % 8
        good, bad = scan(bytes(damaged))
        if bit // 8 in (4, 5) and not bad:  # another character: the format cannot tell
            assert [sample.offset for sample in good] == STARTS[:-1]
            continue
        assert [sample.offset for sample in good] == [start for start in STARTS[:-1] if start != STARTS[3]]
        assert [(lost.offset, lost.lost_bytes) for lost in bad] == [(STARTS[3], len(SAMPLES[3]))]


def test_a_lie_about_all_sizes_costs_the_sample_that_tells_it():
    for width, height in ((65535, 200), (20, 20), (300, 23)):
        lie = struct.pack("<I2sHH", 10 + width * height, b"A\0", width, height) + SAMPLES[3][10:]
        good, bad = scan(b"".join([*SAMPLES[:3], lie, *SAMPLES[4:]]))
        assert [sample.offset for sample in good if sample.offset not in (STARTS[3],)] == [
            start for start in STARTS[:-1] if start != STARTS[3]
        ]
        assert bad
        assert all(STARTS[3] <= lost.offset < STARTS[4] for lost in bad)


def test_sizes_beyond_the_limit_are_told_and_never_allocated():
    huge = struct.pack("<I2sHH", 10 + 65535 * 65535, b"A\0", 65535, 65535)
    good, bad = scan(SAMPLES[0] + huge + FILE)
    assert len(good) == 1 + len(SAMPLES)
    assert bad == [BadSample(len(SAMPLES[0]), "too large: 65535x65535 pixels, at most 16777216 in all", 10)]
    good, bad = scan(FILE, max_pixels=5000)
    assert {lost.reason.partition(":")[0] for lost in bad} == {"too large"}
    assert len(good) == sum(len(sample) <= 5010 for sample in SAMPLES)


@pytest.mark.parametrize(
    ("code", "said"), [(b"\xff\x80", "0xff80"), (b"\0\0", "0x0000"), (b"AB", "0x4142"), (b"\x07\0", "0x0700")]
)
def test_a_code_that_is_no_character_costs_itself(code, said):
    sample = struct.pack("<I2sHH", 16, code, 3, 2) + bytes(6)
    good, bad = scan(SAMPLES[0] + sample + SAMPLES[1])
    assert len(good) == 2
    assert bad == [BadSample(len(SAMPLES[0]), f"no character: the GB code {said}", 16)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (synthetic.encode(synthetic.draw(0, 0, 64), "jpeg"), "no GNT: JPEG (wrong size: "),
        (synthetic.encode(synthetic.draw(0, 0, 64), "png"), "no GNT: PNG (zero side: "),
        (b"PK\3\4" + bytes(1000), "no GNT: ZIP (zero side: "),
        (b"not a picture of anything", "no GNT: text (wrong size: "),
        (bytes(3_000_000), "no GNT: zero bytes (zero side: 0x0 pixels)"),
        (b"\1", "no GNT: unknown, starts with 01 (cut header: 1 of 10 bytes are there)"),
    ],
    ids=["jpeg", "png", "zip", "text", "zeros", "a byte"],
)
def test_a_file_that_is_something_else_is_named_once(data, said):
    good, (bad,) = scan(data)
    assert good == []
    assert (bad.offset, bad.lost_bytes) == (0, len(data))
    assert bad.reason.startswith(said)


def test_samples_are_found_behind_more_than_is_held_at_once():
    noise = random.Random(3).randbytes(3 << 20)
    good, bad = scan(SAMPLES[0] + noise + SAMPLES[1] + SAMPLES[2])
    assert [sample.character for sample in good] == [CHARACTERS[0], CHARACTERS[1], CHARACTERS[2]]
    assert [(lost.offset, lost.lost_bytes) for lost in bad] == [(len(SAMPLES[0]), len(noise))]


@pytest.mark.parametrize(
    ("character", "picture", "said"),
    [
        ("é€", pixels(0), "got 'é€' to write as GNT, wanted one character that GBK has"),
        ("😀", pixels(0), "wanted one character that GBK has"),
        ("\0", pixels(0), "wanted one character that GBK has"),
        ("\ud800", pixels(0), "wanted one character that GBK has"),
        ("A", pixels(0).astype(np.float32), r"got float32 \[40, 30\] to write as GNT, wanted uint8"),
        ("A", np.zeros((0, 4), np.uint8), r"got uint8 \[0, 4\]"),
        ("A", np.zeros((1, 65536), np.uint8), r"got uint8 \[1, 65536\]"),
        ("A", np.zeros((2, 2, 1), np.uint8), r"got uint8 \[2, 2, 1\]"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(character, picture, said):
    with pytest.raises(DataError, match=said):
        gnt.encode(character, picture)


def test_one_sample_by_itself_is_all_of_its_bytes():
    assert gnt.decode(SAMPLES[0]).character == "啊"
    for data, said in (
        (SAMPLES[0][:-1], "6009 bytes of a sample of 6010"),
        (SAMPLES[0] + b"\0", "6011 bytes of a sample of 6010"),
        (SAMPLES[0][:5], "cut header: 5 of 10"),
    ):
        with pytest.raises(RecordError, match=f"damaged at offset 0: {said}"):
            gnt.decode(data)
