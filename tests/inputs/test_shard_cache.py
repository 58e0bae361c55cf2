"""The shards on disk: which stay, which go, and how many bytes they are."""

import functools
import pathlib
from array import array

import pytest

from sparkcv.inputs.shard_cache import CachedFile, ShardCache


@pytest.fixture
def make(tmp_path):
    def one(source, num_bytes=10, users=1):
        path = tmp_path / f"{source}-{len(list(tmp_path.iterdir()))}"
        path.write_bytes(b"x" * num_bytes)
        return CachedFile(str(path), source, array("Q", [0]), num_bytes, users)

    return one


@pytest.fixture
def open_cache(tmp_path_factory):
    """Caches whose own folder lies apart from the files of ``make``."""
    return functools.partial(ShardCache, str(tmp_path_factory.mktemp("scratch")))


def names(tmp_path):
    return sorted(path.name.split("-")[0] for path in tmp_path.iterdir())


def test_everything_is_kept_if_everything_fits(open_cache, make, tmp_path):
    cache = open_cache(30, total_bytes=30, reserve_bytes=20)
    for source in range(3):
        assert cache.claim(10, urgent=False)
        file = make(source)
        cache.put(file, 10)
        cache.release(file)
    assert names(tmp_path) == ["0", "1", "2"]
    assert cache.used_bytes == 30


def test_what_does_not_fit_leaves_a_reserve_for_what_passes_through(open_cache, make, tmp_path):
    cache = open_cache(30, total_bytes=100, reserve_bytes=20)
    for source in range(5):
        assert cache.claim(10, urgent=False)
        file = make(source)
        cache.put(file, 10)
        cache.release(file)
    assert names(tmp_path) == ["0"]
    assert cache.used_bytes == 10


def test_a_claim_waits_for_room(open_cache, make):
    cache = open_cache(20, total_bytes=100, reserve_bytes=20)
    first, second = make(0), make(1)
    for file in (first, second):
        assert cache.claim(10, urgent=False)
        cache.put(file, 10)
    assert not cache.claim(10, urgent=False)
    cache.release(first)
    assert cache.claim(10, urgent=False)


def test_an_urgent_claim_evicts_idle_files_and_is_granted(open_cache, make, tmp_path):
    cache = open_cache(20, total_bytes=20, reserve_bytes=0)
    idle, held = make(0), make(1)
    for file in (idle, held):
        cache.claim(10, urgent=False)
        cache.put(file, 10)
    cache.release(idle)
    assert cache.claim(10, urgent=True)
    assert names(tmp_path) == ["1"]
    assert cache.claim(10, urgent=True)  # nothing is idle: over the budget rather than stuck
    assert cache.used_bytes == 30


def test_a_withdrawn_file_stays_for_its_user_and_makes_place_for_a_newer_one(open_cache, make, tmp_path):
    cache = open_cache(100, total_bytes=10, reserve_bytes=0)
    old, new = make(0), make(0, num_bytes=8)
    cache.claim(10, urgent=False)
    cache.put(old, 10)
    cache.withdraw(0)
    assert cache.find(0) is None
    assert len(names(tmp_path)) == 2
    cache.claim(10, urgent=False)
    cache.put(new, 10)
    cache.release(old)
    assert cache.find(0) is new
    assert names(tmp_path) == ["0"]
    assert cache.used_bytes == 8


def test_a_file_that_somebody_deleted_is_no_error(open_cache, make, tmp_path):
    cache = open_cache(100, total_bytes=1000, reserve_bytes=95)
    file = make(0)
    cache.claim(10, urgent=False)
    cache.put(file, 10)
    (tmp_path / file.path).unlink()
    cache.release(file)
    assert cache.used_bytes == 0


def test_a_claim_that_the_disk_did_not_honour_bounds_those_after_it(open_cache, make, tmp_path):
    cache = open_cache(100, total_bytes=100, reserve_bytes=0)
    assert cache.claim(10, urgent=False)
    file = make(0)
    cache.put(file, 10)
    assert cache.claim(10, urgent=False)
    assert cache.give_back(10) == 10
    assert not cache.claim(1, urgent=False)
    cache.release(file)
    cache.clear_idle()
    assert cache.used_bytes == 0
    assert names(tmp_path) == []
    assert cache.claim(10, urgent=False)


def test_each_file_has_a_path_of_its_own_until_the_cache_is_deleted(tmp_path):
    cache = ShardCache(str(tmp_path), 100, total_bytes=10, reserve_bytes=0)
    paths = [pathlib.Path(cache.new_path(source)) for source in (7, 7, 8)]
    assert len(set(paths)) == 3
    assert {path.parent.parent for path in paths} == {tmp_path}
    paths[0].write_bytes(b"x")
    cache.delete()
    cache.delete()
    assert list(tmp_path.iterdir()) == []
