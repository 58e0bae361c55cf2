"""Python workers of an embedded Spark: forked by a daemon that has imported what they need, and has one thread."""

import sys

import pytest
from pyspark import daemon

from sparkcv.spark import python_daemon


@pytest.mark.spark
def test_a_worker_finds_what_it_needs_imported_by_a_daemon_of_one_thread(spark):
    wanted = python_daemon._NEEDED

    def look(_):
        import os
        import sys
        from pathlib import Path

        daemon = Path(f"/proc/{os.getppid()}")
        command = (daemon / "cmdline").read_text().split("\0")
        yield (
            "sparkcv.spark.python_daemon" in command,
            len(os.listdir(daemon / "task")),
            set(wanted) <= set(sys.modules),
        )

    found = spark.sparkContext.parallelize(range(3), 3).mapPartitions(look).collect()
    assert found == [(True, 1, True)] * 3


def test_what_it_cannot_import_is_left_to_the_workers_to_tell(monkeypatch):
    served = []
    monkeypatch.setattr(python_daemon, "_NEEDED", ("no_such_module", "sparkcv.no_such_module", "sparkcv.storage"))
    monkeypatch.setattr(daemon, "manager", lambda: served.append("sparkcv.storage" in sys.modules))
    python_daemon.main()
    assert served == [True]


@pytest.mark.spark
@pytest.mark.tensorflow
def test_workers_of_a_job_that_asks_for_it_are_forked_with_tensorflow_and_can_run_a_graph(spark):
    def daemon_has_tensorflow(_):  # a worker may have it from an earlier task: Spark keeps workers for the next one
        import os
        from pathlib import Path

        return ["tensorflow" in Path(f"/proc/{os.getppid()}/maps").read_text()]

    def look(_):
        import os
        import sys
        from pathlib import Path

        found = {"tensorflow": "tensorflow" in sys.modules, "pandas": "pandas" in sys.modules}
        threads = {(task / "comm").read_text().strip() for task in Path(f"/proc/{os.getppid()}/task").iterdir()}
        import tensorflow.compat.v1 as tf

        with tf.Graph().as_default(), tf.Session() as session:
            total = session.run(tf.reduce_sum(tf.matmul(tf.ones([64, 64]), tf.ones([64, 64]))))
        import numpy as np
        import pandas  # noqa: F401  (hidden from the daemon, and from nobody else)

        return [(found, threads, float(total) + float((np.ones((64, 64)) @ np.ones((64, 64))).sum()))]

    rows = spark.sparkContext.parallelize(range(3), 3)
    before = dict(spark.sparkContext.environment)
    with python_daemon.imported_first(spark, "sparkcv.predict.engines.decoding"):
        inside = rows.mapPartitions(look).collect()
        assert rows.mapPartitions(daemon_has_tensorflow).collect() == [True] * 3
    assert spark.sparkContext.environment == before
    assert inside == [({"tensorflow": True, "pandas": False}, {"python"}, 2 * 64.0**3)] * 3
    assert rows.mapPartitions(daemon_has_tensorflow).collect() == [False] * 3
