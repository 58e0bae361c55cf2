"""A way to a NameNode that loses the answer to a chosen call: the request arrives, and the connection breaks."""

import contextlib
import socket
import threading


class LossyWay:
    """A context manager: a TCP relay to ``host:port``; ``place`` is its own.

    ``lose(method)``: the next request with that method is handed on, and answered by the end of its connection.
    """

    def __init__(self, target):
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._method = None
        self.num_lost = 0
        self._sockets = []

    def __enter__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join(60)

    def lose(self, method):
        """Lose the answer to the next request that has this method's name in it."""
        self._method = method.encode()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                lost = threading.Event()
                for way in ((client, server, lost, True), (server, client, lost, False)):
                    self._threads.append(threading.Thread(target=self._relay, args=way))
                    self._threads[-1].start()

    def _relay(self, source, sink, lost, is_request):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if is_request and self._method is not None and self._method in data:
                    self._method = None
                    lost.set()
                if not is_request and lost.is_set():
                    self.num_lost += 1
                    break
                sink.sendall(data)
        _end(source)
        _end(sink)


def _end(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
