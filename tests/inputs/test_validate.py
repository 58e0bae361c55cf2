"""Validation: nothing bad passes, nothing good is lost, and the account is exact."""

import pathlib
import re

import pytest

from sparkcv.inputs.validate import ImageCheck, validate_shard
from sparkcv.records import tfrecord
from sparkcv.records.assignment import Assignment
from sparkcv.records.shards import Shard
from tests.inputs import data

PAYLOADS = [b"record %02d" % i for i in range(20)]
GOOD = data.shard_bytes(PAYLOADS)


def accept(payload):
    return None


def validate(tmp_path, content, *, total=20, start=0, stride=1, check=accept, dropped=()):
    path = tmp_path / "shard"
    path.write_bytes(content)
    shard = Shard("/stored/shard", total, len(content), None)
    validated = validate_shard(str(path), Assignment(shard, start, stride), check, dropped)
    left = path.read_bytes()
    assert len(left) == validated.num_bytes
    payloads = [bytes(record.payload) for record in tfrecord.read_records(left, "left")]
    assert len(payloads) == len(validated.offsets)
    return validated, payloads


def lost(validated):
    return sum(reject.num_records for reject in validated.rejects)


def test_a_good_shard_passes_as_it_is(tmp_path):
    validated, payloads = validate(tmp_path, GOOD)
    assert payloads == PAYLOADS
    assert validated.rejects == []
    assert list(validated.offsets) == [i * (len(PAYLOADS[0]) + 16) for i in range(20)]


@pytest.mark.parametrize("flipped", [0x04, 0xFF])
def test_one_flipped_byte_costs_no_record_in_a_header_and_exactly_its_own_elsewhere(tmp_path, flipped):
    frame_bytes = len(GOOD) // 20
    for offset in range(len(GOOD)):
        damaged = bytearray(GOOD)
        damaged[offset] ^= flipped
        validated, payloads = validate(tmp_path, bytes(damaged))
        assert validated.is_damaged
        if offset % frame_bytes < tfrecord.HEADER_BYTES:  # mended in the file too: TensorFlow reads it next
            assert (payloads, validated.rejects) == (PAYLOADS, []), offset
            assert (tmp_path / "shard").read_bytes() == GOOD, offset
            continue
        assert len(payloads) + lost(validated) == 20, offset
        assert len(validated.rejects) == 1, offset
        assert lost(validated) == 1, offset
        assert validated.rejects[0].offset == offset // frame_bytes * frame_bytes


@pytest.mark.parametrize(("header", "gone"), [(None, ()), (b"\xaa" * 12, (4, 5, 6))])
def test_wrong_lengths_side_by_side_cost_what_cannot_be_mended_whoever_shares_the_shard(tmp_path, header, gone):
    damaged = bytearray(GOOD)
    for hit in (4, 5, 6, 12):
        at = hit * len(GOOD) // 20
        damaged[at : at + 12] = header or bytes([damaged[at] ^ 1]) + damaged[at + 1 : at + 12]
    found, rejected = [], []
    for start in range(3):
        validated, payloads = validate(tmp_path, bytes(damaged), start=start, stride=3)
        assert payloads == [payload for i, payload in enumerate(PAYLOADS) if i % 3 == start and i not in gone]
        found += payloads
        rejected += validated.rejects
    assert len(found) == 20 - len(gone)
    assert sum(reject.num_records for reject in rejected) == len(gone)


def test_a_mended_record_behind_one_that_is_left_out_is_whole_where_it_moves_to(tmp_path):
    damaged = bytearray(GOOD)
    damaged[5 * len(GOOD) // 20] ^= 0xFF
    _, payloads = validate(tmp_path, bytes(damaged), dropped={0})
    assert payloads == PAYLOADS[1:]


@pytest.mark.parametrize("total", [20, None])
@pytest.mark.parametrize("cut", range(1, 12))
def test_an_end_that_tensorflow_takes_for_a_clean_one_is_told(tmp_path, total, cut):
    short, _ = validate(tmp_path, GOOD[: len(GOOD) // 20 * 19 + cut], total=total)
    assert [reject.num_records for reject in short.rejects] == [1]
    assert "cut inside a length header" in short.rejects[0].reason
    long, payloads = validate(tmp_path, GOOD + b"\x01" * cut, total=total)
    assert payloads == PAYLOADS
    assert len(long.rejects) == 1


def test_a_cut_at_any_offset_loses_no_record_silently(tmp_path):
    for length in range(len(GOOD)):
        validated, payloads = validate(tmp_path, GOOD[:length])
        assert len(payloads) == length // (len(GOOD) // 20)
        assert len(payloads) + lost(validated) == 20, length


def test_a_cut_between_two_records_is_said_in_words(tmp_path):
    validated, _ = validate(tmp_path, GOOD[: len(GOOD) // 2])
    assert [reject.reason for reject in validated.rejects] == ["the shard ends after 10 of 20 records"]
    assert validated.rejects[0].num_records == 10


@pytest.mark.parametrize("tail", [b"x", b"\0" * 16, b"x" * 100, data.shard_bytes([b"one too many"])])
def test_bytes_behind_the_last_record_are_told_and_cost_none(tmp_path, tail):
    validated, payloads = validate(tmp_path, GOOD + tail)
    assert payloads == PAYLOADS
    assert [reject.num_records for reject in validated.rejects] == [0]


def test_an_empty_file_loses_all_its_records(tmp_path):
    validated, payloads = validate(tmp_path, b"")
    assert payloads == []
    assert lost(validated) == 20


def test_an_empty_shard_of_no_records_is_fine(tmp_path):
    validated, payloads = validate(tmp_path, b"", total=0)
    assert (payloads, validated.rejects) == ([], [])


def test_without_a_manifest_a_broken_end_counts_as_one_record(tmp_path):
    validated, payloads = validate(tmp_path, GOOD[:-1], total=None)
    assert len(payloads) == 19
    assert lost(validated) == 1


@pytest.mark.parametrize("content", [GOOD, GOOD[:401], GOOD + b"xyz", b""])
def test_workers_that_share_a_shard_account_for_it_once(tmp_path, content):
    found, rejected = [], []
    for start in range(3):
        validated, payloads = validate(tmp_path, content, start=start, stride=3)
        found += payloads
        rejected += validated.rejects
    assert len(found) == len(set(found))
    assert len(found) + sum(reject.num_records for reject in rejected) == 20


def test_a_record_that_the_check_refuses_is_left_out_with_its_offset(tmp_path):
    validated, payloads = validate(tmp_path, GOOD, check=lambda payload: "odd" if int(payload[-2:]) % 2 else None)
    assert payloads == PAYLOADS[::2]
    assert [reject.offset for reject in validated.rejects] == [i * (len(GOOD) // 20) for i in range(1, 20, 2)]
    assert {reject.reason for reject in validated.rejects} == {"odd"}


def test_the_first_and_the_last_record_can_be_left_out(tmp_path):
    _, payloads = validate(tmp_path, GOOD, check=lambda payload: "edge" if payload[-2:] in (b"00", b"19") else None)
    assert payloads == PAYLOADS[1:-1]


def test_a_dropped_record_is_left_out_without_a_word(tmp_path):
    validated, payloads = validate(tmp_path, GOOD, dropped={0, 5 * (len(GOOD) // 20)})
    assert payloads == [payload for i, payload in enumerate(PAYLOADS) if i not in (0, 5)]
    assert validated.rejects == []


PICTURE = data.picture(1, 3)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (data.payload(PICTURE, -1), "label -1, wanted 1 to 2"),
        (data.payload(PICTURE, 0), "label 0, wanted 1 to 2"),
        (data.payload(PICTURE, 3), "label 3, wanted 1 to 2"),
        (b"nonsense", "no tf.train.Example"),
        (data.payload(b"", 1), "empty: 0 bytes"),
        (data.payload(PICTURE[:-20], 1), "truncated"),
        (data.payload(b"II*\0" + b"\0" * 40, 1), "not JPEG, PNG, GIF, BMP or WebP: TIFF"),
        (data.payload(data.palette_bmp(), 1), "not decodable in a shard: a bmp of a kind that TensorFlow misreads"),
        (data.payload(data.picture(0, 0, size=64), 1), "too large: 64x64 pixels"),
    ],
)
def test_the_check_of_a_picture_says_what_is_wrong(payload, reason):
    check = ImageCheck(num_classes=3, labels_offset=1, max_pixels=32 * 32)
    assert reason in check(payload)


@pytest.mark.parametrize("label", [1, 2])
def test_the_check_passes_pictures_with_labels_in_range(label):
    check = ImageCheck(num_classes=3, labels_offset=1, max_pixels=32 * 32)
    assert check(data.payload(PICTURE, label)) is None
    assert check(data.payload(data.picture(0, 0, kind="png"), label, kind="png")) is None


def test_a_missing_label_and_one_that_is_a_string_are_refused():
    from sparkcv.records.features import encode_features

    check = ImageCheck(num_classes=3)
    assert "image/class/label" in check(encode_features({"image/encoded": PICTURE}))
    as_text = {"image/encoded": PICTURE, "image/class/label": b"1"}
    assert "image/class/label" in check(encode_features(as_text))


@pytest.mark.parametrize("refused", [None, 0], ids=["whole", "one less"])
def test_a_shard_passes_through_memory_and_does_not_stay_there(tmp_path, refused):
    """YARN counts the pages of mapped files too; a shard may be of gigabytes, and several are looked at at a time."""
    payloads = [bytes([index]) * (1 << 20) for index in range(96)]
    resident = []

    def check(payload):
        status = pathlib.Path("/proc/self/status").read_text()
        resident.append(int(re.search(r"^RssFile:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024)
        return "no" if len(resident) - 1 == refused else None

    before = int(re.search(r"^RssFile:\s+(\d+) kB$", pathlib.Path("/proc/self/status").read_text(), re.MULTILINE)[1])
    _, left = validate(tmp_path, data.shard_bytes(payloads), total=96, check=check)
    assert left == payloads[refused is not None :]
    assert max(resident) < before * 1024 + (40 << 20)
