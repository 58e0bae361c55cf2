"""Behind damage: each place of a shard holds its own record or none, as far as CRCs and the count prove it."""

import random

import pytest

from sparkcv.records.tfrecord import HEADER_BYTES, BadRecord, Record, frame, read_all

COUNT = 10
PAYLOADS = [b"payload %d" % index * 20 for index in range(COUNT)]
FRAMES = [frame(payload) for payload in PAYLOADS]


def start(index):
    return sum(map(len, FRAMES[:index]))


def spoiled(*spans, frames=FRAMES):
    data = bytearray(b"".join(frames))
    for at, size in spans:
        data[at : at + size] = bytes(byte ^ 0x5A for byte in data[at : at + size])
    return memoryview(bytes(data))


def read(data, num_records=COUNT):
    """What each place holds: its payload, or None."""
    items = read_all(data, num_records)
    return [bytes(one.payload) if isinstance(one, Record) else None for one in items for _ in range(one.num_records)]


def without(*lost):
    return [None if index in lost else payload for index, payload in enumerate(PAYLOADS)]


@pytest.mark.parametrize("count", [COUNT, None])
def test_whole_data_gives_its_records(count):
    assert read(spoiled(), count) == PAYLOADS


@pytest.mark.parametrize("bit", range(96))
@pytest.mark.parametrize("count", [COUNT, None])
def test_each_bit_of_a_header_can_be_mended(bit, count):
    data = bytearray(spoiled())
    data[start(3) + bit // 8] ^= 1 << bit % 8
    assert read(memoryview(bytes(data)), count) == PAYLOADS


def test_a_header_that_is_lost_altogether_is_found_again_by_the_payloads_crc():
    assert read(spoiled((start(3), 12))) == PAYLOADS


def test_a_hole_costs_what_it_covers_and_no_more():
    assert read(spoiled((start(3), 20))) == without(3)
    assert read(spoiled((start(3), start(6) - start(3) + 2))) == without(3, 4, 5, 6)[:7] + PAYLOADS[7:]
    assert read(spoiled((start(0), 20), (start(9), 20))) == without(0, 9)


def test_between_two_holes_of_unknown_size_nothing_is_placed():
    holes = (start(1), start(3) - start(1)), (start(6), start(8) - start(6))
    assert read(spoiled(*holes)) == [PAYLOADS[0], *[None] * 7, *PAYLOADS[8:]]


def test_holes_of_one_record_each_leave_the_rest_in_place():
    assert read(spoiled((start(1), 20), (start(6), 20))) == without(1, 6)


def test_a_hole_of_zeros_is_passed_over():
    data = bytearray(spoiled())
    data[start(3) : start(5)] = bytes(start(5) - start(3))
    assert read(memoryview(bytes(data))) == without(3, 4)


def test_frames_inside_of_a_payload_are_not_taken_for_records_of_the_shard():
    frames = [*FRAMES[:3], frame(b"".join(FRAMES[:2]) + b"tail"), *FRAMES[4:]]
    assert read(spoiled(frames=frames))[4:] == PAYLOADS[4:]
    found = read(spoiled((start(3), 13), (start(3) + len(frames[3]) - 6, 2), frames=frames))
    assert found == without(3)  # what leads to the shard's end is no payload's, so the records behind keep their places


def test_a_shard_that_was_cut_keeps_what_is_before_the_cut():
    whole = b"".join(FRAMES)
    for cut in (start(4), start(4) + 5, start(4) + 30):
        assert read(memoryview(whole[:cut])) == [*PAYLOADS[:4], *[None] * 6]
    assert read(memoryview(b"")) == [None] * COUNT


def test_a_payload_that_was_hit_is_a_bad_record_in_its_place():
    items = read_all(spoiled((start(5) + 20, 1)), COUNT)
    assert isinstance(items[5], BadRecord)
    assert items[5].reason == "wrong CRC of the payload of 180 bytes"
    assert read(spoiled((start(5) + 20, 1))) == without(5)


def test_without_a_count_a_hole_is_one_bad_record():
    assert read(spoiled((start(3), start(6) - start(3) + 2)), None) == [*PAYLOADS[:3], None, *PAYLOADS[7:]]


def test_more_records_than_were_promised_are_cut_off():
    assert read(spoiled(), 4) == PAYLOADS[:4]


def test_every_flipped_byte_of_a_header_is_mended_or_proven_by_the_payload():
    for offset in range(HEADER_BYTES):
        for index in range(COUNT):
            for flipped in (1, 0x5A, 0xFF):
                data = bytearray(spoiled())
                data[start(index) + offset] ^= flipped
                items = read_all(bytes(data), COUNT)
                assert [bytes(item.payload) for item in items] == PAYLOADS
                assert [item.is_mended for item in items] == [at == index for at in range(COUNT)]


INNER = [
    b"".join(frame(b"inner %d" % index * size) for index in range(count)) for count, size in ((1, 3), (3, 30), (9, 1))
]


@pytest.mark.parametrize("inner", [*INNER, INNER[1][:-4], INNER[1][:-1], frame(INNER[1])], ids=range(6))
@pytest.mark.parametrize("before", [b"", b"before" * 30], ids=["", "before"])
@pytest.mark.parametrize("behind", [b"", b"behind" * 30], ids=["", "behind"])
@pytest.mark.parametrize("count", [COUNT, None])
def test_whatever_a_hole_covers_no_frame_of_a_payload_is_a_record_of_the_shard(inner, before, behind, count):
    payloads = [*PAYLOADS[:4], before + inner + behind, *PAYLOADS[5:]]
    frames = [frame(payload) for payload in payloads]
    at = sum(map(len, frames[:4]))
    assert read(spoiled((at, HEADER_BYTES), frames=frames), count) == payloads
    footer = at + len(frames[4]) - 4
    for first in range(5):
        for tail in ((footer, 2), (footer, 2 + HEADER_BYTES), (at + HEADER_BYTES, 1)):
            hole = sum(map(len, frames[:first])), at + HEADER_BYTES - sum(map(len, frames[:first]))
            found = read(spoiled(hole, tail, frames=frames), count)
            delivered = [payload for payload in found if payload is not None]
            assert set(delivered) <= set(payloads)
            if count:
                assert len(found) == COUNT
                assert all(payload in (None, payloads[index]) for index, payload in enumerate(found))


def test_a_hole_of_several_records_and_one_of_unknown_size_prove_no_place():
    frames = [*FRAMES[:3], frame(b"before" + frame(b"inner") + b"behind" * 9), *FRAMES[4:]]
    data = bytearray(spoiled(frames=frames))
    data[start(1) : start(3) + 14] = b"\xaa" * (
        start(3) + 14 - start(1)
    )  # three records; the count fits gap, inner, gap
    assert read(bytes(data)) == without(1, 2, 3)


def test_bytes_behind_the_last_record_leave_the_places_of_others_alone():
    tail = b"\xaa" * 100
    assert read(bytes(spoiled((start(2), start(3) - start(2) + 20))) + tail) == [*PAYLOADS[:2], *[None] * 8]
    assert read(bytes(spoiled()) + tail) == PAYLOADS


@pytest.mark.parametrize("hole", [bytes(1 << 24), random.Random(1).randbytes(1 << 22)], ids=["zeros", "random"])
def test_large_holes_are_passed_over(hole):
    data = b"".join([*FRAMES[:3], hole, *FRAMES[4:]])
    assert read(data) == without(3)
    assert read(data, None) == without(3)


def test_many_holes_cost_their_records():
    frames = FRAMES * 100
    places = [sum(map(len, FRAMES)) * part for part in range(1, 100, 2)]
    data = bytes(spoiled(*((at, 20) for at in places), frames=frames))
    wanted = PAYLOADS * 100
    for part in range(1, 100, 2):
        wanted[part * COUNT] = None
    assert read(data, COUNT * 100) == wanted
