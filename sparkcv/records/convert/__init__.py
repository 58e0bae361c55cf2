"""Pictures to TF-Slim's shards, as one Spark job: the only place of records/ that knows Spark."""

from sparkcv.records.convert.job import convert, prepare
from sparkcv.records.convert.report import ConvertReport, SplitReport

__all__ = ["ConvertReport", "SplitReport", "convert", "prepare"]
