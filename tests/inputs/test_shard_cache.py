"""The account of spooled files."""

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


def names(tmp_path):
    return sorted(path.name.split("-")[0] for path in tmp_path.iterdir())


def test_everything_is_kept_if_everything_fits(make, tmp_path):
    shelf = ShardCache(30, total_bytes=30, reserve_bytes=20)
    for source in range(3):
        assert shelf.claim(10, urgent=False)
        file = make(source)
        shelf.put(file, 10)
        shelf.release(file)
    assert names(tmp_path) == ["0", "1", "2"]
    assert shelf.used_bytes == 30


def test_what_does_not_fit_leaves_a_reserve_for_what_passes_through(make, tmp_path):
    shelf = ShardCache(30, total_bytes=100, reserve_bytes=20)
    for source in range(5):
        assert shelf.claim(10, urgent=False)
        file = make(source)
        shelf.put(file, 10)
        shelf.release(file)
    assert names(tmp_path) == ["0"]
    assert shelf.used_bytes == 10


def test_a_claim_waits_for_room(make):
    shelf = ShardCache(20, total_bytes=100, reserve_bytes=20)
    first, second = make(0), make(1)
    for file in (first, second):
        assert shelf.claim(10, urgent=False)
        shelf.put(file, 10)
    assert not shelf.claim(10, urgent=False)
    shelf.release(first)
    assert shelf.claim(10, urgent=False)


def test_an_urgent_claim_evicts_idle_files_and_is_granted(make, tmp_path):
    shelf = ShardCache(20, total_bytes=20, reserve_bytes=0)
    idle, held = make(0), make(1)
    for file in (idle, held):
        shelf.claim(10, urgent=False)
        shelf.put(file, 10)
    shelf.release(idle)
    assert shelf.claim(10, urgent=True)
    assert names(tmp_path) == ["1"]
    assert shelf.claim(10, urgent=True)  # nothing is idle: over the budget rather than stuck
    assert shelf.used_bytes == 30


def test_a_withdrawn_file_stays_for_its_user_and_makes_place_for_a_newer_one(make, tmp_path):
    shelf = ShardCache(100, total_bytes=10, reserve_bytes=0)
    old, new = make(0), make(0, num_bytes=8)
    shelf.claim(10, urgent=False)
    shelf.put(old, 10)
    shelf.withdraw(0)
    assert shelf.find(0) is None
    assert len(names(tmp_path)) == 2
    shelf.claim(10, urgent=False)
    shelf.put(new, 10)
    shelf.release(old)
    assert shelf.find(0) is new
    assert names(tmp_path) == ["0"]
    assert shelf.used_bytes == 8


def test_a_file_that_somebody_deleted_is_no_error(make, tmp_path):
    shelf = ShardCache(100, total_bytes=1000, reserve_bytes=95)
    file = make(0)
    shelf.claim(10, urgent=False)
    shelf.put(file, 10)
    (tmp_path / file.path).unlink()
    shelf.release(file)
    assert shelf.used_bytes == 0


def test_a_claim_that_the_disk_did_not_honour_bounds_those_after_it(make, tmp_path):
    shelf = ShardCache(100, total_bytes=100, reserve_bytes=0)
    assert shelf.claim(10, urgent=False)
    file = make(0)
    shelf.put(file, 10)
    assert shelf.claim(10, urgent=False)
    assert shelf.give_back(10) == 10
    assert not shelf.claim(1, urgent=False)
    shelf.release(file)
    shelf.clear_idle()
    assert shelf.used_bytes == 0
    assert names(tmp_path) == []
    assert shelf.claim(10, urgent=False)
