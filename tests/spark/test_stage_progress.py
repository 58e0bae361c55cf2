import threading

import pytest

from sparkcv.spark.stage_progress import StageProgress


def test_the_last_line_says_that_all_is_done(capsys):
    with StageProgress("score", 100, 4, lambda: 1):
        pass
    assert "score 100/100 image" in capsys.readouterr().err


def test_a_stage_that_fails_is_not_said_to_be_done(capsys):
    with pytest.raises(RuntimeError), StageProgress("score", 100, 4, lambda: 1):
        raise RuntimeError
    assert "100/100" not in capsys.readouterr().err
    assert not [thread for thread in threading.enumerate() if thread.name == "sparkcv-progress"]


def test_a_count_that_fails_does_not_end_the_run():
    asked = threading.Event()

    def fail():
        asked.set()
        raise OSError("Spark is gone")

    with StageProgress("score", 100, 4, fail):
        assert asked.wait(30)
