"""Fetching a shard: again while another replica may answer better, and no longer than that."""

import gzip
import logging
import threading

import google_crc32c
import pytest

from sparkcv.errors import MissingFileError, StorageError
from sparkcv.inputs.fetching import Fetcher
from sparkcv.records.assignment import Assignment
from sparkcv.records.shards import Shard
from tests.inputs import data

GOOD = data.shard_bytes([b"record %02d" % i for i in range(20)])
CRC = f"{google_crc32c.value(GOOD):08x}"


class Stored:
    """A stored shard whose content changes each time that the fetcher says it tries again."""

    def __init__(self, folder, *contents, crc32c=CRC):
        self._path, self._contents = folder / "stored", list(contents)
        self.assignment = Assignment(Shard(str(self._path), 20, len(GOOD), crc32c))
        self.fetches = 0
        self.turn()

    def turn(self, *_):
        self.fetches += 1
        content = self._contents.pop(0) if len(self._contents) > 1 else self._contents[0]
        if self._path.is_dir():
            self._path.rmdir()
        if content is None:
            self._path.unlink(missing_ok=True)
            self._path.mkdir()
        else:
            self._path.write_bytes(content)


def make_fetcher(attempts, ended=None):
    return Fetcher(lambda payload: None, attempts, ended or threading.Event())


@pytest.fixture
def fetch(tmp_path):
    handler = logging.Handler()
    logger = logging.getLogger("sparkcv.inputs.fetching")
    logger.addHandler(handler)

    def one(stored, attempts=5, fetcher=None):
        handler.emit = stored.turn
        fetcher = fetcher or make_fetcher(attempts)
        return fetcher.bring(stored.assignment, str(tmp_path / "local"), frozenset())

    yield one
    logger.removeHandler(handler)


def damaged(at=264):  # in the payload of the eleventh record
    content = bytearray(GOOD)
    content[at] ^= 1
    return bytes(content)


@pytest.mark.parametrize("crc32c", [CRC, None])
def test_what_arrives_whole_is_fetched_once(tmp_path, fetch, crc32c):
    stored = Stored(tmp_path, GOOD, crc32c=crc32c)
    validated = fetch(stored)
    assert (stored.fetches, len(validated.offsets), validated.rejects) == (1, 20, [])


@pytest.mark.parametrize("crc32c", [CRC, None])
def test_what_arrives_damaged_is_fetched_again(tmp_path, fetch, crc32c):
    stored = Stored(tmp_path, damaged(), damaged(40), GOOD, crc32c=crc32c)
    validated = fetch(stored)
    assert (stored.fetches, len(validated.offsets), validated.rejects) == (3, 20, [])
    assert (tmp_path / "local").read_bytes() == GOOD


@pytest.mark.parametrize("crc32c", [CRC, None])
def test_what_stays_damaged_costs_what_is_damaged_and_is_not_tried_again_in_later_epochs(tmp_path, fetch, crc32c):
    stored = Stored(tmp_path, damaged(), crc32c=crc32c)
    fetcher = make_fetcher(3)
    validated = fetch(stored, fetcher=fetcher)
    assert (stored.fetches, len(validated.offsets), len(validated.rejects)) == (3, 19, 1)
    validated = fetch(stored, fetcher=fetcher)
    assert (stored.fetches, len(validated.offsets)) == (3, 19)


def test_whole_records_of_another_crc_are_taken_in_the_end(tmp_path, fetch):
    stored = Stored(tmp_path, GOOD, crc32c="00000000")
    assert len(fetch(stored, attempts=2).offsets) == 20


def test_a_fetch_that_fails_is_tried_again(tmp_path, fetch):
    stored = Stored(tmp_path, None, GOOD)
    assert len(fetch(stored).offsets) == 20


def test_a_fetch_that_fails_always_says_so_with_the_shard_and_the_number_of_tries(tmp_path, fetch):
    with pytest.raises(StorageError, match=r"stored': it is a folder, .* \(tried 2 times\)"):
        fetch(Stored(tmp_path, None), attempts=2)


def test_a_missing_shard_is_not_tried_twice(tmp_path, fetch):
    stored = Stored(tmp_path, GOOD)
    (tmp_path / "stored").unlink()
    with pytest.raises(MissingFileError):
        fetch(stored)
    assert stored.fetches == 1


def test_no_pause_goes_on_after_the_end(tmp_path, fetch):
    ended = threading.Event()
    ended.set()
    with pytest.raises(StorageError, match=r"tried 1 times"):
        fetch(Stored(tmp_path, None), fetcher=make_fetcher(50, ended))


@pytest.mark.parametrize("cut", [0, 4])
def test_a_compressed_shard_is_expanded_and_told_where_it_breaks_off(tmp_path, fetch, cut):
    content = gzip.compress(GOOD)
    stored = Stored(tmp_path, content[: len(content) - cut], crc32c=None)
    validated = fetch(stored, attempts=1)
    assert (len(validated.offsets), (tmp_path / "local").read_bytes()) == (20, GOOD)
    assert [(one.offset, one.reason) for one in validated.rejects] == (
        [(len(GOOD), "the compressed shard breaks off there")] if cut else []
    )
