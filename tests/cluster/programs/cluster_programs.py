"""Programs for the supervisor's tests: each does one thing that a user's program may do, good or bad."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from sparkcv.errors import BudgetError, PreemptedError, UsageError
from sparkcv.roles import NodeContext

_PATIENCE_S = 300


def _tell(ctx: NodeContext, **more: object) -> None:
    ctx.report({"pid": os.getpid(), "agent": os.getppid(), "scratch": ctx.scratch_dir, **more})


def _wait_for_stop(ctx: NodeContext) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while not ctx.stop_requested() and time.monotonic() < deadline:
        time.sleep(0.02)
    return ctx.stop_requested()


def echo(ctx: NodeContext) -> dict:
    """Workers return what they got; ps serve until they are asked to stop."""
    _tell(ctx)
    if ctx.role.job == "ps":
        return {"was_stopped": _wait_for_stop(ctx)}
    print(f"hello from {ctx.role}")
    return {
        "role": str(ctx.role),
        "cluster": ctx.cluster,
        "params": ctx.params,
        "scratch": os.path.isdir(ctx.scratch_dir),
    }


def weigh_payload(ctx: NodeContext) -> dict:
    """worker:0 tells of its payload; the other says that it serves, and hears nothing any more."""
    if ctx.role.index:
        ctx.report({"serves": True})
        while not ctx.stop_requested():
            time.sleep(0.02)
        ctx.leave({"left": True})
    return {"payload": ctx.payload.hex(), "keras": os.environ.get("TF_USE_LEGACY_KERAS", ""), "shown": str(ctx)}


def victim(ctx: NodeContext) -> dict:
    """The role named in params["role"] does params["deed"]; all others wait to be stopped."""
    _tell(ctx)
    if str(ctx.role) != ctx.params["role"]:
        return {"was_stopped": _wait_for_stop(ctx)}
    for at in range(50):
        print(f"line {at} of {ctx.role}")
    result: dict = DEEDS[ctx.params["deed"]](ctx)
    return result


def deaf_or_dead(ctx: NodeContext) -> dict:
    """worker:1 is killed, and worker:0 ignores that it is asked to stop."""
    _tell(ctx)
    if ctx.role.index:
        _sigkill(ctx)
    _deaf(ctx)
    return {}


def widow(ctx: NodeContext) -> dict:
    """The ps dies, and the worker is quick to complain about that."""
    address = ctx.cluster["ps"][0].split(":")
    if ctx.role.job == "ps":
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((address[0], int(address[1])))
            listener.listen()
            listener.settimeout(_PATIENCE_S)
            listener.accept()
            _sigkill(ctx)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address[0], int(address[1]))) as sock:
                sock.recv(1)
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise ConnectionResetError("the ps hung up")


def deaf_ps(ctx: NodeContext) -> dict:
    """The workers are done at once, and the ps ignores that it is asked to stop."""
    if ctx.role.job == "ps":
        _deaf(ctx)
    return {"done": True}


def _litterer(ctx):
    """Leaves a temporary file, which a library would remove at Python's exit."""
    handle, path = tempfile.mkstemp()
    os.close(handle)
    return {"left": path, "scratch": os.listdir(ctx.scratch_dir)}


def _exit_3(ctx):
    sys.exit(3)


def _hard_exit_3(ctx):
    os._exit(3)


def _hard_exit_0(ctx):
    os._exit(0)


def _exit_0(ctx):
    sys.exit(0)


def _sigkill(ctx):
    os.kill(os.getpid(), signal.SIGKILL)


def _sigill(ctx):
    os.kill(os.getpid(), signal.SIGILL)


def _known_error(ctx):
    raise BudgetError("12 of 100 records are bad, over the budget of 1")


def _slow_error(ctx):
    """Fails after everybody had the time to look at the process."""
    time.sleep(3)
    _known_error(ctx)


def _patient(ctx):
    time.sleep(5)
    return {"done": True}


def _usage_error(ctx):
    raise UsageError("trainable_scopes 'x' match no variable")


def _preempted(ctx):
    raise PreemptedError("saved at step 10")


def _unknown_error(ctx):
    return {}["no such key"]


def _not_json(ctx):
    return {"sock": socket.socket}


def _not_a_dict(ctx):
    return [1, 2]


def _too_large(ctx):
    return {"x": "y" * 60_000}


def _large(ctx):
    return {"x": "y" * 47_000}


def _deaf(ctx):
    """Ignores SIGTERM, and so do the grandchildren."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(_PATIENCE_S)


def _forker(ctx):
    child = subprocess.Popen(["sleep", "120"], stdin=subprocess.DEVNULL)
    return {"grandchild": child.pid}


def _threads(ctx):
    """Leaves a thread that never ends."""
    threading.Thread(target=time.sleep, args=(_PATIENCE_S,)).start()
    return {"left": "a thread"}


def _loud(ctx):
    line = b"x" * 199 + b"\n"
    for _ in range(ctx.params["megabytes"]):
        os.write(1, line * (2**20 // len(line)))
    print("the last line")
    return {"printed": ctx.params["megabytes"]}


def _reporter(ctx):
    """Reports far faster than anybody listens."""
    for step in range(5000):
        ctx.report({"step": step, "loss": float("nan")})
    return {"step": 4999}


def _wait(ctx):
    return {"was_stopped": _wait_for_stop(ctx)}


def _ignore_disk(ctx):
    raise OSError(28, "No space left on device")


DEEDS = {name[1:]: deed for name, deed in list(globals().items()) if name.startswith("_") and callable(deed)}
