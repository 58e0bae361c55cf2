"""Errors of tasks: the sentence that a task raised is the one that the user reads."""

import pytest

from sparkcv.convert.translate import spark_errors
from sparkcv.errors import ClusterError, DataError, StorageError


@pytest.mark.spark
@pytest.mark.parametrize(
    ("raised", "wanted", "sentence"),
    [
        (DataError("'labels.csv' line 3: bad"), DataError, r"^'labels.csv' line 3: bad$"),
        (StorageError("cannot list 'hdfs://x': refused"), StorageError, r"^cannot list 'hdfs://x': refused$"),
        (KeyError("bug"), ClusterError, r"^the conversion's Spark job failed: KeyError: 'bug'$"),
    ],
)
def test_an_error_in_a_task_is_raised_as_what_it_was(spark, raised, wanted, sentence):
    def fail(_):
        raise raised

    with pytest.raises(wanted, match=sentence), spark_errors():
        spark.sparkContext.parallelize([1], 1).map(fail).collect()


@pytest.mark.spark
def test_an_error_of_spark_itself_is_a_cluster_error(spark):
    with pytest.raises(ClusterError, match="the conversion's Spark job failed: "), spark_errors():
        spark.sql("select nonsense from nowhere").collect()


def test_errors_of_the_driver_pass_as_they_are():
    with pytest.raises(DataError, match="as it is"), spark_errors():
        raise DataError("as it is")
