"""A program as light as can be whose workers step: each step goes to the ps and back, and then takes its time.

``pause_s`` in its params has seconds by role, of a step. Workers go on until they are told to stop, or for two steps.
"""

import contextlib
import socket
import threading
import time

from sparkcv.roles import NodeContext

_WAIT_S = 0.2


def main(ctx: NodeContext) -> dict:
    return _act(ctx, None)


def two(ctx: NodeContext) -> dict:
    return _act(ctx, 2)


def _act(ctx, most):
    if ctx.role.job == "ps":
        return _serve(ctx)
    pause_s, num_steps = ctx.params.get("pause_s", {}).get(str(ctx.role), 0.05), 0
    with contextlib.closing(_Errand(ctx)) as errand:
        while "ps" not in ctx.cluster or errand.there_and_back():
            num_steps += 1
            ctx.report({"own_steps": num_steps, "attempt": ctx.attempt})
            time.sleep(pause_s)  # what the step takes
            if num_steps == most or ctx.stop_requested():
                break
    return {"own_steps": num_steps}


class _Errand:
    """A byte to the ps and back, by a connection that is made again where it is lost, as gRPC does."""

    def __init__(self, ctx):
        self._ctx, self._sock = ctx, None

    def there_and_back(self):
        """False if the program was told to stop before the byte was back."""
        while not self._ctx.stop_requested():
            try:
                if self._sock is None:
                    host, _, port = self._ctx.cluster["ps"][0].rpartition(":")
                    self._sock = socket.create_connection((host, int(port)), _WAIT_S)
                    self._sock.sendall(b"x")
                if self._sock.recv(1) == b"x":
                    self._sock.sendall(b"x")  # the next one's
                    return True
                self.close()
            except TimeoutError:
                continue
            except OSError:  # nobody listens there yet, or it was reset
                self.close()
            time.sleep(_WAIT_S)
        return False

    def close(self):
        if self._sock is not None:
            self._sock.close()
        self._sock = None


def _serve(ctx):
    host, _, port = ctx.cluster["ps"][ctx.role.index].rpartition(":")
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # its agent holds the port
        server.bind((host, int(port)))
        server.listen()
        server.settimeout(_WAIT_S)
        while not ctx.stop_requested():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=_echo, args=server.accept()[:1], daemon=True).start()
    return {}


def _echo(sock):
    with sock, contextlib.suppress(OSError):
        while data := sock.recv(1):
            sock.sendall(data)
