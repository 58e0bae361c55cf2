"""The process that runs a role's program: started by the agent, told all by stdin, telling all by one socket.

It is a process of its own so that TensorFlow's seconds to import, threads, memory and crashes are never those of
the Spark task beside it. ``python -m sparkcv.cluster.node ...`` is no command for people.
"""

import argparse
import contextlib
import ctypes
import faulthandler
import functools
import gc
import importlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sparkcv import errors, logs
from sparkcv.channel import messages
from sparkcv.cluster.fork_exit import children_ending_here
from sparkcv.errors import ClusterError, SparkcvError, UsageError
from sparkcv.roles import NodeContext, Role

__all__ = ["ORDER_SIGNAL", "Program", "STACKS_SIGNAL", "load_program", "main", "split_program"]

Program = Callable[[NodeContext], dict[str, Any] | None]

# A SIGTERM comes from outside of the run and is only told to the driver, which ends the roles in their order: a ps that
# left at once would take along what the chief has to save.
ORDER_SIGNAL = signal.SIGUSR2
STACKS_SIGNAL = signal.SIGUSR1
_PR_SET_PDEATHSIG = 1
_SEND_TIMEOUT_S = 10.0

_log = logs.get(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program named on stdin as a role; 0 only if it returned a result and the agent has it."""
    parser = argparse.ArgumentParser(prog="sparkcv.cluster.node")
    parser.add_argument("--role", required=True, help="such as worker:1; here, so that ps and top show it")
    parser.add_argument("--status_fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    args = parser.parse_args(argv)
    _die_with(args.parent)
    os.set_inheritable(args.status_fd, False)  # what the program starts must not hold it open
    stop = threading.Event()
    faulthandler.register(STACKS_SIGNAL, all_threads=True, chain=False)
    signal.signal(ORDER_SIGNAL, lambda number, frame: stop.set())
    with socket.socket(fileno=args.status_fd) as status_socket:
        uplink = Uplink(status_socket)
        signal.signal(signal.SIGTERM, lambda number, frame: uplink.send_told_to_end())
        os.register_at_fork(after_in_child=functools.partial(_forget_handlers, _handlers()))
        logs.setup(args.role)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its deprecations are no news to a user
        task = json.loads(sys.stdin.buffer.readline())
        task["payload"] = sys.stdin.buffer.read()
        outcome = run_program(Role.parse(args.role), task, uplink, stop.is_set)
        uplink.send_last(outcome)
    return 0 if "result" in outcome else errors.EXIT_FAILED


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in (ORDER_SIGNAL, signal.SIGTERM)}


def _forget_handlers(ours: dict[int, Any]) -> None:
    """Lets a child that the program forked die of a SIGTERM, as a pool ends its processes by: it is no order to us."""
    with contextlib.suppress(ValueError):  # forked by a thread in which Python takes no signals
        signal.set_wakeup_fd(-1)
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:  # and not one that the program has set since
                signal.signal(number, signal.SIG_DFL)


def run_program(
    role: Role, task: dict[str, Any], uplink: "Uplink", stop_requested: Callable[[], bool]
) -> dict[str, Any]:
    """The last word of a role: ``{"result": dict}`` or ``{"error": sentence, "error_kind": class name}``.

    ``task`` holds cluster, params, scratch_dir, payload and program, as NodeContext describes them. The traceback of
    an exception that is not a SparkcvError goes to stderr, which is the role's log.
    """
    try:
        program = load_program(task["program"])
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


def split_program(program: str) -> tuple[str, str]:
    """Module and function of ``"package.module:function"``; raises UsageError for another form."""
    module, colon, function = program.partition(":")
    if not colon or not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(f"a program is named package.module:function, not {program!r}")
    return module, function


def load_program(program: str) -> Program:
    """The function that ``"package.module:function"`` names; raises UsageError or ClusterError if there is none."""
    module, function = split_program(program)
    try:
        with _garbage_left():
            found = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as err:
        raise ClusterError(
            f"program {program} cannot be imported on {socket.gethostname()}: no module named {err.name!r} there"
        ) from err
    except Exception as err:  # a module raises what it likes
        traceback.print_exc()
        raise ClusterError(
            f"program {program} cannot be imported on {socket.gethostname()}: {type(err).__name__}: {err}"
        ) from err
    if not callable(found):
        raise UsageError(f"program {program}: module {module} has no function {function!r}")
    loaded: Program = found
    return loaded


@contextlib.contextmanager
def _garbage_left() -> Iterator[None]:
    """Collects no garbage while a program is imported.

    None of TensorFlow's half a million objects is any, and to look for it is a seventh of the time. Nor are they looked
    through again later.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Uplink:
    """The node's end of the socket to its agent: whole messages, newest status first."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._lock = threading.Lock()
        self._waiting: bytes | None = None  # the newest status, while the agent has no room for it

    def report(self, status: dict[str, Any]) -> None:
        """Sends ``status`` without ever blocking; raises UsageError for one that is too large or no JSON."""
        try:
            data = json.dumps({"status": status}, default=_plain).encode()
        except (TypeError, ValueError) as err:
            raise UsageError(f"a status must be JSON-able, got {str(status)[:200]}: {err}") from err
        if len(data) > messages.MAX_STATUS_BYTES:
            raise UsageError(f"a status takes {messages.MAX_STATUS_BYTES} bytes at most, got {len(data)}")
        with self._lock:
            self._waiting = data
            self._flush()

    def send_ready(self) -> None:
        """Says that the program is loaded and starts now."""
        with self._lock:
            self._sock.send(b'{"ready": true}')

    def send_told_to_end(self) -> None:
        """Says that a SIGTERM came; called by a signal's handler, so it takes no lock that its thread may hold."""
        with contextlib.suppress(OSError):
            self._sock.send(b'{"told_to_end": true}', socket.MSG_DONTWAIT)

    def send_last(self, outcome: dict[str, Any]) -> None:
        """Sends the last word, and the newest status before it; raises ClusterError if the agent takes neither."""
        try:
            with self._lock:
                self._sock.settimeout(_SEND_TIMEOUT_S)
                if self._waiting is not None:
                    self._sock.send(self._waiting)
                self._sock.send(json.dumps(outcome).encode())
        except OSError as err:
            raise ClusterError(f"the agent does not take the role's result: {err}") from err

    def _flush(self) -> None:
        if self._waiting is None:
            return
        try:
            self._sock.send(self._waiting, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:  # the agent is gone, and this process is about to be
            pass
        self._waiting = None


def _checked(result: object, program: str) -> dict[str, Any]:
    if result is None:
        return {}
    if not isinstance(result, dict):
        raise ClusterError(f"{program} must return a dict or None, got a {type(result).__name__}")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(result, default=_plain))
    except (TypeError, ValueError) as err:
        raise ClusterError(f"{program} must return a JSON-able dict: {err}") from err
    size = messages.json_size(plain)
    if size > messages.MAX_RESULT_BYTES:
        raise ClusterError(
            f"{program} returned {size} bytes of result, over the {messages.MAX_RESULT_BYTES} that the control "
            "channel carries; larger ones belong into storage"
        )
    return plain


def _plain(value: object) -> object:
    """NumPy's scalars and arrays as Python's, for json."""
    to_list = getattr(value, "tolist", None)
    if to_list is None:
        raise TypeError(f"a {type(value).__name__} has no JSON form")
    return to_list()


def _error(sentence: str, err: BaseException) -> dict[str, str]:
    return {"error": sentence[: messages.MAX_SENTENCE_CHARS], "error_kind": type(err).__name__[:100]}


def _die_with(parent: int) -> None:
    """Asks Linux to kill this process when its agent dies; ends it if that has happened already.

    The process asks for itself, since code between fork and exec in a threaded agent can deadlock.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(errors.EXIT_FAILED)


def _leave_with(uplink: "Uplink", result: dict[str, Any]) -> None:
    uplink.send_last({"result": result})
    _leave(errors.EXIT_OK)


def _leave(code: int) -> None:
    """Ends the process now: a program's threads, such as TensorFlow's, must not keep a finished role alive."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
