"""A table that Spark knows, or SQL, as the DataFrame of a job that converts it."""

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession

from sparkcv.errors import DataError, MissingFileError
from sparkcv.spark.errors import known, one_line, quiet, words_of

__all__ = ["named", "open_table"]


def open_table(spark: SparkSession, table: str | None, query: str | None) -> DataFrame:
    """Return the rows of ``--dataset_table`` or ``--dataset_query``; nothing is read yet.

    Raises:
        MissingFileError: Spark knows no such table, or one that the query names.
        DataError: a query that is no SQL, or names what is not there.
    """
    try:
        with quiet():
            return spark.table(table) if table else spark.sql(str(query))
    except ParseException as err:
        raise DataError(f"{named(table, query)} is not readable as SQL: {one_line(str(err))}") from err
    except AnalysisException as err:
        if err.getCondition() in ("TABLE_OR_VIEW_NOT_FOUND", "PATH_NOT_FOUND"):
            raise MissingFileError(f"{named(table, query)}: {one_line(str(err))}") from err
        text = words_of(err)
        raise DataError(f"{named(table, query)} cannot be read: {known(text) or one_line(text)}") from err


def named(table: str | None, query: str | None) -> str:
    """Return what messages and the manifest call a table or query."""
    return f"the table {table}" if table else f"the query {query!r}"
