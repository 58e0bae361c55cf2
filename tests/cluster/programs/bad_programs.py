"""Programs that do what no program should: they are refused, ended or told of, and leave nothing behind."""

import ctypes
import mmap
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

from sparkcv import storage
from sparkcv.records import tfrecord
from sparkcv.roles import NodeContext

_PATIENCE_S = 300
_UNDEFINED = {"x86_64": b"\x0f\x0b", "aarch64": b"\x00\x00\x00\x00"}


def forks(ctx: NodeContext) -> dict:
    """Leaves a child, and a daemon that has left the session and listens to no signal; params["then"] says how it ends.

    Both are told of with this process's id and its agent's.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _sleep_on()
    if not os.fork():  # the usual double fork: nobody's child, in a session of its own
        os.setsid()
        if daemon := os.fork():
            os.write(write, b"%d" % daemon)
            os._exit(0)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        _sleep_on()
    started = {"child": child, "daemon": int(os.read(read, 32))}
    ctx.report({"pid": os.getpid(), "agent": os.getppid(), "scratch": ctx.scratch_dir, **started})
    if ctx.params["then"] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if ctx.params["then"] == "waits":
        time.sleep(_PATIENCE_S)
    return started


def forks_and_returns(ctx: NodeContext) -> dict:
    """Both it and a child return, or, by params["child"], the child leaves by sys.exit or by an error."""
    child = os.fork()
    if not child:
        if ctx.params["child"] == "exits":
            sys.exit(3)
        if ctx.params["child"] == "raises":
            raise ValueError("of the child")
        return {"of": "the child"}
    return {"of": "the parent", "code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}


def _sleep_on() -> None:
    time.sleep(_PATIENCE_S)
    os._exit(0)


def broken(ctx: NodeContext) -> dict:
    """Ends by a fault of this machine's: the one named in params["fault"]."""
    FAULTS[ctx.params["fault"]]()
    return {}


def _illegal_instruction() -> None:
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_UNDEFINED[platform.machine()])
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def _bad_pointer() -> None:
    ctypes.string_at(8)


def _memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
    bytearray(2**31)


def _module() -> None:
    import no_such_codec  # noqa: F401


def _library() -> None:
    ctypes.CDLL("libno_such_codec.so.7")


def _port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as other:
        other.bind(taken.getsockname())


def _full_disk() -> None:
    with open("/dev/full", "wb") as file:
        file.write(b"x")


def _hdfs() -> None:
    os.environ["SPARKCV_STORAGE_WAIT_S"] = "1"
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        storage.read_bytes(f"hdfs://127.0.0.1:{closed.getsockname()[1]}/data/labels.txt")


def _record() -> None:
    with tempfile.NamedTemporaryFile(suffix=".tfrecord") as file:
        file.write(tfrecord.frame(b"picture")[:-1] + b"\0")
        file.flush()
        list(tfrecord.read_records(storage.read_bytes(file.name), file.name))


def _denied() -> None:
    subprocess.run(["/proc/self/environ"], check=True)


FAULTS = {name[1:]: fault for name, fault in list(globals().items()) if name.startswith("_") and callable(fault)}


def hangs(ctx: NodeContext) -> dict:
    """Takes params["steps"] steps of 0.1 s, then never another."""
    who = {"pid": os.getpid(), "agent": os.getppid(), "scratch": ctx.scratch_dir}
    ctx.report(who)
    for step in range(ctx.params["steps"]):
        ctx.report({"step": step + 1, **who})
        time.sleep(0.1)
    _wait_for_what_never_comes()
    return {}


def without_a_handler(ctx: NodeContext) -> dict:
    """Takes the agent's way to ask for stacks away, and waits."""
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    ctx.report({"pid": os.getpid()})
    time.sleep(_PATIENCE_S)
    return {}


def _wait_for_what_never_comes() -> None:
    print("waiting now")
    while True:
        time.sleep(1)
