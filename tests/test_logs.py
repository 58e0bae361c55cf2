"""Log lines: the role on each, nothing from data that forges a line, progress with rate and ETA."""

import io

from sparkcv import logs


def test_a_line_carries_role_and_message():
    stream = io.StringIO()
    logs.setup("worker:1", stream)
    logs.get("sparkcv.train").info("step %d", 7)
    assert stream.getvalue().rstrip().endswith("worker:1 info step 7")


def test_text_from_data_cannot_forge_a_line_or_colour_a_terminal():
    assert logs.clean("a\nb\x1b[31m\u202ec") == "a\\nb\\x1b[31m\\u202ec"
    assert logs.clean("größe 図.png") == "größe 図.png"


def test_progress_says_rate_and_time_left():
    line = logs.progress_line("train", 120, 1000, "step", 60.0, "loss 1.20")
    assert line == "train 120/1000 step · 2.0 step/s · ETA 7m20s · loss 1.20"


def test_the_rate_of_a_resumed_run_counts_only_its_own_steps():
    assert "1.0 step/s" in logs.progress_line("train", 160, 200, "step", 60.0, since=100)


def test_durations_read_as_a_person_says_them():
    assert [logs.duration(s) for s in (5, 418, 11_100)] == ["5s", "6m58s", "3h05m"]


def test_progress_in_a_log_file_is_whole_lines():
    stream = io.StringIO()
    progress = logs.Progress("score", 10, "image", interval_s=0.0, stream=stream)
    progress.update(1)
    progress.update(10, force=True)
    progress.close()
    assert stream.getvalue().count("\n") == 2
    assert "\r" not in stream.getvalue()
