"""A disk that is full before the budget of bytes is: on with less, and loud when nothing is left."""

import threading
import time
from array import array

import pytest

from sparkcv.errors import FullError
from sparkcv.inputs.filename_queue import FilenameQueue, slots
from sparkcv.inputs.full_disk import FullDisk
from sparkcv.inputs.shard_cache import CachedFile, ShardCache


class Spooling:
    """A cache of 40 bytes and a queue of shards of 10, of which one is read and one is being fetched."""

    def __init__(self, folder):
        self.changed, self.ended = threading.Condition(), threading.Event()
        self.cache = ShardCache(str(folder), 40, total_bytes=40, reserve_bytes=0)
        self.queue = FilenameQueue(slots(4, None, 0, 1), 4)
        self.disk = FullDisk(self.changed, self.cache, self.queue, self.ended)
        self.read = self.begin()
        self.read.file = self.fetched(self.read)
        assert self.queue.take() is self.read
        self.slot = self.begin()

    def begin(self):
        assert self.cache.claim(10, urgent=False)
        return self.queue.begin()

    def fetched(self, slot):
        path = self.cache.new_path(slot.source)
        with open(path, "wb") as file:
            file.write(bytes(10))
        found = CachedFile(path, slot.source, array("Q", [0]), 10, users=1)
        self.cache.put(found, 10)
        return found

    def release(self):
        with self.changed:
            self.cache.release(self.queue.give_back(self.read.ticket))
            self.changed.notify_all()


@pytest.fixture
def spooling(tmp_path):
    return Spooling(tmp_path)


def full():
    raise FullError("the disk is full")


def test_what_fits_is_fetched_once(spooling):
    assert spooling.disk.fetch(spooling.slot, 10, lambda: "found") == "found"
    assert spooling.cache.used_bytes == 20


def test_a_fetch_waits_until_the_reader_gives_something_back_and_nothing_new_is_begun(spooling):
    seen = []

    def bring():
        seen.append((spooling.disk.is_waited_for, spooling.cache.used_bytes))
        return full() if len(seen) == 1 else "found"

    def release_when_waited_for():
        give_up_s = time.monotonic() + 60
        with spooling.changed:  # nobody is told that somebody waits
            while not spooling.disk.is_waited_for and time.monotonic() < give_up_s:
                spooling.changed.wait(0.01)
            assert spooling.disk.is_waited_for
        spooling.release()

    reader = threading.Thread(target=release_when_waited_for)
    reader.start()
    assert spooling.disk.fetch(spooling.slot, 10, bring) == "found"
    reader.join()
    assert seen == [(False, 20), (False, 10)]
    assert not spooling.cache.claim(10, urgent=False)  # held to what the disk took from now on


def test_what_was_begun_later_and_is_ready_goes_first(spooling):
    later = spooling.begin()
    later.file = spooling.fetched(later)
    spooling.ended.set()
    with pytest.raises(FullError):
        spooling.disk.fetch(spooling.slot, 10, full)
    assert spooling.queue.take() is later


def test_a_fetch_that_is_alone_and_fails_again_and_again_tells_how_many_bytes_it_wanted(spooling):
    spooling.release()
    tries = []
    with pytest.raises(FullError, match=r"^the disk is full; wanted 10 bytes for one shard: free room, or use smaller"):
        spooling.disk.fetch(spooling.slot, 10, lambda: tries.append(1) or full())
    assert len(tries) == 3
    assert not spooling.disk.is_waited_for


def test_the_end_ends_the_wait_with_the_disks_own_error(spooling):
    ended = threading.Timer(0.05, spooling.ended.set)
    ended.start()
    with pytest.raises(FullError, match=r"^the disk is full$"):
        spooling.disk.fetch(spooling.slot, 10, full)
    ended.join()
