"""The order of shards."""

import itertools

import pytest

from sparkcv.inputs import filename_queue
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
