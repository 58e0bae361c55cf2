"""Why a role takes no steps: from what the kernel says of its process, and from where its threads stand."""

import dataclasses
import re
from collections.abc import Sequence

from sparkcv.diagnosis.cause import Cause
from sparkcv.diagnosis.slowness import STOPPED_STATES, Silence
from sparkcv.diagnosis.stacks import Frame, Thread
from sparkcv.roles import Role

__all__ = ["probable_cause", "sentence", "state_name"]

_STOPPED = Cause(
    "its process is stopped: by SIGSTOP, a terminal, a debugger, or a host that was suspended",
    "let who stopped it continue it (kill -CONT); stop no role by SIGSTOP for longer than --stall_timeout_s",
)
_DISK = Cause(
    "it waits in the kernel for a disk or a network file system that does not answer",
    "see the host's kernel log (dmesg), its disks and its mounts; or keep the job off this host",
)
_HDFS = Cause(
    "it waits for storage, which neither answers nor fails",
    "see the NameNode, the DataNodes and the network between them and this host",
)
_STORAGE = dataclasses.replace(_HDFS, change="see the disk or the server that has the files, and the network to it")
_PEERS = Cause(
    "it waits for the ps or the chief to be ready",
    "see their logs; on slow hosts raise --start_timeout_s",
)
_TENSORFLOW = Cause(
    "a step does not end inside of TensorFlow: its ps or their link is gone, its input gives nothing, or, with "
    "--sync_replicas, another worker does not step",
    "see the logs of the ps and of the other workers, and the queues in its last log lines: an empty one means the "
    "input, and --num_readers or --num_preprocessing_threads",
)
_LOCK = Cause(
    "its main thread waits for another thread of its own, which does not come",
    "see in the stacks what the other threads wait for",
)
_PROCESS = Cause(
    "its main thread waits for a process that it started", "see what that process does, and give the wait a timeout"
)

_IN_HDFS = re.compile(r"sparkcv/storage/hdfs/|/hdfs_native/")
_IN_STORAGE = re.compile(r"sparkcv/storage/|/fsspec/")
# The first that is found anywhere in the main thread's stack counts.
_BY_FRAME = (
    (_IN_HDFS, _HDFS),
    (_IN_STORAGE, _STORAGE),
    (re.compile(r"^(await_ps|wait_for_session|create_session) "), _PEERS),
    (re.compile(r"^_call_tf_sessionrun "), _TENSORFLOW),
    (re.compile(r"/subprocess\.py|/multiprocessing/"), _PROCESS),
    (re.compile(r"/threading\.py|/queue\.py|/concurrent/futures/"), _LOCK),
)
_OF_PYTHON = re.compile(r"/lib/python3\.\d+/(?!site-packages|dist-packages)|<frozen ")


def probable_cause(state: str, threads: Sequence[Thread]) -> Cause | None:
    """Return the likeliest cause of a stall; None where neither the state nor the stacks say anything."""
    if state in STOPPED_STATES:
        return _STOPPED
    if state == "disk-sleep":
        return _DISK
    if not threads:
        return None
    frames = threads[0].frames
    for pattern, cause in _BY_FRAME:
        if any(pattern.search(str(frame)) for frame in frames):
            return cause if cause is not _TENSORFLOW else _in_tensorflow(threads)
    does = "computes" if state == "running" else "stands"
    return Cause(
        f"its main thread {does} in {_own(frames)}", "let the program take and report steps, or give its waits an end"
    )


def sentence(role: Role, silence: Silence) -> str:
    """Return the first line of a stall's report."""
    return f"{role} is stalled: {silence}"


def state_name(state: str) -> str:
    """Return the kernel's word for a state as a person knows it."""
    return f"{state} (SIGSTOP or a debugger)" if state in STOPPED_STATES else state or "not known"


def _in_tensorflow(threads: Sequence[Thread]) -> Cause:
    """Return storage as the cause of a step that does not end while the input's threads wait for storage."""
    frames = [str(frame) for thread in threads[1:] for frame in thread.frames]
    if any(map(_IN_HDFS.search, frames)):
        return _HDFS
    return _STORAGE if any(map(_IN_STORAGE.search, frames)) else _TENSORFLOW


def _own(frames: Sequence[Frame]) -> Frame:
    """Return the most recent call that is not in Python's own library."""
    return next((frame for frame in frames if not _OF_PYTHON.search(frame.file)), frames[0])
