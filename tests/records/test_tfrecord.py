"""TFRecord frames: bytes pinned to TensorFlow's, every flipped byte found, every cut accounted for."""

import random

import pytest

from sparkcv.errors import RecordError
from sparkcv.records import tfrecord

PAYLOADS = [bytes([index]) * (index * 7 % 23 + 1) for index in range(20)]
SHARD = b"".join(tfrecord.frame(payload) for payload in PAYLOADS)
STARTS = [sum(len(payload) + 16 for payload in PAYLOADS[:index]) for index in range(21)]


def record_at(offset: int) -> int:
    return max(index for index in range(20) if STARTS[index] <= offset)


def is_header(offset: int) -> bool:
    return offset - STARTS[record_at(offset)] < tfrecord.HEADER_BYTES


def scan(data, num_records=None):
    items = tfrecord.read_all(data, num_records)
    good = [item for item in items if isinstance(item, tfrecord.Record)]
    return good, [item for item in items if isinstance(item, tfrecord.BadRecord)]


def test_a_frame_has_tensorflows_bytes():
    # Written by tf.io.TFRecordWriter of TensorFlow 2.21.
    golden = "0500000000000000eab2043e68656c6c6fbb1f1c19"
    assert tfrecord.frame(b"hello").hex() == golden
    assert tfrecord.frame(b"").hex() == "000000000000000029039807d8ea82a2"


def test_the_masked_crc_is_the_formats_own():
    assert tfrecord.masked_crc32c(b"") == 0xA282EAD8
    assert tfrecord.masked_crc32c(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_whole_shard_gives_every_record_with_its_offset():
    records = list(tfrecord.read_records(SHARD, "shard"))
    assert [bytes(record.payload) for record in records] == PAYLOADS
    assert [record.offset for record in records] == STARTS[:20]
    good, bad = scan(memoryview(SHARD))
    assert good == records
    assert bad == []


def test_an_empty_shard_has_no_records():
    assert scan(b"") == ([], [])
    assert list(tfrecord.read_records(b"", "shard")) == []


def test_an_empty_payload_is_a_record():
    good, bad = scan(tfrecord.frame(b"") * 2)
    assert [len(record.payload) for record in good] == [0, 0]
    assert bad == []


@pytest.mark.parametrize("bit", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_no_record_in_a_header_and_its_own_in_a_payload(bit):
    for offset in range(len(SHARD)):
        damaged = bytearray(SHARD)
        damaged[offset] ^= bit
        good, bad = scan(bytes(damaged))
        hit = record_at(offset)
        if is_header(offset):
            assert bad == []
            assert [record.offset for record in good if record.is_mended] == [STARTS[hit]]
            assert [bytes(record.payload) for record in good] == PAYLOADS
            continue
        (fault,) = bad
        assert (fault.offset, fault.num_records, fault.is_gap) == (STARTS[hit], 1, False)
        assert fault.lost_bytes == len(PAYLOADS[hit]) + 16
        assert [bytes(record.payload) for record in good] == PAYLOADS[:hit] + PAYLOADS[hit + 1 :]


@pytest.mark.parametrize("cut", [0, 1, 9])
@pytest.mark.parametrize("flipped", [4, 0xFF])
def test_behind_a_wrong_length_nothing_is_lost_where_the_shard_is_cut_too(cut, flipped):
    damaged = bytearray(SHARD[: len(SHARD) - cut])
    damaged[STARTS[3]] ^= flipped
    good, bad = scan(bytes(damaged))
    last = 20 if not cut else 19
    assert [bytes(record.payload) for record in good] == PAYLOADS[:last]
    assert [fault.is_gap for fault in bad] == [True] * bool(cut)


def test_frames_inside_of_a_record_are_none_of_the_shard():
    inner = b"".join(tfrecord.frame(b"inner %d" % index) for index in range(5))
    payloads = [b"first", b"before" + inner + b"behind", b"third", b"fourth"]
    whole = b"".join(map(tfrecord.frame, payloads))
    at = 16 + len(payloads[0])
    damaged = whole[:at] + b"\xff" + whole[at + 1 :]
    good, bad = scan(damaged)
    assert [bytes(record.payload) for record in good] == payloads  # the payload's own CRC proves where it ends
    assert bad == []
    good, (fault,) = scan(damaged.replace(b"before", b"behind"))
    assert [bytes(record.payload) for record in good] == [payloads[0], *payloads[2:]]
    assert fault.lost_bytes == 16 + len(payloads[1])


def test_one_frame_that_does_not_end_with_the_shard_proves_nothing():
    good, (fault,) = scan(b"\xff" * 20 + tfrecord.frame(b"one") + b"tail of some bytes")
    assert good == []
    assert fault.lost_bytes == 20 + 19 + 18


def test_a_gap_stands_for_all_that_the_manifest_misses():
    damaged = bytearray(SHARD)
    for hit in (4, 5, 6, 12):
        damaged[STARTS[hit]] ^= 1
    assert [bytes(record.payload) for record in scan(bytes(damaged), 20)[0]] == PAYLOADS  # one bit is mended
    for hit in (4, 5, 6, 12):
        damaged[STARTS[hit] : STARTS[hit] + 12] = b"\xaa" * 12
    good, (fault,) = scan(bytes(damaged), 20)
    assert [bytes(record.payload) for record in good] == PAYLOADS[:4] + PAYLOADS[7:]
    assert (fault.offset, fault.num_records) == (STARTS[4], 3)
    good, (fault,) = scan(bytes(damaged))
    assert (len(good), fault.num_records) == (17, 1)


def test_zeros_in_their_millions_are_searched_at_once():
    good, (fault,) = scan(b"\xff" * 12 + bytes(1 << 24) + SHARD)
    assert len(good) == 20
    assert fault.lost_bytes == 12 + (1 << 24)


def test_every_cut_delivers_the_records_before_it_and_says_what_is_lost():
    for length in range(len(SHARD)):
        good, bad = scan(SHARD[:length])
        whole = sum(start <= length for start in STARTS[1:])
        assert [bytes(record.payload) for record in good] == PAYLOADS[:whole]
        if length in STARTS:  # between two records nothing shows: that is what the manifest's count is for
            assert bad == []
        else:
            (fault,) = bad
            assert (fault.offset, fault.lost_bytes, fault.is_gap) == (STARTS[whole], length - STARTS[whole], True)


@pytest.mark.parametrize("trailing", [b"\0", b"x" * 11, b"\0" * 12, b"\0" * 500])
def test_trailing_bytes_are_told_and_cost_no_record(trailing):
    good, bad = scan(SHARD + trailing)
    assert len(good) == 20
    assert [(fault.offset, fault.lost_bytes) for fault in bad] == [(len(SHARD), len(trailing))]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (SHARD[:-1], "a.tfrecord: damaged at offset .*: cut inside a record of"),
        (SHARD[:5], "a.tfrecord: damaged at offset 0: cut inside a length header, 5 bytes lost"),
        (b"\xff" * 40, "a.tfrecord: damaged at offset 0: wrong CRC of the length, the last 40 bytes lost"),
        (SHARD[:12] + b"\xff" + SHARD[13:], "a.tfrecord: damaged at offset 0: wrong CRC of the payload of 1 bytes"),
    ],
)
def test_strict_reading_stops_at_the_first_damage_naming_the_place(data, sentence):
    with pytest.raises(RecordError, match=sentence):
        list(tfrecord.read_records(data, "a.tfrecord"))


def test_a_length_of_exabytes_is_refused_without_allocating():
    length = (2**63).to_bytes(8, "little")
    header = length + tfrecord.masked_crc32c(length).to_bytes(4, "little")
    good, (fault,) = scan(header + b"x" * 100)
    assert good == []
    assert fault.reason == f"cut inside a record of {2**63} bytes, 112 bytes lost"


def test_noise_never_crashes_and_never_gives_a_record():
    rng = random.Random(0)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(200))
        good, bad = scan(data)
        assert good == []
        assert len(bad) == bool(data)


@pytest.mark.tensorflow
def test_tensorflow_reads_what_we_write_and_we_read_what_it_writes(tmp_path):
    import tensorflow.compat.v1 as tf

    (tmp_path / "ours").write_bytes(SHARD)
    assert list(tf.io.tf_record_iterator(str(tmp_path / "ours"))) == PAYLOADS
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for payload in PAYLOADS:
            writer.write(payload)
    assert (tmp_path / "theirs").read_bytes() == SHARD
