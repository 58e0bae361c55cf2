"""A role's log is drained whatever is printed, in bounded memory, and its end is never lost."""

import os
import threading

import pytest

from sparkcv import storage
from sparkcv.channel import messages
from sparkcv.cluster import role_log
from sparkcv.cluster.node_status import NodeStatus
from sparkcv.cluster.role_log import LogUploader, RoleLog, bounded_lines
from sparkcv.cluster.sigterm import Sigterm
from tests.hadoop import wait_until

PATIENCE_S = 300


@pytest.fixture
def pipe():
    """A log and the end that a program would write to."""
    reading, writing = os.pipe()
    log = RoleLog(reading)
    with os.fdopen(writing, "wb", buffering=0) as sink:
        yield log, sink
    log.close(PATIENCE_S)


def test_lines_come_once_live_and_stay_in_the_tail(pipe):
    log, sink = pipe
    sink.write(b"one\ntwo\nthr")
    sink.write(b"ee\nfour without an end")
    sink.close()
    log.close(PATIENCE_S)
    assert log.take_live() == (["one", "two", "three", "four without an end"], 0)
    assert log.take_live() == ([], 0)
    assert log.tail() == ["one", "two", "three", "four without an end"]


def test_an_empty_log_is_empty(pipe):
    log, sink = pipe
    sink.close()
    log.close(PATIENCE_S)
    assert (log.take_live(), log.tail()) == (([], 0), [])


def test_a_flood_is_drained_counted_and_bounded(pipe):
    log, sink = pipe
    count = 200_000
    for start in range(0, count, 1000):
        sink.write(b"".join(b"line %d\n" % at for at in range(start, start + 1000)))
    sink.close()
    log.close(PATIENCE_S)
    lines, dropped = log.take_live()
    assert len(lines) + dropped == count
    assert lines[-1] == f"line {count - 1}"
    assert log.tail()[-1] == f"line {count - 1}"
    assert len(log.tail()) == role_log.TAIL_LINES


def test_a_line_without_an_end_does_not_grow_for_ever(pipe):
    log, sink = pipe
    for _ in range(100):
        sink.write(b"x" * 100_000)
    sink.close()
    log.close(PATIENCE_S)
    assert all(line.endswith("[cut]") for line in log.tail())
    assert messages.json_size(log.tail()) <= messages.MAX_LINES_BYTES


def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_agent():
    reading, writing = os.pipe()
    log = RoleLog(reading)
    os.write(writing, b"still here\n")
    log.close(0.5)
    assert log.tail() == ["still here"]
    os.close(writing)


def test_closing_twice_is_fine(pipe):
    log, sink = pipe
    sink.close()
    log.close(PATIENCE_S)
    log.close(PATIENCE_S)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"windows\r", "windows"),
        (b"10%\r50%\r100%", "100%"),
        (b"\xff\xfe", "��"),
        (b"\x1b[31mred", "\x1b[31mred"),  # escaped where it is shown, by logs.clean
        (b"", ""),
    ],
)
def test_a_line_reads_as_a_person_would_see_it(raw, text):
    assert bounded_lines([raw]) == [text]


def test_lines_that_are_too_many_for_a_message_keep_their_end():
    lines = [b"%03d" % at + b"\x00" * 400 for at in range(100)]
    kept = bounded_lines(lines)
    assert 0 < len(kept) < 100
    assert kept[-1].startswith("099")
    assert messages.json_size(kept) <= messages.MAX_LINES_BYTES


def test_an_uploader_appends_all_to_storage(tmp_path):
    url = str(tmp_path / "logs" / "worker-1.log")
    uploader = LogUploader(url)
    uploader.add(b"one\n")
    uploader.add(b"two\n")
    uploader.close([], PATIENCE_S)
    assert storage.read_bytes(url) == b"one\ntwo\n"
    assert uploader.take_error() == ""


def test_an_uploader_says_what_it_left_out_and_keeps_the_end(tmp_path):
    url = str(tmp_path / "worker-1.log")
    uploader = LogUploader(url, max_bytes=10)
    uploader.add(b"0123456789abc")
    uploader.add(b"more\n")
    uploader.close(["the", "end"], PATIENCE_S)
    assert storage.read_text(url) == "0123456789\n[8 bytes are left out here; the last lines:]\nthe\nend\n"


def test_a_storage_that_fails_costs_the_log_and_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    uploader = LogUploader(str(tmp_path / "file" / "worker-1.log"))
    uploader.add(b"one\n")
    uploader.close([], PATIENCE_S)
    assert "the log is not kept while this lasts" in uploader.take_error()
    assert uploader.take_error() == ""
    assert not [thread for thread in threading.enumerate() if thread.name == "sparkcv-logupload"]


def test_the_news_that_a_log_is_not_kept_displaces_no_line_of_it_that_fits(tmp_path, pipe):
    (tmp_path / "file").write_text("no folder")
    status = NodeStatus(Sigterm())
    status.uploader = LogUploader(str(tmp_path / "file" / "worker-1.log"))
    status.uploader.add(b"one\n")
    status.uploader.close([], PATIENCE_S)
    log, sink = pipe
    status.begin(0, log=log)
    sink.write(b"the save at step 75 failed\n")
    sink.close()
    log.close(PATIENCE_S)
    beat = status.beat()
    assert (beat.lines[0], beat.num_dropped) == ("the save at step 75 failed", 0)
    assert beat.lines[1].startswith("the log is not kept while this lasts")


def test_a_beat_that_takes_its_time_is_of_one_process_alone():
    status = NodeStatus(Sigterm())

    class Slow:
        """A process that another has followed by the time its memory is known."""

        pid = 7

        def rss_bytes(self):
            status.begin(1)
            return 1

        def state(self):
            return "running"

    status.begin(0, Slow())
    status.hear([{"ready": True}, {"told_to_end": True}])
    beat = status.beat()
    assert (beat.attempt, beat.state, beat.pid, beat.told_to_end) == (0, "running", 7, "process")
    beat = status.beat()
    assert (beat.attempt, beat.state, beat.pid, beat.told_to_end) == (1, "starting", 0, "")


def test_a_storage_that_takes_it_again_gets_what_it_missed(tmp_path):
    (tmp_path / "file").write_text("no folder")
    url = str(tmp_path / "file" / "worker-1.log")
    uploader = LogUploader(url)
    uploader.add(b"one\n")
    wait_until(lambda: bool(uploader.take_error()), "the refusal", PATIENCE_S)
    (tmp_path / "file").unlink()
    uploader.add(b"two\n")
    uploader.close([], PATIENCE_S)
    assert storage.read_bytes(url) == b"one\ntwo\n"


def test_what_is_kept_ends_with_a_line_until_the_log_ends(tmp_path):
    url = str(tmp_path / "worker-1.log")
    uploader = LogUploader(url)
    uploader.add(b"one\ntw")
    wait_until(lambda: storage.exists(url), "the first line", PATIENCE_S)
    assert storage.read_bytes(url) == b"one\n"
    uploader.add(b"o")
    uploader.close([], PATIENCE_S)
    assert storage.read_bytes(url) == b"one\ntwo"
