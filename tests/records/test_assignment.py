"""Assignment: every record has one reader, and no reader has much more than another."""

import random

import pytest

from sparkcv.records.assignment import Assignment, assign
from sparkcv.records.shards import Shard


def shards(sizes) -> list[Shard]:
    return [Shard(f"/d/{index:05d}", None, size, None) for index, size in enumerate(sizes)]


def plan(of: list[Shard], count: int) -> list[list[Assignment]]:
    return [assign(of, index, count) for index in range(count)]


def loads(parts: list[list[Assignment]]) -> list[float]:
    return [sum(part.shard.num_bytes / part.stride for part in worker) for worker in parts]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 40])
@pytest.mark.parametrize("num_shards", [1, 2, 5, 16, 17, 100, 900])
def test_parts_are_disjoint_and_complete(num_shards, count):
    of = shards(random.Random(0).randint(90, 110) for _ in range(num_shards))
    readers: dict[str, list[tuple[int, int]]] = {}
    for worker in plan(of, count):
        assert worker, "a worker without a shard would wait for ever"
        for part in worker:
            readers.setdefault(part.shard.url, []).append((part.start, part.stride))
    assert readers.keys() == {shard.url for shard in of}
    for parts in readers.values():
        assert sorted(parts) == [(start, len(parts)) for start in range(len(parts))]


@pytest.mark.parametrize(
    ("num_shards", "count"), [(2, 2), (5, 2), (10, 2), (9, 6), (20, 8), (100, 3), (999, 40), (1, 9)]
)
def test_bytes_are_balanced(num_shards, count):
    parts = plan(shards(random.Random(1).randint(95, 105) for _ in range(num_shards)), count)
    assert max(loads(parts)) < 1.12 * sum(loads(parts)) / count


def test_shards_of_very_different_sizes_are_spread_by_their_bytes():
    parts = plan(shards([800, 400, 300, 100, 100, 100]), 2)
    assert loads(parts) == [900, 900]


def test_fewer_shards_than_workers_are_split_by_record():
    parts = plan(shards([100]), 3)
    assert [[(part.start, part.stride) for part in worker] for worker in parts] == [[(0, 3)], [(1, 3)], [(2, 3)]]


def test_the_order_of_the_listing_does_not_matter():
    of = shards([5, 6, 7, 8, 9])
    assert plan(of, 2) == plan(of[::-1], 2)


def test_no_shards_are_no_work():
    assert assign([], 0, 2) == []


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_worker_that_is_not_there_is_refused(index, count):
    with pytest.raises(ValueError, match=f"got worker {index} of {count}"):
        assign(shards([1]), index, count)


@pytest.mark.parametrize("num_records", [0, None])
def test_a_shard_without_a_record_is_nobodys_and_leaves_no_worker_without(num_records):
    empty = [Shard(f"/d/empty-{index}", num_records, 0, None) for index in range(5)]
    of = [*empty, *shards([300, 200, 100])]
    assert plan(of, 4) == plan(shards([300, 200, 100]), 4)
    assert all(plan(of, 4))
    assert assign(empty, 0, 1) == []
