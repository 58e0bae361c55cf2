"""The order of shards, and how far a reader is in it."""

import itertools
from array import array

import pytest

from sparkcv.inputs import filename_queue
from sparkcv.inputs.filename_queue import FilenameQueue, slots
from sparkcv.inputs.shard_cache import CachedFile
from sparkcv.records.assignment import Assignment
from sparkcv.records.shards import Shard


@pytest.mark.parametrize("epoch", range(4))
def test_each_epoch_is_a_permutation_that_seed_and_epoch_determine(epoch):
    order = filename_queue.epoch_order(50, 7, epoch)
    assert sorted(order) == list(range(50))
    assert order == filename_queue.epoch_order(50, 7, epoch)
    assert order != filename_queue.epoch_order(50, 7, epoch + 1)
    assert order != filename_queue.epoch_order(50, 8, epoch)


def test_without_a_seed_shards_come_in_their_own_order():
    assert filename_queue.epoch_order(5, None, 3) == [0, 1, 2, 3, 4]


def test_slots_end_after_the_epochs_asked_for():
    found = list(filename_queue.slots(3, 1, 0, 2))
    assert [slot.ticket for slot in found] == list(range(6))
    assert [slot.epoch for slot in found] == [0, 0, 0, 1, 1, 1]


def test_slots_without_a_number_of_epochs_have_no_end():
    assert len(list(itertools.islice(filename_queue.slots(3, 1, 0, None), 100))) == 100


def test_a_resumed_run_goes_on_with_the_orders_of_later_epochs():
    orders = [slot.source for slot in filename_queue.slots(9, 1, 5, 1)]
    assert orders == filename_queue.epoch_order(9, 1, 5)


def test_the_share_of_strided_assignments_adds_up_to_the_shard():
    shard = Shard("/a", 10, 100, None)
    assert [filename_queue.share([Assignment(shard, start, 3)]) for start in range(3)] == [4, 3, 3]


def test_the_share_is_unknown_without_a_manifest():
    assert filename_queue.share([Assignment(Shard("/a", 10, 9, None)), Assignment(Shard("/b", None, 9, None))]) is None


def fetched(source, num_records=5):
    return CachedFile(f"/{source}", source, array("Q", range(num_records)), 10)


@pytest.fixture
def queue():
    """Three shards for two epochs, of which two may wait."""
    return FilenameQueue(slots(3, None, 0, 2), 2)


def test_slots_wait_up_to_the_capacity_and_are_ready_when_their_fetch_has_ended(queue):
    first, second = queue.begin(), queue.begin()
    assert queue.is_full
    assert queue.fetching() == {0, 1}
    second.file = fetched(1)
    assert queue.fetching() == {0}
    assert queue.num_ready == 1
    assert queue.take() is None  # what came later waits for what is needed first
    first.file = fetched(0)
    assert [queue.take(), queue.take(), queue.take()] == [first, second, None]
    assert len(queue) == 0


def test_what_has_been_taken_is_given_back_once_and_counted_once(queue):
    slot = queue.begin()
    slot.file = fetched(0)
    queue.take()
    assert queue.taken(slot.ticket) is slot
    assert queue.give_back(slot.ticket) is slot.file
    assert queue.give_back(slot.ticket) is None
    assert queue.num_read == 5


def test_what_is_held_beside_the_order_does_not_count_as_read(queue):
    one, other = queue.hold(fetched(0)), queue.hold(fetched(1))
    assert one.ticket != other.ticket
    assert queue.give_back(one.ticket).source == 0
    assert queue.give_back(other.ticket).source == 1
    assert queue.num_read == 0


def test_a_slot_can_be_put_behind_the_others(queue):
    first, second = queue.begin(), queue.begin()
    assert queue.is_first(first)
    queue.put_last(first)
    assert queue.is_first(second)
    assert not queue.is_first(first)


def test_it_is_over_when_the_last_slot_of_the_last_epoch_was_taken(queue):
    for number in range(6):
        assert not queue.is_over
        assert queue.coming.ticket == number
        queue.begin().file = fetched(0)
        queue.take()
    assert queue.is_over
    with pytest.raises(IndexError):
        queue.begin()
