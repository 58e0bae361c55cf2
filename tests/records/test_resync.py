import pytest

from sparkcv.records.resync import read_all
from sparkcv.records.tfrecord import BadRecord, Record, frame

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
    return [bytes(item.payload) if isinstance(item, Record) else None for item in read_all(data, num_records)]


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
    assert found == [*PAYLOADS[:3], *[None] * 7]


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
