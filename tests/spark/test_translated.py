"""Errors of tasks: the sentence that a task raised is the one that the user reads."""

import contextlib

import pytest
from pyspark.errors import AnalysisException
from pyspark.logger import PySparkLogger

from sparkcv.convert.table_rows import PictureColumns, choose
from sparkcv.driver.tables import open_table
from sparkcv.errors import ClusterError, DataError, ModelError, StorageError, UnavailableError
from sparkcv.spark.errors import translated
from sparkcv.spark.stages import map_pieces

CONVERSION = "the conversion's Spark job"


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

    with pytest.raises(wanted, match=sentence), translated(CONVERSION):
        spark.sparkContext.parallelize([1], 1).map(fail).collect()


@pytest.mark.spark
def test_an_error_of_spark_itself_is_a_cluster_error(spark):
    with pytest.raises(ClusterError, match="the conversion's Spark job failed: "), translated(CONVERSION):
        spark.sql("select nonsense from nowhere").collect()


@pytest.mark.spark
def test_a_query_that_fails_is_told_once_and_not_as_json_by_pyspark_too(spark, monkeypatch):
    heard = []
    monkeypatch.setattr(PySparkLogger, "callHandlers", lambda self, record: heard.append(record.getMessage()))

    def ask():
        spark.sql("select nonsense from range(3)")

    with contextlib.suppress(AnalysisException):
        ask()
    assert len(heard) == 1  # as PySpark is without us
    with pytest.raises(ClusterError, match="nonsense"), translated(CONVERSION):
        ask()
    for query in ("select nonsense from range(3)", "selec 1"):
        with pytest.raises(DataError, match="the query "):
            open_table(spark, None, query)
    with pytest.raises(DataError, match="has no column 'image', it has id"):
        choose(spark.range(3), PictureColumns(), "the table")
    assert len(heard) == 1
    with contextlib.suppress(AnalysisException):
        ask()
    assert len(heard) == 2  # and for others' code it stays as it is


@pytest.mark.spark
def test_a_query_that_reads_files_by_their_path_says_why_it_cannot(spark, tmp_path):
    (tmp_path / "day.parquet").write_bytes(b"this is no Parquet")
    for files, reason in ((tmp_path / "day.parquet", "reading file file:.*day.parquet"), ("nofs://x/y", '"nofs"')):
        query = f"SELECT * FROM parquet.`{files}`"  # noqa: S608
        with pytest.raises(DataError, match=f"^the query .* cannot be read: .*{reason}"):
            open_table(spark, None, query)
        with (
            pytest.raises(ClusterError, match=f"^the conversion's Spark job failed: .*{reason}"),
            translated(CONVERSION),
        ):
            spark.sql(query)


@pytest.mark.spark
def test_a_column_s_name_that_spark_takes_for_another_thing_is_told(spark):
    query = "SELECT x'00' AS image, x'00' AS `picture.bytes`, 'a' AS label, 'b' AS LABEL"
    for column, sentence in (
        ("label", "the query has the column 'label' 2 times, wanted it once$"),
        ("picture.bytes", "it has image, picture.bytes, label, LABEL; write its name as `picture.bytes`, as it has a "),
    ):
        with pytest.raises(DataError, match=sentence):
            choose(spark.sql(query), PictureColumns(label=column), "the query")


@pytest.mark.parametrize("error", [DataError("as it is"), UnavailableError("as it is")])
def test_errors_of_the_driver_pass_as_they_are(error):
    with pytest.raises(type(error), match="as it is"), translated(CONVERSION):
        raise error


def test_a_java_that_is_gone_is_told():
    with pytest.raises(ClusterError, match="job failed: Spark's Java process does not answer"), translated(CONVERSION):
        raise ConnectionRefusedError(111, "Connection refused")


def raised_by(text):
    from pyspark.errors import PySparkException

    with pytest.raises(Exception) as caught, translated():
        raise PySparkException(text)
    return caught.value


def test_a_task_s_sentence_comes_out_as_the_error_that_it_is():
    text = (
        "Job aborted\nTraceback:\n  File x\nsparkcv.errors.ModelError: the model file 'x' was changed\n\tat org.apache"
    )
    error = raised_by(text)
    assert type(error) is ModelError
    assert str(error) == "the model file 'x' was changed"


def test_of_a_chain_of_errors_the_last_is_told():
    text = "sparkcv.errors.StorageError: first\n\nThe above exception was the cause\n\nsparkcv.errors.ModelError: last"
    assert str(raised_by(text)) == "last"


@pytest.mark.parametrize("name", ["annotations", "EXIT_OK", "NoSuchError", "Exception"])
def test_a_name_that_is_no_error_of_ours_is_a_cluster_error(name):
    error = raised_by(f"sparkcv.errors.{name}: what happened")
    assert type(error) is ClusterError
    assert str(error) == "what happened"


@pytest.mark.parametrize(
    "text",
    [
        "Job aborted due to ... Python worker exited unexpectedly (crashed)\n\tat org.apache.x",
        # Killed right after its fork.
        "Job aborted due to ... (TID 3) (127.0.0.1 executor 0): java.io.EOFException\n"
        "\tat java.base/java.io.DataInputStream.readInt(DataInputStream.java:386)\n"
        "\tat org.apache.spark.api.python.PythonWorkerFactory.createWorker$1(PythonWorkerFactory.scala:213)\n"
        "\tat org.apache.spark.api.python.PythonWorkerFactory.liftedTree1$1(PythonWorkerFactory.scala:233)\n",
    ],
)
def test_a_python_process_that_died_is_told_with_the_setting_to_change(text):
    error = raised_by(text)
    assert isinstance(error, ClusterError)
    assert "--batch_size" in str(error)


def test_another_end_of_a_file_is_no_death_of_a_python_process():
    error = raised_by("Job aborted\n: java.io.EOFException\n\tat java.base/java.io.DataInputStream.readInt(x.java:3)\n")
    assert "--batch_size" not in str(error)


def test_a_container_that_yarn_killed_for_memory_is_told_with_how_much_is_missing():
    error = raised_by(
        "Job aborted due to ... ExecutorLostFailure (executor 3 exited) Reason: Container killed by YARN for exceeding "
        "physical memory limits. 2.5 GB of 2 GB physical memory used. Consider boosting spark.executor.memoryOverhead."
    )
    assert isinstance(error, ClusterError)
    assert str(error).endswith("2.5 GB of 2.0 GB used: raise spark.executor.memoryOverhead by 1024 MB")


def test_any_other_failure_is_one_line():
    error = raised_by("Job aborted\n\tat org.apache\n\tat org.x\nCaused by: java.io.IOException: disk full")
    assert str(error) == "the Spark stage failed: Job aborted [Caused by: java.io.IOException: disk full]"


def test_errors_of_ours_pass_unchanged():
    with pytest.raises(StorageError, match="mine"), translated():
        raise StorageError("mine")


@pytest.mark.spark
def test_a_task_s_own_error_is_raised_in_the_driver(spark):
    def fail(index):
        from sparkcv.errors import StorageError

        raise StorageError("the disk of this executor is full")

    with pytest.raises(StorageError, match=r"^the disk of this executor is full$"), translated():
        map_pieces(spark, 2, fail, "id long").collect()
