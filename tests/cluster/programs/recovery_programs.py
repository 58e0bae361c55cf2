"""A program whose every life is told what to do: die, fail, stand still, or let all others end well."""

import json
import os
import pathlib
import signal
import time

from sparkcv.errors import BudgetError
from sparkcv.roles import NodeContext

_PATIENCE_S = 300


def live(ctx: NodeContext) -> dict:
    """Does ``params["deeds"]["worker:1 0.2"]`` (generation 0, attempt 2) once all roles have started; else waits.

    Each life leaves a file of that name in ``params["folder"]``; a worker's ends when one has done "finish".
    """
    folder = pathlib.Path(ctx.params["folder"])
    life = f"{ctx.role} {ctx.generation}.{ctx.attempt}"
    own = ctx.cluster[ctx.role.job][ctx.role.index]
    (folder / f"{life}.tmp").write_text(json.dumps({"pid": os.getpid(), "agent": os.getppid(), "address": own}))
    (folder / f"{life}.tmp").rename(folder / life)
    ctx.report({"life": life, "pid": os.getpid(), "agent": os.getppid(), "scratch": ctx.scratch_dir})
    _wait(
        ctx, lambda: len({path.name.split()[0] for path in folder.glob("*:*")}) == sum(map(len, ctx.cluster.values()))
    )
    deed = ctx.params["deeds"].get(life, "wait")
    print(f"{life} does {deed}")
    if deed == "finish":
        (folder / "finished").touch()
    elif deed != "wait":
        globals()[f"_{deed}"](ctx)
    is_worker = ctx.role.job == "worker"
    _wait(ctx, lambda: is_worker and (folder / "finished").exists())
    return {"life": life, "token": ctx.params["token"], "was_stopped": ctx.stop_requested()}


def _wait(ctx, check):
    deadline_s = time.monotonic() + _PATIENCE_S
    while not check() and not ctx.stop_requested() and time.monotonic() < deadline_s:
        time.sleep(0.02)


def _die(ctx):
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(ctx):
    raise KeyError(f"life {ctx.attempt} of {ctx.role}")


def _fail_for_good(ctx):
    raise BudgetError("12 of 100 records are bad, over the budget of 1")


def _lose_agent(ctx):
    os.kill(os.getppid(), signal.SIGKILL)


def _step_then_stand_still(ctx):
    for step in range(3):
        ctx.report({"step": step})
        time.sleep(1.1)  # the deed: each word of a step travels with a beat of its own
    _stand_still()


def _stand_still():
    time.sleep(_PATIENCE_S)


def _tell_and_wait(ctx):
    """A SIGTERM from outside of the run."""
    os.kill(os.getpid(), signal.SIGTERM)
