"""The process that runs a role's program: started by the agent, told all by stdin, telling all by one socket.

It is a process of its own so that TensorFlow's seconds to import, threads, memory and crashes are never those of
the Spark task beside it. ``python -m sparkcv.cluster.node ...`` is no command for people.
"""

import argparse
import contextlib
import faulthandler
import functools
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from sparkcv import errors, logs
from sparkcv.channel import messages
from sparkcv.cluster.fork_exit import children_ending_here
from sparkcv.cluster.program import load_program
from sparkcv.cluster.standby import die_with, leave_standby
from sparkcv.cluster.uplink import Uplink, jsonable
from sparkcv.errors import ClusterError, SparkcvError
from sparkcv.imports import exit_now
from sparkcv.roles import NodeContext, Role

__all__ = ["ORDER_SIGNAL", "STACKS_SIGNAL", "main", "run_program"]

# A SIGTERM comes from outside of the run and is only told to the driver, which ends the roles in their order: a ps that
# left at once would take along what the chief has to save.
ORDER_SIGNAL = signal.SIGUSR2
STACKS_SIGNAL = signal.SIGUSR1

_log = logs.get(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program named on stdin as a role; return 0 only if it returned a result and the agent has it."""
    parser = argparse.ArgumentParser(prog="sparkcv.cluster.node")
    parser.add_argument("--role", required=True, help="such as worker:1; here, so that ps and top show it")
    parser.add_argument("--status_fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--standby_fd", type=int, help="of a socket, if a standby is to be left")
    args = parser.parse_args(argv)
    die_with(args.parent)
    leave = None
    if args.standby_fd is not None:
        os.set_inheritable(args.standby_fd, False)
        leave = functools.partial(
            leave_standby, args.standby_fd, args.parent, lambda status_fd: exit_now(_serve(args.role, status_fd))
        )
    return _serve(args.role, args.status_fd, leave)


def _serve(name: str, status_fd: int, loaded: Callable[[], None] | None = None) -> int:
    os.set_inheritable(status_fd, False)  # what the program starts must not hold it open
    stop = threading.Event()
    faulthandler.register(STACKS_SIGNAL, all_threads=True, chain=False)
    signal.signal(ORDER_SIGNAL, lambda number, frame: stop.set())
    with socket.socket(fileno=status_fd) as status_socket:
        uplink = Uplink(status_socket)
        signal.signal(signal.SIGTERM, lambda number, frame: uplink.send_told_to_end())
        os.register_at_fork(after_in_child=functools.partial(_forget_handlers, _handlers()))
        logs.setup(name)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its deprecations are of no use to a user
        task = json.loads(sys.stdin.buffer.readline())
        task["payload"] = sys.stdin.buffer.read()
        outcome = run_program(Role.parse(name), task, uplink, stop.is_set, loaded)
        uplink.send_last(outcome)
    return 0 if "result" in outcome else errors.EXIT_FAILED


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in (ORDER_SIGNAL, signal.SIGTERM)}


def _forget_handlers(ours: dict[int, Any]) -> None:
    """Let a child that the program forked die of a SIGTERM, by which a pool ends its processes: it is not for us."""
    with contextlib.suppress(ValueError):  # forked by a thread in which Python takes no signals
        signal.set_wakeup_fd(-1)
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:  # and not one that the program has set since
                signal.signal(number, signal.SIG_DFL)


def run_program(
    role: Role,
    task: dict[str, Any],
    uplink: Uplink,
    stop_requested: Callable[[], bool],
    loaded: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Return the last message of a role: ``{"result": dict}`` or ``{"error": sentence, "error_kind": class name}``.

    ``task`` holds cluster, params, scratch_dir, payload and program, as NodeContext describes them. The traceback of
    an exception that is not a SparkcvError goes to stderr, which is the role's log. ``loaded`` is called when the
    program is imported, before it runs.
    """
    try:
        program = load_program(task["program"], role)
        if loaded is not None:
            loaded()
        context = NodeContext(
            role=role,
            cluster=task["cluster"],
            params=task["params"],
            scratch_dir=task["scratch_dir"],
            report=uplink.report,
            stop_requested=stop_requested,
            generation=task["generation"],
            attempt=task["attempt"],
            payload=task.get("payload", b""),
            leave=functools.partial(_leave_with, uplink),
        )
        uplink.send_ready()
        with children_ending_here():
            result = program(context)
        return {"result": _checked(result, task["program"])}
    except SparkcvError as err:
        _log.error("%s", err)
        return _error(str(err), err)
    except SystemExit as err:
        return _error(f"{task['program']} called sys.exit({err.code!r}) instead of returning its result", err)
    except BaseException as err:  # noqa: BLE001 - whatever a program raises ends in the report
        traceback.print_exc()
        return _error(f"{task['program']} raised {type(err).__name__}: {err}", err)


def _checked(result: object, program: str) -> dict[str, Any]:
    if result is None:
        return {}
    if not isinstance(result, dict):
        raise ClusterError(f"{program} must return a dict or None, got a {type(result).__name__}")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(result, default=jsonable))
    except (TypeError, ValueError) as err:
        raise ClusterError(f"{program} must return a JSON-able dict: {err}") from err
    size = messages.json_size(plain)
    if size > messages.MAX_RESULT_BYTES:
        raise ClusterError(
            f"{program} returned {size} bytes of result, over the {messages.MAX_RESULT_BYTES} that the control "
            "channel carries; larger ones belong into storage"
        )
    return plain


def _error(sentence: str, err: BaseException) -> dict[str, str]:
    return {"error": sentence[: messages.MAX_SENTENCE_CHARS], "error_kind": type(err).__name__[:100]}


def _leave_with(uplink: Uplink, result: dict[str, Any]) -> None:
    uplink.send_last({"result": result})
    exit_now(errors.EXIT_OK)


if __name__ == "__main__":
    exit_now(main())
