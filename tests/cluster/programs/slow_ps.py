"""A program whose ps takes seconds to load, as TensorFlow does, while its worker is done at once."""

import time
from pathlib import Path

if b"ps:0" in Path("/proc/self/cmdline").read_bytes().split(b"\0"):
    time.sleep(4)


def main(ctx):
    if ctx.role.job == "worker":
        return {"done": True}
    deadline = time.monotonic() + 60
    while not ctx.stop_requested() and time.monotonic() < deadline:
        time.sleep(0.02)
    return {"was_stopped": ctx.stop_requested()}
