"""Let a process stop where its main thread cannot: it waits in TensorFlow, which no signal wakes.

A ps waits in ``server.join()`` for ever; so does every worker of a ParameterServerStrategy, which has no other end than
being stopped. Python runs a signal's handler in the main thread only, so here a thread of our own hears of the order.
"""

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from sparkcv.cluster.node import ORDER_SIGNAL
from sparkcv.roles import NodeContext

__all__ = ["leaving_when_asked"]

_LOOK_EVERY_S = 0.5
_JOIN = ("join", "server_lib.py")  # where tf.distribute.Server.join and its forerunners wait


@contextlib.contextmanager
def leaving_when_asked(ctx: NodeContext, status: dict[str, Any], is_service: bool) -> Iterator[None]:
    """End the process at the order to stop, while its main thread is in the block, if it serves others.

    A service does so at any point; another role once its main thread waits in a TensorFlow server's ``join()``, of
    which it reports by ``status``.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    reader.settimeout(_LOOK_EVERY_S)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(
        target=_watch, args=(ctx, status, is_service, reader), name="sparkcv-serving", daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.shutdown(socket.SHUT_RDWR)  # closing alone is not heard while a child that was forked has it open
        writer.close()
        watcher.join()
        reader.close()


def _watch(ctx: NodeContext, status: dict[str, Any], serves: bool, reader: socket.socket) -> None:
    was_asked = False
    while True:
        try:
            heard = reader.recv(64)
            if not heard:
                return
            was_asked = was_asked or ORDER_SIGNAL in heard
        except TimeoutError:
            pass
        if not serves and _main_thread_joins_a_server():
            serves = status["serves"] = True
            ctx.report(status)
        if serves and was_asked and ctx.leave is not None:
            ctx.leave({})


def _main_thread_joins_a_server() -> bool:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return frame is not None and frame.f_code.co_name == _JOIN[0] and frame.f_code.co_filename.endswith(_JOIN[1])
