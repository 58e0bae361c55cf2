"""The stacks that a real process writes are found among its log lines, and what they say of a stall is told."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.role_log import RoleLog
from sparkcv.diagnosis import stacks, stall
from sparkcv.diagnosis.report import Failure, report
from sparkcv.diagnosis.slowness import Silence
from sparkcv.diagnosis.stacks import Frame, Thread
from sparkcv.roles import Role
from tests.cluster.agents import PATIENCE_S, wait_until

ONE = Role("worker", 1)

PROCESS = """
import faulthandler, queue, signal, sys, threading, time
faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)

def reader(started):
    started.release()
    queue.Queue().get()

def main():
    started = threading.Semaphore(0)
    for _ in range(3):
        threading.Thread(target=reader, args=(started,), daemon=True).start()
        started.acquire()
    step(10)

def step(depth):
    if depth:
        step(depth - 1)
    print("ready", flush=True)
    while True:
        time.sleep(60)

main()
"""


@pytest.fixture(scope="module")
def dump():
    """The lines that a process with three waiting threads wrote, between what it said otherwise."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = [process.stdout.readline().rstrip("\n")]
        process.send_signal(signal.SIGUSR1)
        while not lines[-1].endswith("in <module>"):
            lines.append(process.stdout.readline().rstrip("\n"))
        process.kill()
    return [*lines, "the last words"]


def test_all_threads_are_found_the_main_one_first(dump):
    threads = stacks.threads_in(dump)
    assert len(threads) == 4
    assert [frame.function for frame in threads[0].frames] == ["step"] * 11 + ["main", "<module>"]
    assert all("reader" in [frame.function for frame in thread.frames] for thread in threads[1:])


def test_of_two_dumps_the_last_counts(dump):
    moved = [line.replace("in step", "in moved") for line in dump]
    assert stacks.threads_in(dump + moved) == stacks.threads_in(moved) != stacks.threads_in(dump)


def test_what_else_was_said_is_left(dump):
    assert stacks.other_lines(dump) == ["ready", "the last words"]
    trace = ["Traceback (most recent call last):", '  File "a.py", line 3, in f', "KeyError: 1"]
    assert stacks.other_lines(trace) == trace
    assert stacks.threads_in(trace) == []


def test_a_person_sees_the_main_thread_whole_and_threads_alike_once(dump):
    lines = stacks.shown(stacks.threads_in(dump))
    assert lines[0] == "main thread:"
    assert lines[1].startswith("  step (<string>, line ")
    assert lines.index("3 more threads alike:") == 14
    assert len(lines) == 15 + 5  # the innermost of those
    many = [Thread(tuple(Frame("f.py", at, "f") for at in range(100, 160)))] * 50
    assert len(stacks.shown(many)) <= 80


def test_the_report_of_a_stall_has_state_stacks_and_the_last_words_apart(dump):
    sentence = stall.sentence(ONE, Silence(47.0, 0.3))
    failure = Failure(ONE, sentence, host="h", pid=7, tail=dump, is_stalled=True, state="sleeping", stacks=dump)
    text = report(failure)
    lines = text.split("\n")
    assert lines[0] == "worker:1 is stalled: it took no step for 47 s (its median step takes 0.3 s)"
    assert lines[2] == "  state: sleeping"
    assert "its main thread stands in step (<string>, line " in text
    assert "stacks of worker:1 (most recent call first):\n    main thread:\n      step (" in text
    assert lines[-3:] == ["  last log lines of worker:1 (2):", "    ready", "    the last words"]


def test_the_report_of_a_stall_without_stacks_says_so():
    text = report(Failure(ONE, "worker:1 is stalled", is_stalled=True, state=""))
    assert "state: not known" in text
    assert "it gave no stacks" in text
    assert "probable cause: not known" in text


def thread(*frames):
    return Thread(tuple(Frame(file, 7, function) for file, function in frames))


RUN = thread(
    ("/x/site-packages/tensorflow/python/client/session.py", "_call_tf_sessionrun"), ("/x/train/loop.py", "_run_steps")
)
WAITING = thread(("/usr/lib/python3.11/threading.py", "wait"), ("/x/sparkcv/inputs/spool.py", "take"))
FETCHING = thread(("/x/sparkcv/storage/hdfs/retry.py", "pause"), ("/x/sparkcv/inputs/fetching.py", "fetch"))


@pytest.mark.parametrize(
    ("state", "threads", "why"),
    [
        ("stopped", [RUN], "its process is stopped"),
        ("tracing-stop", [], "a debugger"),
        ("disk-sleep", [RUN], "in the kernel for a disk"),
        ("sleeping", [RUN, WAITING], "inside of TensorFlow"),
        ("sleeping", [RUN, FETCHING], "waits for storage"),
        ("sleeping", [FETCHING], "waits for storage"),
        ("sleeping", [thread(*((f.file, f.function) for f in RUN.frames), ("/x/s.py", "wait_for_session"))], "the ps"),
        ("sleeping", [thread(("/x/sparkcv/train/sessions.py", "await_ps"))], "the ps or the chief"),
        ("sleeping", [WAITING], "another thread of its own"),
        ("sleeping", [thread(("/usr/lib/python3.11/subprocess.py", "wait"))], "a process that it started"),
        ("running", [thread(("/usr/lib/python3.11/random.py", "f"), ("/x/mine.py", "g"))], "computes in g (/x/mine.py"),
        ("sleeping", [thread(("/usr/lib/python3.11/runpy.py", "f"))], "stands in f (/usr/lib"),
    ],
)
def test_a_stall_has_a_probable_cause(state, threads, why):
    assert why in stall.probable_cause(state, threads).why


@pytest.mark.parametrize("beside", [[], [RUN]])
def test_only_who_waits_for_hdfs_is_sent_to_the_namenode(beside):
    reading = thread(("/x/sparkcv/storage/reading.py", "read_bytes"), ("/x/sparkcv/inputs/fetching.py", "fetch"))
    assert "the NameNode" in stall.probable_cause("sleeping", [*beside, FETCHING]).change
    assert "NameNode" not in stall.probable_cause("sleeping", [*beside, reading]).change
    assert "the disk or the server" in stall.probable_cause("sleeping", [*beside, reading]).change


def test_without_state_and_stacks_there_is_none():
    assert stall.probable_cause("sleeping", []) is None


def test_a_stopped_process_is_named_as_such():
    assert stall.state_name("stopped") == "stopped (SIGSTOP or a debugger)"


# ---- of a real node process


@pytest.fixture
def start(tmp_path):
    """Starts a node process with a program; gives it once that runs, and its log."""
    with contextlib.ExitStack() as stack:

        def start_program(name, **params):
            place = Placement(f"bad_programs:{name}", {}, params)
            child = stack.enter_context(Child(ONE, place, str(tmp_path), str(tmp_path)))
            log = RoleLog(child.take_log_fd())
            stack.callback(log.close, PATIENCE_S)
            stack.callback(child.kill)
            wait_until(lambda: any("status" in said for said in child.messages()))
            return child, log

        yield start_program


def stacks_of(child, log):
    assert child.ask_for_stacks()
    wait_until(lambda: any("in <module>" in line for line in log.tail()))
    return stacks.threads_in(log.tail())


def test_a_node_process_that_hangs_says_where(start):
    child, log = start("hangs", steps=1)
    wait_until(lambda: "waiting now" in log.tail())
    main, *_ = stacks_of(child, log)
    assert main.frames[0].function == "_wait_for_what_never_comes"
    assert main.frames[0].file.endswith("bad_programs.py")
    assert child.is_running


def test_a_stopped_node_process_is_known_as_such_and_is_woken_to_say_where_it_stands(start):
    child, log = start("hangs", steps=1)
    wait_until(lambda: "waiting now" in log.tail())
    os.kill(child.pid, signal.SIGSTOP)
    wait_until(lambda: child.state() == "stopped")
    assert stacks_of(child, log)[0].frames[0].function == "_wait_for_what_never_comes"


def test_a_process_that_would_die_of_the_question_is_not_asked(start):
    child, _ = start("without_a_handler")
    assert not child.ask_for_stacks()
    child.kill()
    assert child.returncode == -signal.SIGKILL
    assert not child.ask_for_stacks()
    assert child.state() == ""
