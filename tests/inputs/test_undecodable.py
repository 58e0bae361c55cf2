"""The check for undecodable pictures: names what the pipeline only counts."""

import pytest

from sparkcv import preprocess
from sparkcv.errors import BudgetError
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.undecodable import TrialDecoder, UndecodableCheck
from sparkcv.records.assignment import Assignment
from tests.inputs import data

TIMEOUT_S = 20.0


class Refuses:
    """Refuses the pictures that it is told to; counts its lives."""

    opened = closed = 0

    def __init__(self, *bad):
        self.bad = bad
        Refuses.opened += 1

    def __call__(self, encoded):
        return "refused" if encoded in self.bad else None

    def close(self):
        Refuses.closed += 1


@pytest.fixture(autouse=True)
def _closed():
    Refuses.opened = Refuses.closed = 0
    yield
    assert Refuses.opened == Refuses.closed


@pytest.fixture
def spool(tmp_path):
    shards = [[data.payload(b"%d-%d" % (s, i), 0) for i in range(4)] for s in range(3)]
    parts = [Assignment(data.write_shard(tmp_path / f"{i}", one)) for i, one in enumerate(shards)]
    settings = {"max_bytes": 1 << 20, "seed": None, "check": lambda payload: None, "quarantine": Quarantine(12, 0.2)}
    with Spool(parts, str(tmp_path), **settings) as opened:
        yield opened


def read_epoch(spool):
    found = 0
    for _ in range(3):
        shard = spool.take()
        found += shard.num_records
        spool.release(shard.ticket)
    return found


def read_on(spool):
    while True:
        read_epoch(spool)


def test_without_losses_nothing_is_decoded(spool):
    check = UndecodableCheck(spool, Refuses, in_flight=100)
    read_epoch(spool)
    check.notice(0, 12)
    check.close()
    check.close()
    assert Refuses.opened == 0
    assert check.unnamed == 0


def test_a_loss_is_traced_to_its_record(spool):
    check = UndecodableCheck(spool, lambda: Refuses(b"1-2"), in_flight=100)
    read_epoch(spool)
    check.notice(1, 12)
    assert check.unnamed in (0, 1)  # 1 until the thread has found it
    check.drain(TIMEOUT_S)
    assert check.is_complete
    assert check.unnamed == 0
    (reject,) = spool.quarantine.first()
    assert (reject.url[-1], reject.offset, reject.reason) == (
        "1",
        2 * len(data.shard_bytes([data.payload(b"1-2", 0)])),
        "refused",
    )
    check.close()


def test_a_shard_without_records_is_passed_over(tmp_path):
    shards = [[data.payload(b"good", 0)], [], [data.payload(b"bad", 0)]]
    parts = [Assignment(data.write_shard(tmp_path / f"{i}", one)) for i, one in enumerate(shards)]
    settings = {"max_bytes": 1 << 20, "seed": None, "check": lambda payload: None, "quarantine": Quarantine(2, 0.5)}
    with Spool(parts, str(tmp_path), **settings) as spool:
        check = UndecodableCheck(spool, lambda: Refuses(b"bad"), in_flight=100)
        for _ in range(2):
            spool.release(spool.take().ticket)
        check.notice(1, 2)
        check.drain(TIMEOUT_S)
        check.close()
        assert (spool.error, check.is_complete, spool.quarantine.count) == (None, True, 1)


def test_a_record_that_is_lost_each_epoch_counts_once(spool):
    check = UndecodableCheck(spool, Refuses, in_flight=100)
    check.notice(3, 36)
    assert check.unnamed == 1
    check.close()


def test_losses_that_cannot_be_found_stay_counted(spool):
    check = UndecodableCheck(spool, Refuses, in_flight=100)
    read_epoch(spool)
    check.notice(2, 12)
    check.drain(TIMEOUT_S)
    assert check.is_complete
    assert check.unnamed == 2
    check.close()


def test_losses_over_the_budget_end_the_spool(spool):
    check = UndecodableCheck(spool, lambda: Refuses(b"0-0", b"0-1", b"0-2", b"0-3"), in_flight=100)
    read_epoch(spool)
    check.notice(4, 12)
    check.drain(TIMEOUT_S)
    check.close()
    with pytest.raises(BudgetError, match="4 of 12"):
        spool.take()


def test_losses_that_no_batch_tells_of_are_noticed_by_what_was_read(spool):
    bad = [b"%d-%d" % (s, i) for s in range(3) for i in range(4)]
    check = UndecodableCheck(spool, lambda: Refuses(*bad), in_flight=5)
    with pytest.raises(BudgetError):
        read_on(spool)
    check.close()


def test_a_decoder_that_cannot_be_made_ends_the_spool(spool):
    def make():
        raise BudgetError("no memory for a decoder")

    check = UndecodableCheck(spool, make, in_flight=100)
    check.notice(1, 12)
    with pytest.raises(BudgetError, match="no memory for a decoder"):
        read_on(spool)
    check.close()


def test_closing_the_spool_first_is_fine(spool):
    check = UndecodableCheck(spool, Refuses, in_flight=100)
    spool.close()
    check.notice(1, 2)
    check.close()


@pytest.mark.tensorflow
def test_the_decoder_agrees_with_the_pipeline():
    decoder = TrialDecoder(preprocess.get("inception"), 24)
    try:
        assert decoder(data.picture(0, 1)) is None
        assert decoder(data.picture(0, 1, kind="png")) is None
        # Two operations decode it; which is the first to fail is chance.
        assert "Invalid JPEG data" in decoder(data.undecodable())
        assert "Invalid PNG data" in decoder(data.picture(0, 1, kind="png")[:200])
    finally:
        decoder.close()
