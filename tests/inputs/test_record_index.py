"""What is known of the records of each assignment."""

from array import array

import pytest

from sparkcv.inputs.record_index import RecordIndex
from sparkcv.records.assignment import Assignment
from sparkcv.records.shards import Shard


@pytest.fixture
def index():
    """Two shards without a manifest, one of them three times as large."""
    return RecordIndex([Assignment(Shard("/a", None, 100, None)), Assignment(Shard("/b", None, 300, None))])


def test_records_are_known_once_their_shard_was_fetched(index):
    assert index.num_records(1) == 0
    index.put(1, array("Q", [0, 20]))
    assert index.num_records(1) == 2
    assert (index.url(1), index.offset(1, 1), index.num_bytes(1)) == ("/b", 20, 300)


def test_what_was_dropped_adds_up_and_is_of_one_source(index):
    index.drop(0, [20])
    index.drop(0, [40, 20])
    assert index.dropped(0) == {20, 40}
    assert index.dropped(1) == frozenset()


def test_it_is_useless_only_when_all_was_fetched_and_nothing_found(index):
    assert not index.is_useless
    index.put(0, array("Q"))
    assert not index.is_useless
    index.put(1, array("Q"))
    assert index.is_useless
    index.put(0, array("Q", [0]))
    assert not index.is_useless


def test_the_total_is_estimated_by_bytes_unless_a_manifest_tells(index):
    index.put(0, array("Q", range(10)))
    assert index.estimated_total() == 40
    index.put(1, array("Q", range(20)))
    assert index.estimated_total() == 30
    assert RecordIndex([Assignment(Shard("/a", 7, 100, None))]).estimated_total() is None


def test_what_could_not_be_used_counts_among_the_records_that_there_are():
    index = RecordIndex([Assignment(Shard(f"/s{i}", None, 100, None)) for i in range(2)])
    index.put(0, array("Q"), 12)
    assert index.estimated_total() == 24
    index.put(1, array("Q", [0, 8, 16, 24]), 8)
    assert index.estimated_total() == 24
