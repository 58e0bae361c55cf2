"""A report says in its first line what happened, then where, why and what to change."""

import dataclasses
import signal

import pytest

from sparkcv.diagnosis.report import Failure, probable_cause, report
from sparkcv.roles import Role
from sparkcv.spark.memory import ExecutorMemory, Overrun, overrun, wanted_overhead_mb

FAILURE = Failure(role=Role("worker", 1), sentence="worker:1 failed")


def cause_of(**known):
    cause = probable_cause(dataclasses.replace(FAILURE, **known))
    return cause.why if cause else ""


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (signal.SIGKILL, "out of memory"),
        (signal.SIGILL, "illegal instruction"),
        (signal.SIGBUS, "/dev/shm"),
        (signal.SIGSEGV, "crash in native code"),
        (signal.SIGABRT, "crash in native code"),
        (signal.SIGTERM, "outside the run"),
    ],
)
def test_a_signal_has_a_probable_cause(number, why):
    assert why in cause_of(returncode=-number)


@pytest.mark.parametrize(
    ("peak_mb", "why"), [(0, "out of memory"), (300, "killed from outside"), (900, "out of memory")]
)
def test_a_kill_is_hardly_for_memory_where_the_role_had_far_less_than_it_was_given(peak_mb, why):
    known = {"peak_rss_bytes": peak_mb * 2**20, "memory": ExecutorMemory(heap_mb=512, overhead_mb=1024)}
    assert why in cause_of(returncode=-signal.SIGKILL, **known)


def test_a_container_over_its_limit_is_told_with_the_overhead_to_use():
    over = overrun(
        "Container killed by YARN for exceeding physical memory limits. 2.5 GB of 2 GB physical memory used."
    )
    assert over == Overrun(int(2.5 * 2**30), 2 * 2**30)
    known = {"overrun": over, "memory": ExecutorMemory(heap_mb=1024, overhead_mb=1024), "peak_rss_bytes": 2**31}
    text = report(dataclasses.replace(FAILURE, **known))
    assert "over the limit of 2048 MB" in text
    assert "--conf spark.executor.memoryOverhead=2048m (it was 1024m)" in text  # 2.5 GB and a fifth, less the heap
    assert overrun("Executor heartbeat timed out") is None


def test_the_overhead_to_use_is_always_more_than_before_and_in_whole_steps():
    given = ExecutorMemory(heap_mb=4096, overhead_mb=1000)
    assert wanted_overhead_mb(given, 100 * 2**20) == 1024
    assert wanted_overhead_mb(given, 5 * 2**30) == 2048


def test_an_unknown_signal_has_none_and_breaks_nothing():
    assert cause_of(returncode=-signal.SIGUSR1) == ""
    assert "signal 64" in report(dataclasses.replace(FAILURE, returncode=-64))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ModuleNotFoundError: No module named 'cv2'", "module is missing"),
        ("OSError: [Errno 28] No space left on device: '/data/x'", "disk or a quota"),
        ("DSQuotaExceededException: The DiskSpace quota of /user/x is exceeded", "disk or a quota"),
        ("E0000 Could not start gRPC server", "port is taken"),
        ("no port of --port_range 1-2 is free on h, all 2 were tried", "range of ports is used up"),
        ("OSError: [Errno 98] Address already in use", "port is taken"),
        ("ResourceExhaustedError: OOM when allocating tensor with shape[64,299,299,3]", "while computing"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "out of memory"),
        ("Container killed by YARN for exceeding memory limits. 2.1 GB of 2 GB used", "out of memory"),
        ("ImportError: libpython3.11.so.1.0: cannot open shared object file: No such file", "shared library"),
        ("PermissionError: [Errno 13] Permission denied: '/data'", "lacks a permission"),
        ("the loss is NaN at step 12", "no number"),
        ("told to stop at step 40; saved /data/model.ckpt-40; the same command resumes", "outside the run"),
        ("Model diverged with loss = nan.", "no number"),
    ],
)
def test_a_log_line_points_to_a_cause(line, why):
    assert why in cause_of(returncode=1, tail=["step 1", line, "bye"])
    assert why in cause_of(returncode=1, sentence=line)


@pytest.mark.parametrize("line", ["step 3 loss 1.2", "banana", "Info: all well", "Informational: finite loss", ""])
def test_an_ordinary_line_points_to_none(line):
    assert cause_of(returncode=1, tail=[line]) == ""


def test_the_last_line_that_points_somewhere_counts():
    assert "disk" in cause_of(returncode=1, tail=["No module named 'optional_thing'", "No space left on device"])


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("BudgetError", "data is not"),
        ("RecordError", "data is not"),
        ("MemoryError", "memory"),
        ("SystemExit", "by itself"),
    ],
)
def test_the_kind_of_error_goes_before_the_log(kind, why):
    assert why in cause_of(kind=kind, returncode=1, tail=["No space left on device"])


@pytest.mark.parametrize(
    "sentence",
    [
        "the loss is nan at step 12: the run diverged and this state is not saved",
        "the loss is inf at step 12: the run diverged and this state is not saved",
        "variable 'net/w' holds NaN or infinity: the run diverged and this state is not saved",
    ],
)
def test_a_loss_that_is_no_number_is_not_put_on_the_data(sentence):
    assert "no number" in cause_of(kind="DataError", returncode=1, sentence=sentence)


def test_exit_code_0_without_a_result_is_the_programs_own_doing():
    assert "by itself" in cause_of(returncode=0)


def test_the_report_holds_all_that_is_known():
    text = report(
        Failure(
            role=Role("worker", 1),
            sentence="worker:1 was killed by signal 9 (SIGKILL)",
            returncode=-9,
            host="node7",
            place="Spark executor 2",
            pid=4711,
            peak_rss_bytes=512 * 2**20,
            tail=[f"line {at}" for at in range(40)],
            also=[Role("ps", 0)],
        )
    )
    first, *rest = text.split("\n")
    assert first == "worker:1 was killed by signal 9 (SIGKILL)"
    for part in ("host node7", "process 4711", "Spark executor 2", "512 MB", "out of memory", "ps:0", "memoryOverhead"):
        assert part in text
    assert [line.strip() for line in rest[-30:]] == [f"line {at}" for at in range(10, 40)]


def test_a_report_of_what_never_started_says_so():
    text = report(FAILURE)
    assert "never started" in text
    assert "no log lines" in text
    assert "without an exit code" in text


def test_log_lines_cannot_forge_a_report():
    text = report(dataclasses.replace(FAILURE, sentence="a\nb\x1b[2J", tail=["x\r\n  probable cause: none\x07"]))
    assert text.split("\n")[0] == "a\\nb\\x1b[2J"
    assert not any(ord(ch) < 32 and ch != "\n" for ch in text)
    assert len([line for line in text.split("\n") if line.startswith("  probable cause")]) == 1
