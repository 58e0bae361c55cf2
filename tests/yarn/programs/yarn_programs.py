"""Programs for the roles of role_job.py: light ones, without TensorFlow, for what YARN does to processes."""

import os
import pathlib
import signal
import time

from sparkcv import storage
from sparkcv.roles import NodeContext

_PATIENCE_S = 300.0
_CHUNK = 32 * 2**20


def act(ctx: NodeContext) -> dict:
    """The role of params["role"] does params["deed"] once all roles have started; all others wait to be stopped."""
    ctx.report({"pid": os.getpid(), "scratch": ctx.scratch_dir})
    print(f"{ctx.role} has started")
    if str(ctx.role) != ctx.params["role"]:
        return {"was_stopped": _wait(ctx)}
    result: dict = globals()[f"_{ctx.params['deed']}"](ctx)
    return result


def _wait(ctx: NodeContext) -> bool:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not ctx.stop_requested() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return ctx.stop_requested()


def _look(ctx: NodeContext) -> dict:
    """Says what a container gives to a role's process."""
    where = storage.join(ctx.params["url"], f"{ctx.role.job}-{ctx.role.index}.txt")
    storage.write_bytes(where, b"written by a role")
    return {
        "cwd": os.getcwd(),
        "scratch": ctx.scratch_dir,
        "application": os.environ["CONTAINER_ID"],
        "read": storage.read_bytes(where).decode(),
        "relative": [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry and entry[0] != "/"],
        "exists": pathlib.Path(ctx.scratch_dir).is_dir(),
    }


def _sit(ctx: NodeContext) -> dict:
    """Waits for somebody to do something to it."""
    return {"was_stopped": _wait(ctx)}


def _die(ctx: NodeContext) -> dict:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def _hog(ctx: NodeContext) -> dict:
    """Takes more and more memory, slowly enough to be seen doing so."""
    held = []
    for _ in range(ctx.params["megabytes"] * 2**20 // _CHUNK):
        held.append(b"\1" * _CHUNK)
        time.sleep(0.1)  # this is the deed: YARN looks once a second
    return {"was_stopped": _wait(ctx), "held": len(held)}
