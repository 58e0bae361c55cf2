"""From how a role ended to a report that a person can act on: what, where, probably why, and what to change."""

import dataclasses
import re
import signal
from collections.abc import Sequence

from sparkcv import logs
from sparkcv.diagnosis import stacks, stall
from sparkcv.diagnosis.cause import Cause
from sparkcv.roles import Role
from sparkcv.spark.memory import ExecutorMemory, Overrun, wanted_overhead_mb

__all__ = ["Cause", "Failure", "probable_cause", "report"]

REPORT_LINES = 30
_FAR_BELOW = 0.5
_MB = 2**20


@dataclasses.dataclass(frozen=True)
class Failure:
    """How a role ended, as far as it is known.

    Attributes:
        sentence: what happened, the first line of the report.
        kind: class name of the exception that the program raised, or "".
        returncode: of the node process, minus the signal if one killed it; None if unknown.
        host, place: where it ran, and that in the cluster manager's words; "" if unknown.
        pid: of the node process, 0 if unknown.
        tail: its last log lines.
        also: roles that failed at the same moment.
        memory: what the role's executor was given, None if it is not known.
        overrun: what the executor's container used, if it was killed for that.
        is_stalled: it has not ended: it takes no steps.
        state: of a stalled role's process in the kernel's word, such as "stopped".
        stacks: log lines with the Python stacks that a stalled role was asked for.
    """

    role: Role
    sentence: str
    kind: str = ""
    returncode: int | None = None
    host: str = ""
    place: str = ""
    pid: int = 0
    peak_rss_bytes: int = 0
    tail: Sequence[str] = ()
    also: Sequence[Role] = ()
    memory: ExecutorMemory | None = None
    overrun: Overrun | None = None
    is_stalled: bool = False
    state: str = ""
    stacks: Sequence[str] = ()


_MEMORY = Cause(
    "out of memory: the system or the cluster manager kills the largest process first",
    "lower --batch_size or use fewer roles on a host; where YARN or Kubernetes bounds the executors, raise "
    "spark.executor.memoryOverhead",
)
_IMAGE_MEMORY = Cause("out of memory while computing", "lower --batch_size or --train_image_size")
_INSTRUCTION = Cause(
    "an illegal instruction: this host's CPU lacks what a package was compiled for",
    "install packages built for this CPU, or keep the job off this host",
)
_CRASH = Cause(
    "a crash in native code; the stack is in the log lines",
    "see which package the stack names; if it is a codec, find the picture by the last log lines",
)
_BUS = Cause("a file or shared memory that cannot be had: the disk or /dev/shm is full", "make room there")
_MODULE = Cause(
    "a Python module is missing on the executors",
    "add it to --py-files or to the archive of spark.archives, or install it on every host",
)
_IMPORT = Cause(
    "the program's module fails when it is imported",
    "see the traceback in the log lines; the same import must work in the executors' Python on that host",
)
_PORT = Cause("a port is taken by another process", "see who holds the port that the log lines name")
_PORTS = Cause(
    "the range of ports is used up on that host",
    "give a wider --port_range, or wait until those that the first line names have ended",
)
_DISK = Cause(
    "a disk or a quota is full",
    "make room on the disk or in the folder that the log lines name, or lower --spool_bytes",
)
_AWAY = Cause(
    "a file system was away, or took no writes, for as long as is waited for it",
    "see its NameNode or server; the same command resumes. SPARKCV_STORAGE_WAIT_S sets the seconds to wait for HDFS",
)
_NAN = Cause("the loss is no number any more", "lower --learning_rate, or look at the last batches' pictures")
_DATA = Cause("the data is not what it should be", "see the file that the first line names; convert the dataset again")
_DENIED = Cause("the executor's user lacks a permission", "grant it on the path that the first line or the log names")
_LIBRARY = Cause(
    "a shared library is missing on the executors", "set spark.executorEnv.LD_LIBRARY_PATH to where it lies"
)
_LEFT = Cause("the program ended its process by itself", "let the program return its result; it must not call exit")
_TOLD = Cause(
    "something outside the run told it to end: the cluster manager (preemption, decommissioning) or a person",
    "submit again",
)

_BY_SIGNAL = {
    signal.SIGKILL: _MEMORY,
    signal.SIGILL: _INSTRUCTION,
    signal.SIGBUS: _BUS,
    signal.SIGSEGV: _CRASH,
    signal.SIGABRT: _CRASH,
    signal.SIGFPE: _CRASH,
    signal.SIGTERM: _TOLD,
}
_BY_KIND = {
    "RecordError": _DATA,
    "ShardError": _DATA,
    "LabelError": _DATA,
    "ImageError": _DATA,
    "BudgetError": _DATA,
    "DataError": _DATA,
    "AccessError": _DENIED,
    "FullError": _DISK,
    "UnavailableError": _AWAY,
    "MemoryError": _MEMORY,
    "ModuleNotFoundError": _MODULE,
    "SystemExit": _LEFT,
}
_NOT_A_NUMBER = re.compile(r"\bNaN\b|\bnan\b.*loss|loss.*\bnan\b|\bInf\b|loss is -?inf\b")
# Searched in the first line, then in the log from its end; the first that is found counts.
_BY_TEXT = (
    (re.compile(r"SIGTERM|^told to stop at step "), _TOLD),
    (re.compile(r"No module named|no module named"), _MODULE),
    (re.compile(r"cannot open shared object file|error while loading shared libraries"), _LIBRARY),
    (re.compile(r"^program \S+ cannot be imported on "), _IMPORT),
    (re.compile(r"No space left on device|[Qq]uota exceeded|DSQuotaExceeded|NSQuotaExceeded"), _DISK),
    (re.compile(r"no port of --port_range "), _PORTS),
    (re.compile(r"[Aa]ddress already in use|Could not start gRPC server|port .{0,20}in use"), _PORT),
    (re.compile(r"OOM when allocating|ResourceExhausted"), _IMAGE_MEMORY),
    (
        re.compile(r"MemoryError|bad_alloc|Cannot allocate memory|memory limit|[Oo]ut of memory|beyond .*memory"),
        _MEMORY,
    ),
    (re.compile(r"[Ee]xit status:? 137|exit code:? 137|exited with code 137"), _MEMORY),
    (_NOT_A_NUMBER, _NAN),
    (re.compile(r"Illegal instruction|was compiled to use .* instructions"), _INSTRUCTION),
    (re.compile(r"Permission denied|AccessControlException"), _DENIED),
)


def probable_cause(failure: Failure) -> Cause | None:
    """Return the likeliest cause of ``failure``, or None where nothing points to one."""
    if failure.is_stalled:
        return stall.probable_cause(failure.state, stacks.threads_in(failure.stacks))
    if failure.overrun is not None:
        return _overrun_cause(failure, failure.overrun)
    if failure.kind in _BY_KIND:
        is_nan = failure.kind == "DataError" and _NOT_A_NUMBER.search(failure.sentence)
        return _NAN if is_nan else _BY_KIND[failure.kind]
    if failure.returncode is not None and failure.returncode < 0 and -failure.returncode in _BY_SIGNAL:
        return _weighed(_BY_SIGNAL[signal.Signals(-failure.returncode)], failure)
    for text in (failure.sentence, *reversed(failure.tail)):
        for pattern, cause in _BY_TEXT:
            if pattern.search(text):
                return _weighed(cause, failure)
    return _LEFT if failure.returncode == 0 else None


def _weighed(cause: Cause, failure: Failure) -> Cause:
    """Return ``cause``, unless it is memory and the role's process had far less than it was given when seen last."""
    given, peak_mb = failure.memory, failure.peak_rss_bytes / _MB
    if cause is not _MEMORY or given is None or not 0 < peak_mb < given.overhead_mb * _FAR_BELOW:
        return cause
    return Cause(
        f"it was killed from outside, and hardly for its own memory: {peak_mb:.0f} MB, of {given.overhead_mb} MB of "
        "spark.executor.memoryOverhead",
        "see who did it: the logs of its host's kernel and, on YARN, of its NodeManager; then submit again",
    )


def _overrun_cause(failure: Failure, over: Overrun) -> Cause:
    """Return the cause in the cluster manager's own figures, which leave no doubt, with the value to use."""
    given = failure.memory
    if given is None:
        return _MEMORY
    wanted_mb = wanted_overhead_mb(given, max(over.used_bytes, failure.peak_rss_bytes))
    return Cause(
        f"its container holds Java's heap ({given.heap_mb} MB) and all else, such as TensorFlow (the overhead, "
        f"{given.overhead_mb} MB), and was over the limit of {over.limit_bytes / _MB:.0f} MB",
        f"--conf spark.executor.memoryOverhead={wanted_mb}m (it was {given.overhead_mb}m), or lower --batch_size",
    )


def report(failure: Failure) -> str:
    """Return the report of a failed run: the sentence first, then where, why, what to change, and the log."""
    cause = probable_cause(failure)
    lines = [logs.clean(failure.sentence), f"  role: {failure.role} {_place(failure)}", f"  {_ending(failure)}"]
    if failure.peak_rss_bytes:
        lines.append(f"  peak memory: {failure.peak_rss_bytes / _MB:.0f} MB resident")
    if failure.also:
        lines.append(f"  at the same moment: {', '.join(map(str, failure.also))}")
    if cause is None:
        lines.append("  probable cause: not known; see the log lines")
    else:
        lines += [f"  probable cause: {cause.why}", f"  to change: {cause.change}"]
    if failure.is_stalled:
        threads = stacks.threads_in(failure.stacks)
        lines.append(f"  stacks of {failure.role} (most recent call first):" if threads else "  it gave no stacks")
        lines += [f"    {logs.clean(line)}" for line in stacks.shown(threads)]
    tail = (stacks.other_lines(failure.tail) if failure.is_stalled else list(failure.tail))[-REPORT_LINES:]
    lines.append(f"  last log lines of {failure.role} ({len(tail)}):" if tail else "  it wrote no log lines")
    return "\n".join(lines + [f"    {logs.clean(line)}" for line in tail])


def _place(failure: Failure) -> str:
    if not failure.host:
        return "(it never started)"
    process = f", process {failure.pid}" if failure.pid else ""
    return f"on host {failure.host}{process}" + (f", {failure.place}" if failure.place else "")


def _ending(failure: Failure) -> str:
    if failure.is_stalled:
        return f"state: {stall.state_name(failure.state)}"
    code = failure.returncode
    if code is None:
        return "ended: without an exit code"
    return f"ended: exit code {code}" if code >= 0 else f"ended: signal {signal_name(-code)}"


def signal_name(number: int) -> str:
    """Return the signal with its name, such as ``9 (SIGKILL)``."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
