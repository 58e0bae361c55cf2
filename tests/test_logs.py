"""Log lines: the role on each, nothing from data that forges a line, progress with rate and ETA."""

import fcntl
import io
import os
import re
import struct
import termios

import pytest

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


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
def test_progress_that_nobody_takes_any_more_does_not_end_the_job(error):
    class Gone(io.StringIO):
        def write(self, text):
            raise error

    progress = logs.Progress("train", 10, "step", interval_s=0.0, stream=Gone())
    progress.update(1)
    progress.update(3, force=True)
    progress.close()
    assert progress.left_s is not None


@pytest.fixture
def terminal():
    """A terminal of 40 columns: its stream, and what was written there so far."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 40, 0, 0))
    with open(theirs, "w", encoding="utf-8") as stream:

        def written() -> str:
            stream.write("<end>")
            stream.flush()
            data = b""
            while not data.endswith(b"<end>"):  # it comes in pieces
                data += os.read(ours, 1 << 16)
            return data.decode().removesuffix("<end>")

        yield stream, written
    os.close(ours)


def test_a_progress_line_on_a_terminal_does_not_wrap_as_what_wraps_cannot_be_rewritten(terminal):
    stream, written = terminal
    progress = logs.Progress("train", 1000, "step", stream=stream)
    progress.update(120, "loss 1.20 and much that is longer than the terminal is wide", force=True)
    assert written() == "\r\x1b[2Ktrain 120/1000 step · loss 1.20 and muc"
    progress.close()


def test_a_log_line_is_not_put_behind_a_progress_line(terminal):
    stream, written = terminal
    logs.setup("driver", stream)
    progress = logs.Progress("train", 1000, "step", stream=stream)
    progress.update(1, force=True)
    logs.get("x").info("one")
    logs.get("x").info("two")
    progress.update(2, force=True)
    progress.close()
    logs.get("x").info("three")
    assert re.fullmatch(
        r"\r\x1b\[2Ktrain 1/1000 step\r\x1b\[2K\S+ driver info one\r\n\S+ driver info two\r\n"
        r"\r\x1b\[2Ktrain 2/1000 step[^\n]*\r\n\S+ driver info three\r\n",
        written(),
    )
