"""Rejects: counted once, listed, and budgeted."""

import json
import re

import pytest

from sparkcv import storage
from sparkcv.errors import BudgetError, StorageError
from sparkcv.inputs.quarantine import Quarantine, RejectedRecord


def reject(offset, *, records=1):
    return RejectedRecord("/data/a-00000", offset, "truncated", records)


def test_a_reject_counts_once_however_often_its_shard_is_read():
    quarantine = Quarantine(100, 1.0)
    assert quarantine.add([reject(0), reject(8)]) == 2
    assert quarantine.add([reject(0), reject(16)]) == 1
    assert quarantine.count == 3
    assert [one.offset for one in quarantine.first()] == [0, 8, 16]


def test_a_broken_off_shard_counts_all_the_records_it_cost():
    quarantine = Quarantine(100, 1.0)
    quarantine.add([reject(0, records=7), reject(9, records=0)])
    assert quarantine.count == 7
    assert len(quarantine.first()) == 2


def test_each_reject_is_a_line_in_the_file(tmp_path):
    url = str(tmp_path / "quarantine" / "worker-0.jsonl")
    quarantine = Quarantine(100, 1.0, url)
    quarantine.add([reject(0)])
    quarantine.add([reject(0), reject(8)])
    lines = [json.loads(line) for line in storage.read_text(url).splitlines()]
    assert lines == [
        {"path": "/data/a-00000", "offset": 0, "reason": "truncated", "records": 1},
        {"path": "/data/a-00000", "offset": 8, "reason": "truncated", "records": 1},
    ]


def test_no_file_is_made_without_rejects(tmp_path):
    Quarantine(100, 0.1, str(tmp_path / "q.jsonl")).add([])
    assert not (tmp_path / "q.jsonl").exists()


def test_one_reject_over_the_budget_ends_the_run_and_says_so():
    quarantine = Quarantine(2000, 0.001)
    quarantine.add([reject(0), reject(8)])
    wanted = re.escape(
        "3 of 2000 records cannot be used, --bad_record_budget 0.001 allows 2; reasons: truncated 3; the first:"
        " /data/a-00000 at offset 0: truncated"
    )
    with pytest.raises(BudgetError, match=wanted):
        quarantine.add([reject(16)])


def test_the_ten_most_frequent_reasons_are_named_with_what_they_cost():
    quarantine = Quarantine(1000, 0.0)
    rejects = [RejectedRecord("/data/a", at, f"label {at}, wanted 0 to 9") for at in range(20)]
    rejects += [RejectedRecord("/data/b", at, f"{chr(97 + at)}: {at} bytes") for at in range(12)]
    rejects.append(RejectedRecord("/data/c", 0, "cut inside a record of 7 bytes", 5))
    with pytest.raises(BudgetError, match="37 of 1000") as raised:
        quarantine.add(rejects)
    wanted = (
        "; reasons: label #, wanted # to # 20, cut inside a record of # bytes 5, a 1, b 1, c 1, d 1, e 1, f 1, g 1,"
    )
    assert f"{wanted} h 1 and 4 more reasons; the first: /data/a at offset 0: label 0" in str(raised.value)


def test_any_budget_above_zero_allows_one_record():
    quarantine = Quarantine(10, 0.001)
    quarantine.add([reject(0)])
    with pytest.raises(BudgetError):
        quarantine.add([reject(8)])


def test_a_budget_of_zero_allows_none():
    with pytest.raises(BudgetError, match="allows 0"):
        Quarantine(10, 0.0).add([reject(0)])


def test_records_that_nobody_can_name_count_against_the_budget_too():
    quarantine = Quarantine(10, 0.2)
    quarantine.check(unlisted=2)
    with pytest.raises(BudgetError, match="3 of 10 records"):
        quarantine.check(unlisted=3)


def test_memory_holds_a_bounded_number_of_rejects():
    quarantine = Quarantine(10_000, 1.0)
    quarantine.add(reject(offset) for offset in range(5000))
    assert quarantine.count == 5000
    assert len(quarantine.first(5000)) == 1000


def test_what_cannot_be_listed_now_is_listed_later(tmp_path, caplog):
    url = str(tmp_path / "far" / "worker-0.jsonl")
    (tmp_path / "far").write_text("a file in the way")
    quarantine = Quarantine(100, 0.5, url)
    quarantine.add([RejectedRecord("/s", 0, "odd")])
    with pytest.raises(StorageError):
        quarantine.close()
    (tmp_path / "far").unlink()
    quarantine.add([RejectedRecord("/s", 20, "odd")])
    quarantine.close()
    lines = storage.read_text(url).splitlines()
    assert [json.loads(line)["offset"] for line in lines] == [0, 20]
    assert quarantine.count == 2


def test_a_line_that_a_killed_run_left_half_stays_its_own(tmp_path):
    url = str(tmp_path / "worker-0.jsonl")
    storage.write_text(url, '{"offset": 1')
    quarantine = Quarantine(100, 0.5, url)
    for offset in (0, 20):
        quarantine.add([RejectedRecord("/s", offset, "odd")])
    half, *lines = storage.read_text(url).splitlines()
    assert half == '{"offset": 1'
    assert [json.loads(line)["offset"] for line in lines] == [0, 20]
