"""A stage of numbered pieces: a task each."""

import pytest

from sparkcv.spark.stages import map_pieces


@pytest.mark.spark
def test_each_piece_is_a_task(spark):
    def name(index):
        import pyarrow as pa
        from pyspark import TaskContext

        yield pa.RecordBatch.from_pydict({"index": [index], "task": [TaskContext.get().partitionId()]})

    rows = map_pieces(spark, 7, name, "index long, task long").collect()
    assert sorted(row["index"] for row in rows) == list(range(7)) == sorted(row.task for row in rows)
