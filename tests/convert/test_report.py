"""The report: numbers that add up, and a table that a name cannot break."""

from sparkcv.convert import ConvertReport, SplitReport

REPORT = ConvertReport(
    "/data/\x1b[31mflowers",
    "flowers",
    ("a", "b"),
    (
        SplitReport("train", 12345, 5, 67890123, 3, {"empty": 1, "truncated": 2}, "/q/train.jsonl"),
        SplitReport("validation", 10, 5, 5000, 1, {"empty": 1}, "/q/validation.jsonl"),
        SplitReport("test", 1, 1, 1, 0),
    ),
)


def test_sums_are_over_all_splits():
    assert REPORT.num_records == 12356
    assert REPORT.num_rejected == 4
    assert REPORT.reasons == {"empty": 2, "truncated": 2}


def test_the_table_is_aligned_and_lists_what_was_rejected_and_where():
    assert str(REPORT).splitlines() == [
        r"flowers: 2 classes in /data/\x1b[31mflowers",
        "split       records  shards       bytes  rejected",
        "train        12,345       5  67,890,123         3",
        "validation       10       5       5,000         1",
        "test              1       1           1         0",
        "rejected in train: empty 1, truncated 2 (/q/train.jsonl)",
        "rejected in validation: empty 1 (/q/validation.jsonl)",
    ]
