"""The spool: everything once an epoch, bounded, loud, and gone when it is closed."""

import contextlib
import itertools
import pathlib
import threading

import pytest

from sparkcv import storage
from sparkcv.errors import BudgetError, DataError, MissingFileError, StorageError, UsageError
from sparkcv.inputs.filename_queue import epoch_order
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.records import tfrecord
from sparkcv.records.assignment import Assignment
from sparkcv.records.shards import Shard
from tests.inputs import data

PER_SHARD = 5


@pytest.fixture
def stored(tmp_path):
    """Six stored shards of equal size, whose records carry their number, as assignments."""
    folder = tmp_path / "stored"
    folder.mkdir()
    return [
        Assignment(data.write_shard(folder / f"{s}", [b"%02d-%d" % (s, i) for i in range(PER_SHARD)])) for s in range(6)
    ]


@pytest.fixture
def scratch(tmp_path):
    path = tmp_path / "scratch"
    path.mkdir()
    return path


def open_spool(assignments, scratch, **more):
    settings = {"max_bytes": 1 << 20, "seed": 3, "check": lambda payload: None, "num_epochs": 1, "parallel": 2}
    return Spool(assignments, str(scratch), **{**settings, **more})


def payloads(shard):
    return [bytes(one.payload) for one in tfrecord.read_records(pathlib.Path(shard.path).read_bytes(), shard.path)]


def drain(spool):
    """Read every shard as a reader does, releasing each; returns (source, payloads) in order."""
    found = []
    for shard in spool:
        found.append((shard.source, payloads(shard)))
        assert len(found[-1][1]) == shard.num_records
        spool.release(shard.ticket)
    return found


def pass_through(spool):
    for shard in spool:
        spool.release(shard.ticket)


def bytes_on_disk(folder):
    """What the files of one moment take: looked at again where some came or went between the first and the last."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
            if all(path.exists() for path in sizes):
                return sum(sizes.values())


def test_an_epoch_delivers_every_record_once_in_the_order_of_its_permutation(stored, scratch):
    with open_spool(stored, scratch) as spool:
        found = drain(spool)
    assert [source for source, _ in found] == epoch_order(6, 3, 0)
    assert sorted(itertools.chain(*(records for _, records in found))) == sorted(
        b"%02d-%d" % (s, i) for s in range(6) for i in range(PER_SHARD)
    )


def test_without_a_seed_the_order_is_that_of_the_shards(stored, scratch):
    with open_spool(stored, scratch, seed=None, num_epochs=2) as spool:
        assert [source for source, _ in drain(spool)] == [*range(6), *range(6)]


def test_kept_shards_are_not_fetched_again(stored, scratch):
    with open_spool(stored, scratch, num_epochs=3) as spool:
        for _ in range(6):
            spool.release(spool.take().ticket)
        for part in stored:
            pathlib.Path(part.shard.url).unlink()
        assert len(drain(spool)) == 12


@pytest.mark.parametrize("slack", [0, 1, 30])
def test_the_files_never_exceed_the_budget_of_bytes(stored, scratch, slack):
    size = stored[0].shard.num_bytes
    with open_spool(stored, scratch, num_epochs=4, max_bytes=2 * size + slack) as spool:
        taken = 0
        for shard in spool:
            taken += 1
            # A fetch in flight writes its own file within the bytes that it claimed.
            assert bytes_on_disk(scratch) <= 2 * size + slack
            assert len(payloads(shard)) == PER_SHARD
            spool.release(shard.ticket)
    assert taken == 24


def test_a_reader_of_several_shards_is_held_to_what_the_budget_can_feed(stored, scratch):
    size = stored[0].shard.num_bytes
    with open_spool(stored, scratch, num_readers=4, max_bytes=3 * size) as spool:
        assert spool.num_readers == 2
    with open_spool(stored, scratch, num_readers=4, max_bytes=size) as spool:
        assert spool.num_readers == 1
    with open_spool(stored[:2], scratch, num_readers=4) as spool:
        assert spool.num_readers == 2


def test_the_smallest_budget_still_gets_through(stored, scratch):
    with open_spool(stored, scratch, num_epochs=2, max_bytes=stored[0].shard.num_bytes) as spool:
        assert len(drain(spool)) == 12


def test_a_shard_over_the_budget_is_refused_at_once(stored, scratch):
    with pytest.raises(UsageError, match=r"--spool_bytes 50 cannot hold the shard '.*/0' of 100 bytes; wanted"):
        open_spool(stored, scratch, max_bytes=50)


def test_no_shards_are_refused_at_once(scratch):
    with pytest.raises(DataError, match="no shard was assigned"):
        open_spool([], scratch)


def test_an_error_at_the_start_reaches_the_reader(stored, scratch):
    pathlib.Path(stored[epoch_order(6, 3, 0)[0]].shard.url).unlink()
    with open_spool(stored, scratch) as spool, pytest.raises(MissingFileError, match="no such file"):
        drain(spool)


def test_an_error_midway_reaches_the_reader(stored, scratch):
    pathlib.Path(stored[epoch_order(6, 3, 0)[4]].shard.url).unlink()
    with open_spool(stored, scratch, parallel=1) as spool:
        with pytest.raises(MissingFileError):
            drain(spool)
        assert isinstance(spool.error, MissingFileError)
        with pytest.raises(MissingFileError):
            spool.take()


def test_an_error_of_another_thread_ends_the_reader(stored, scratch):
    with open_spool(stored, scratch, num_epochs=None) as spool:
        spool.fail(BudgetError("first"))
        spool.fail(BudgetError("second"))
        with pytest.raises(BudgetError, match="first"):
            spool.take()


def test_a_scratch_disk_that_fails_reaches_the_reader(stored, scratch):
    with open_spool(stored, scratch, num_epochs=None, max_bytes=3 * stored[0].shard.num_bytes) as spool:
        for folder in scratch.iterdir():
            folder.rename(folder.with_name("gone"))
        with pytest.raises(StorageError, match="cannot"):
            pass_through(spool)


def test_close_before_the_first_shard_is_fine(stored, scratch):
    spool = open_spool(stored, scratch, num_epochs=None)
    spool.close()
    spool.close()
    assert spool.take() is None
    assert list(scratch.iterdir()) == []


def test_close_midway_ends_threads_and_deletes_files(stored, scratch):
    spool = open_spool(stored, scratch, num_epochs=None)
    shard = spool.take()
    spool.close()
    spool.release(shard.ticket)
    spool.release(shard.ticket)
    assert list(spool) == []
    assert list(scratch.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sparkcv-spool")]


def test_the_end_is_seen_and_leaves_a_file_to_who_has_yet_to_open_it(stored, scratch):
    with open_spool(stored, scratch, num_epochs=None) as spool:
        shard = spool.take()
        spool.end()
        spool.end()
        assert spool.take() is None
        assert pathlib.Path(shard.path).is_file()
    assert list(scratch.iterdir()) == []


def test_close_wakes_a_reader_that_waits(stored, scratch):
    size = stored[0].shard.num_bytes
    spool = open_spool(stored, scratch, num_epochs=None, max_bytes=2 * size, parallel=1)
    ended = threading.Event()

    def read_without_release():
        while spool.take() is not None:
            pass
        ended.set()

    reader = threading.Thread(target=read_without_release)
    reader.start()
    spool.close()
    reader.join(10)
    assert ended.is_set()


def test_bad_records_are_left_out_and_listed_once_in_many_epochs(stored, scratch):
    quarantine = Quarantine(30, 0.5)
    check = lambda payload: "ends with 3" if bytes(payload).endswith(b"3") else None  # noqa: E731
    size = stored[0].shard.num_bytes
    with open_spool(stored, scratch, check=check, quarantine=quarantine, num_epochs=3, max_bytes=2 * size) as spool:
        found = drain(spool)
    assert sum(len(records) for _, records in found) == 3 * 24
    assert quarantine.count == 6
    assert {reject.reason for reject in quarantine.first()} == {"ends with 3"}


def test_over_the_budget_of_bad_records_the_reader_gets_the_error(stored, scratch):
    check = lambda payload: "odd" if bytes(payload).endswith(b"3") else None  # noqa: E731
    spool = open_spool(stored, scratch, check=check, quarantine=Quarantine(30, 0.1))
    with spool, pytest.raises(BudgetError, match="4 of 30 records"):
        drain(spool)


def test_without_a_quarantine_one_bad_record_is_too_many(stored, scratch):
    check = lambda payload: "odd" if bytes(payload) == b"02-3" else None  # noqa: E731
    with open_spool(stored, scratch, check=check) as spool, pytest.raises(BudgetError):
        drain(spool)


def test_data_without_one_usable_record_is_an_error_not_a_wait(stored, scratch):
    quarantine = Quarantine(30, 1.0)
    spool = open_spool(stored, scratch, check=lambda payload: "no", quarantine=quarantine, num_epochs=None)
    with spool, pytest.raises(DataError, match="none of the records in 6 shards can be used"):
        drain(spool)


def test_a_shard_without_a_usable_record_is_passed_over(stored, scratch):
    quarantine = Quarantine(30, 1.0)
    check = lambda payload: "no" if bytes(payload).startswith(b"02") else None  # noqa: E731
    with open_spool(stored, scratch, check=check, quarantine=quarantine, num_epochs=2) as spool:
        assert {source for source, _ in drain(spool)} == {0, 1, 3, 4, 5}


def test_a_failing_check_is_an_error_that_names_it(stored, scratch, recwarn):
    def check(payload):
        raise RuntimeError("a bug")

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        with open_spool(stored, scratch, check=check) as spool, pytest.raises(DataError, match="RuntimeError: a bug"):
            drain(spool)
    finally:
        threading.excepthook = hook


def test_dropped_records_are_gone_from_later_epochs_and_listed(stored, scratch):
    quarantine = Quarantine(30, 0.5)
    with open_spool(stored, scratch, seed=None, num_epochs=6, quarantine=quarantine, parallel=1) as spool:
        first = spool.take()
        spool.drop(first, {1: "cannot decode", 4: "cannot decode"})
        assert len(payloads(first)) == PER_SHARD  # the reader that holds it is not disturbed
        spool.release(first.ticket)
        found = drain(spool)
    assert found[-6][1] == [b"00-0", b"00-2", b"00-3"]
    assert [(reject.url, reject.offset) for reject in quarantine.first()] == [
        (stored[0].shard.url, 20),
        (stored[0].shard.url, 80),
    ]


def test_a_shard_can_be_held_beside_the_reader(stored, scratch):
    with open_spool(stored, scratch, num_epochs=None) as spool:
        spool.release(spool.take().ticket)
        assert spool.has_other(set())
        held = spool.hold(set())
        assert len(payloads(held)) == PER_SHARD
        other = spool.hold({held.source})
        assert other is None or other.source != held.source
        before = spool.num_read
        spool.release(held.ticket)
        assert spool.num_read == before
    assert spool.hold(set()) is None


def test_it_tells_where_a_record_was_in_storage(stored, scratch):
    check = lambda payload: "odd" if payload == b"02-0" else None  # noqa: E731
    with open_spool(stored, scratch, seed=None, check=check, quarantine=Quarantine(30, 0.5)) as spool:
        drain(spool)
        assert spool.num_spooled(2) == 4
        assert spool.where(2, 0) == (stored[2].shard.url, 20)
        assert spool.where(3, 2) == (stored[3].shard.url, 40)


def test_the_gauge_fills_to_its_capacity_and_counts_what_was_read(stored, scratch):
    with open_spool(stored, scratch, num_epochs=None) as spool:
        for _ in range(6):
            spool.release(spool.take().ticket)
        assert spool.num_read == 30
        ready, capacity = spool.gauge()
        assert 0 <= ready <= capacity == 4


def test_workers_that_share_shards_read_everything_once(stored, scratch):
    found = []
    for start in range(3):
        parts = [Assignment(part.shard, start, 3) for part in stored]
        with open_spool(parts, scratch, quarantine=Quarantine(10, 0.0)) as spool:
            found += itertools.chain(*(records for _, records in drain(spool)))
    assert len(found) == len(set(found)) == 30


def test_it_reads_from_any_storage(scratch):
    content = data.shard_bytes([b"a", b"b"])
    storage.write_bytes("memory://spool/shard", content)
    shard = Shard("memory://spool/shard", 2, len(content), None)
    with open_spool([Assignment(shard)], scratch) as spool:
        assert drain(spool) == [(0, [b"a", b"b"])]


def test_without_a_manifest_the_total_is_estimated_from_what_was_seen(tmp_path, scratch):
    parts = [Assignment(data.write_shard(tmp_path / f"s{i}", [b"0123456789"] * 10, with_count=False)) for i in range(4)]
    quarantine = Quarantine(0, 0.5)
    with open_spool(parts, scratch, quarantine=quarantine) as spool:
        drain(spool)
    assert quarantine.total == 40


def test_without_a_manifest_the_budget_counts_all_that_was_read(tmp_path, scratch):
    parts = [Assignment(data.write_shard(tmp_path / f"s{i}", [b"0123456789"] * 12, with_count=False)) for i in range(2)]
    spool = open_spool(parts, scratch, check=lambda payload: "odd", quarantine=Quarantine(0, 0.1), parallel=1)
    with spool, pytest.raises(BudgetError, match=r"^12 of 24 records cannot be used, .* allows 3"):
        drain(spool)
