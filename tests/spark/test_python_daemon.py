"""Python workers of an embedded Spark: forked by a daemon that has imported what they need, and has one thread."""

import sys

import pytest

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
    monkeypatch.setattr(python_daemon.daemon, "manager", lambda: served.append("sparkcv.storage" in sys.modules))
    python_daemon.main()
    assert served == [True]
