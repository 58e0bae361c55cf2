"""What a night's rows say together, held against numpy on the same rows."""

import collections
import datetime

import numpy as np
import pytest

from sparkcv.predict import night
from sparkcv.predict.night import BINS, NightFacts, ScoreSample
from sparkcv.predict.schema import ddl, scored_schema

NAMES = ["red", "green", "blue"]
START = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def rows():
    """Made-up rows of 6 pieces and two executors: 400 predictions and 30 rejects."""
    random = np.random.default_rng(3)
    made = []
    for at in range(430):
        piece, is_reject = at % 6, at >= 400
        label, score = int(random.integers(3)), float(np.float32(random.random()))
        true = [None, -1, 0, 1, 2][at % 5]
        made.append(
            {
                "id": f"{at:03d}.jpg",
                "label": None if is_reject else NAMES[label],
                "label_id": None if is_reject else label,
                "score": None if is_reject else (1.0 if at == 7 else score),
                "top_k": None if is_reject else [],
                "model_digest": "d",
                "scored_at": START + datetime.timedelta(seconds=at / 10 * (1 + piece % 2)),
                "reason": (f"truncated: at byte {at}" if at % 2 else "empty") if is_reject else None,
                "_piece": piece,
                "_executor": f"host:{piece % 2}",
                "_read_ms": float(at if piece else 2 * at),
                "_true_id": true,
                "_in_top_k": None if true is None else at % 3 == 0,
            }
        )
    return made


@pytest.fixture(scope="module")
def facts(spark, rows):
    frame = spark.createDataFrame(rows, ddl(scored_schema())).repartition(5)
    return night.look(frame, num_classes=3, num_samples=4, is_labelled=True)


@pytest.mark.spark
def test_labels_and_scores_are_counted(rows, facts):
    scored = [row for row in rows if row["reason"] is None]
    assert facts.labels == collections.Counter(row["label"] for row in scored)
    counts, _ = np.histogram([row["score"] for row in scored], BINS, (0, 1))
    assert list(facts.scores) == counts.tolist()


@pytest.mark.spark
def test_samples_are_a_few_of_each_label_and_reason(rows, facts):
    by_id = {row["id"]: row for row in rows}
    assert sorted(facts.samples) == sorted(NAMES)
    assert sorted(facts.rejects) == ["empty", "truncated"]
    for name, found in {**facts.samples, **facts.rejects}.items():
        assert len({one.id for one in found}) == 4
        for one in found:
            row = by_id[one.id]
            assert one.piece == row["_piece"]
            assert (row["label"] or row["reason"].split(":")[0]) == name
            assert one.about == (row["reason"] or f"{row['score']:.3f}")


@pytest.mark.spark
def test_executors_and_slow_rows_are_told(rows, facts):
    for name, parity in (("host:0", 0), ("host:1", 1)):
        mine = [row for row in rows if row["_piece"] % 2 == parity]
        seconds = max(row["scored_at"] for row in mine) - min(row["scored_at"] for row in mine)
        (found,) = [one for one in facts.executors if one.name == name]
        assert (found.num_rows, found.seconds) == (len(mine), pytest.approx(seconds.total_seconds()))
    assert [one.name for one in facts.executors] == ["host:1", "host:0"], "the slowest first"
    slowest = {piece: max((row["_read_ms"], row["id"]) for row in rows if row["_piece"] == piece) for piece in range(6)}
    wanted = sorted(slowest.values(), key=lambda one: (-one[0], one[1]))
    assert [(ms, name) for name, ms in facts.slowest] == wanted


@pytest.mark.spark
def test_what_is_known_is_counted_by_pairs(rows, facts):
    known = [row for row in rows if row["reason"] is None and row["_true_id"] is not None]
    ours = [row for row in known if row["_true_id"] >= 0]
    assert facts.confusion == collections.Counter((row["_true_id"], row["label_id"]) for row in ours)
    assert facts.num_in_top_k == sum(row["_in_top_k"] for row in ours)
    assert facts.num_unknown == len(known) - len(ours)


@pytest.mark.spark
def test_of_very_many_labels_one_sample_each_is_taken(spark, rows):
    frame = spark.createDataFrame(rows, ddl(scored_schema()))
    few = night.look(frame, num_classes=5000, num_samples=4, is_labelled=False)
    assert {len(found) for found in few.samples.values()} == {1}
    none = night.look(frame, num_classes=3, num_samples=0, is_labelled=False)
    assert (none.samples, none.rejects, none.confusion) == ({}, {}, {})
    assert none.labels == few.labels


def test_what_earlier_runs_of_the_day_counted_is_added():
    one = NightFacts({"a": 1}, (1,) * BINS, confusion={(0, 0): 1, (0, 1): 2}, num_in_top_k=1, num_unknown=4)
    both = one.add(one.to_dict())
    assert (both.labels, both.scores, both.confusion) == ({"a": 2}, (2,) * BINS, {(0, 0): 2, (0, 1): 4})
    assert (both.num_in_top_k, both.num_unknown) == (2, 8)
    assert one.add({"run_id": "of a day before there were such figures"}) == one


@pytest.mark.spark
def test_of_a_label_with_few_pictures_all_are_samples(spark, rows):
    frame = spark.createDataFrame(rows[:10] + rows[-4:], ddl(scored_schema()))
    facts = night.look(frame, num_classes=3, num_samples=20, is_labelled=False)
    assert sum(len(found) for found in facts.samples.values()) == 10
    assert sorted(one.id for found in facts.rejects.values() for one in found) == [row["id"] for row in rows[-4:]]


def test_samples_are_found_by_piece():
    some = [[ScoreSample("a", 1, ""), ScoreSample("b", 0, "")], [ScoreSample("c", 1, ""), ScoreSample("d", None, "")]]
    assert night.pieces_of(some) == {1: ["a", "c"], 0: ["b"]}
