"""Before a split is published: none without a picture, and nothing that other settings would write otherwise."""

import dataclasses

import pytest

from sparkcv import storage
from sparkcv.convert import TableConversion, splits, table
from sparkcv.convert.plan import ConversionPlan, Split
from sparkcv.convert.shard_writer import ShardSummary
from sparkcv.convert.table_rows import RowCounts
from sparkcv.errors import DataError, LabelError, ShardError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records.labels import write_labels
from sparkcv.records.manifest import Manifest, ShardEntry, SplitEntry, write_manifest


def written(folder, **records):
    """Shards of these splits, each with so many records of the class 0, staged in ``folder``."""
    planned = tuple(Split(name, 1, count or 2) for name, count in records.items())
    plan = ConversionPlan("n", str(folder), "", ("a",), planned, PictureRules())
    summaries = {}
    for (name, file), count in zip(plan.shards(), records.values(), strict=True):
        storage.write_bytes(storage.join(str(folder), file), bytes(count))
        entry = ShardEntry(file, count, count, "0" * 8, {"0": count} if count else {})
        summaries[name] = [ShardSummary(entry, {} if count else {"empty": 2})]
    return splits.Written(str(folder), "/pictures", 0, plan, summaries)


def test_a_split_of_two_whose_pictures_are_all_unusable_is_refused_before_it_is_published(tmp_path):
    both = written(tmp_path / "both", train=2, validation=1)
    splits.check_written(both, splits.report_of(both), ())
    for name, counts in (("validation", {"train": 2, "validation": 0}), ("train", {"train": 0, "validation": 1})):
        one = written(tmp_path / name, **counts)
        with pytest.raises(DataError, match=rf"^'/pictures' has no usable picture for the split '{name}': empty 2$"):
            splits.check_written(one, splits.report_of(one), ())


def test_pictures_that_were_listed_and_did_not_come_are_not_lost_in_silence(tmp_path):
    one = written(tmp_path / "one", train=3)
    fewer = dataclasses.replace(one, plan=dataclasses.replace(one.plan, splits=(Split("train", 1, 4),)))
    with pytest.raises(
        ShardError, match=r"^'/pictures' gave 3 pictures for the split 'train' where 4 were listed; wan"
    ):
        splits.check_written(fewer, splits.report_of(fewer), ())


@pytest.mark.parametrize(
    "rules",
    [PictureRules(max_pixels=100), PictureRules(short_side=8), PictureRules(background=(0, 0, 0))],
)
def test_shards_of_a_table_are_not_those_that_other_rules_would_write(rules):
    settings, counts = TableConversion("/data"), RowCounts({"a": 3, "b": 4}, 1000, (5, 6))
    same, other = (dataclasses.replace(settings, rules=each) for each in (PictureRules(), rules))
    assert table._digest(same, counts, False) == table._digest(settings, counts, False)
    assert table._digest(other, counts, False) != table._digest(settings, counts, False)


def test_classes_of_a_conversion_that_was_published_meanwhile_are_not_given_other_numbers(tmp_path):
    one = written(tmp_path, train=3)  # of the class a
    write_labels(str(tmp_path), ("b",))
    write_manifest(str(tmp_path), Manifest("n", ("b",), {"validation": SplitEntry(0, ())}))
    with pytest.raises(
        LabelError, match=r"got splits of other classes .* meanwhile: it has 1 \('b'\), this one's are 1 "
    ):
        splits.check_written(one, splits.report_of(one), ())
    replaced = written(tmp_path, validation=3)
    splits.check_written(replaced, splits.report_of(replaced), ())
