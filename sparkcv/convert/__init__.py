"""Pictures to TF-Slim's shards by Spark tasks: where they come from, what goes where, how a split is published."""

from sparkcv.convert.report import ConvertReport, SplitReport
from sparkcv.convert.table import PictureColumns, TableConversion, from_dataframe

__all__ = ["ConvertReport", "PictureColumns", "SplitReport", "TableConversion", "from_dataframe"]
