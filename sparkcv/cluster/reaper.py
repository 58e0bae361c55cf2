"""The process that outlives a killed agent for a moment, to end what the node process started and left behind.

Linux kills the node process with its agent, but nothing that this one started. The reaper waits for the agent's end,
then kills what carries its mark and sweeps its folder. ``python -m sparkcv.cluster.reaper`` is no command for people.
"""

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from sparkcv.cluster import process_tree
from sparkcv.launchers.python_module import start_module
from sparkcv.spark import scratch

__all__ = ["main", "running_reaper"]

_POLL_S = 0.5
_END_TIMEOUT_S = 10.0


@contextlib.contextmanager
def running_reaper(scratch_root: str) -> Iterator[str]:
    """Run a reaper beside this agent, in case it is killed; give the mark that all its node processes are to carry.

    Raises OSError if the reaper cannot be started.
    """
    mark = secrets.token_hex(8)
    # In a session of its own: who kills the agent's whole process group must not kill the reaper.
    reaper = start_module(
        "sparkcv.cluster.reaper",
        ["--agent", str(os.getpid()), "--mark", mark, "--scratch_root", scratch_root],
        {name: value for name, value in os.environ.items() if "SECRET" not in name},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield mark
    finally:
        reaper.kill()  # the agent is there, and has done what the reaper is for
        reaper.wait(_END_TIMEOUT_S)


def main(argv: Sequence[str] | None = None) -> int:
    """Wait for the agent's end, then end all that carries its mark, and sweep its folder; return 0 if all ended."""
    parser = argparse.ArgumentParser(prog="sparkcv.cluster.reaper")
    parser.add_argument("--agent", type=int, required=True, help="the process that started this one")
    parser.add_argument("--mark", required=True)
    parser.add_argument("--scratch_root", required=True)
    args = parser.parse_args(argv)
    while os.getppid() == args.agent:
        time.sleep(_POLL_S)
    is_done = process_tree.kill_tree(args.mark)
    scratch.sweep(args.scratch_root)
    return 0 if is_done else 1


if __name__ == "__main__":
    sys.exit(main())
