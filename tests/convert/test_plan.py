"""The plan: every picture in one shard, shards of equal size, and nothing but names and seed decides."""

import random

import pytest

from sparkcv.convert.plan import ConversionPlan, Split, draw_splits, rank
from sparkcv.convert.sources import make_picture


def plan(*splits: Split) -> ConversionPlan:
    return ConversionPlan("n", "/staging", "/root", ("a", "b"), splits, 100)


@pytest.mark.parametrize(("num_shards", "num_pictures"), [(1, 1), (3, 3), (3, 10), (7, 1000)])
def test_shards_are_equal_pieces_in_order_of_rank(num_shards, num_pictures):
    planned = plan(Split("train", num_shards, num_pictures), Split("validation", 2, 5))
    shards = [planned.partition((0, index)) for index in range(num_pictures)]
    assert shards == sorted(shards)
    sizes = [shards.count(shard) for shard in range(num_shards)]
    assert sum(sizes) == num_pictures
    assert max(sizes) - min(sizes) <= 1
    assert [planned.partition((1, index)) - num_shards for index in range(5)] == [0, 0, 0, 1, 1]


def test_partitions_are_the_shards_of_all_splits_in_turn():
    planned = plan(Split("train", 2, 9), Split("validation", 1, 5))
    assert [planned.target(index).url for index in range(3)] == [
        "/staging/n_train-00000-of-00002.tfrecord",
        "/staging/n_train-00001-of-00002.tfrecord",
        "/staging/n_validation-00000-of-00001.tfrecord",
    ]
    assert planned.target(1).quarantine_url == "/staging/n_train-00001-of-00002.tfrecord.jsonl"


@pytest.mark.spark
def test_ranks_are_complete_and_do_not_depend_on_rows_order_or_partitions(spark):
    pictures = [make_picture(f"{'ab'[i % 3 == 0]}/{i}", "ab"[i % 3 == 0], 5) for i in range(300)]
    pictures.append(make_picture("stray", None, 5))
    schema = "name binary, label string, line int, size long, fault string, position long, draw long, place binary"
    outcomes = []
    for seed, num_partitions in ((0, 1), (1, 5)):
        shuffled = random.Random(seed).sample(pictures, len(pictures))
        frame = spark.createDataFrame(shuffled, schema).repartition(num_partitions)
        ranked, totals = rank(spark, draw_splits(frame, 0.1))
        rows = {bytes(row["name"]): (row["label"], row["split"], row["rank"]) for row in ranked.collect()}
        outcomes.append((rows, totals))
    assert outcomes[0] == outcomes[1]
    rows, totals = outcomes[0]
    assert totals == {0: 271, 1: 30}
    assert [sum(split == 1 and label == name for label, split, _ in rows.values()) for name in "ab"] == [20, 10]
    assert rows[b"stray"][1] == 0
    for split, total in totals.items():
        assert sorted(place for _, mine, place in rows.values() if mine == split) == list(range(total))
    order = [name for name, (_, split, _) in sorted(rows.items(), key=lambda row: row[1][2]) if split == 0]
    by_hash = {picture.name: picture.position for picture in pictures}
    assert order == sorted(order, key=by_hash.__getitem__)


def test_a_split_of_fewer_pictures_than_shards_has_fewer_shards_and_says_so(caplog):
    assert Split.of("train", 4, 9) == Split("train", 4, 9)
    assert not caplog.records
    assert Split.of("validation", 4, 3) == Split("validation", 3, 3)
    assert caplog.messages == ["the split validation has 3 pictures, so 3 shards"]
