"""Links between the processes of a run that can be cut: a TCP proxy each, which then keeps what it has to itself."""

import contextlib
import dataclasses
import functools
import socket
import threading

from tests.contracts.local_launcher import LocalLauncher

_CHUNK_BYTES = 1 << 16
_POLL_S = 0.05


class Link:
    """A proxy before an address; a context manager. Cut, nothing passes and nothing is hung up, as with a cut cable.

    It listens once the address does: who waits for that must not be answered by the proxy alone. Later, when who
    listens there is gone for a moment, connections wait for it.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._is_whole, self._is_over = threading.Event(), threading.Event()
        self._is_whole.set()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.mend()
        for one in list(self._sockets):
            _close(one)
        while self._threads:
            self._threads.pop().join()

    def cut(self) -> None:
        """Let nothing pass, and connect nobody."""
        self._is_whole.clear()

    def mend(self) -> None:
        """Let everything pass that came meanwhile."""
        self._is_whole.set()

    def _start(self, work, *args):
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            self._connected().close()
            self._listener.listen()
            while True:
                near, _ = self._listener.accept()
                self._start(self._join, near)

    def _join(self, near):
        self._sockets.append(near)
        with contextlib.suppress(OSError):
            self._is_whole.wait()
            far = self._connected()
            self._sockets.append(far)
            self._start(self._pass, near, far)
            self._start(self._pass, far, near)
        if self._is_over.is_set():  # these two may have come too late to be closed
            for one in self._sockets[1:]:
                _close(one)

    def _connected(self):
        """A connection to the address, once there is one to be had; OSError when this is over."""
        while not self._is_over.is_set():
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(self._target)
            self._is_over.wait(_POLL_S)
        raise OSError("the link is closed")

    def _pass(self, giver, taker):
        with contextlib.suppress(OSError):
            while data := giver.recv(_CHUNK_BYTES):
                self._is_whole.wait()
                taker.sendall(data)
        for one in (giver, taker):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _close(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class LinkedLauncher(LocalLauncher):
    """Plain processes whose links can be cut: ``control`` of all to the driver, ``data`` of two tasks to each other.

    A context manager; it serves as many launches as there are.
    """

    def __init__(self, num_slots: int, paths: list[str], between: tuple[int, int]) -> None:
        super().__init__(num_slots, paths, self._hear)
        self._between = between
        self._stack = contextlib.ExitStack()
        self.control: list[Link] = []
        self.data: list[Link] = []

    def __enter__(self) -> "LinkedLauncher":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def cut(self, links: list[Link]) -> None:
        """Cut all of these."""
        for link in links:
            link.cut()

    def mend(self, links: list[Link]) -> None:
        """Mend all of these."""
        for link in links:
            link.mend()

    def launch(self, name, count, body):
        (task,) = body.args
        self.control.append(link := self._stack.enter_context(Link(*task.driver)))
        self.data.clear()
        task = dataclasses.replace(task, driver=("127.0.0.1", link.port))
        return super().launch(name, count, functools.partial(body.func, task))

    def _hear(self, index, said):
        heard = list(said)
        for me, other in (self._between, self._between[::-1]):
            if index == me:
                host, _, port = said[other].rpartition(":")
                self.data.append(link := self._stack.enter_context(Link(host, int(port))))
                heard[other] = f"127.0.0.1:{link.port}"
        return heard
