"""Whether TensorFlow's servers of other roles answer: a link that is cut looks like any other stall from inside."""

import socket
import threading
from collections.abc import Mapping, Sequence

__all__ = ["LinkCheck", "WHOLE", "silent"]

WHOLE = "whole"
_TIMEOUT_S = 3.0
_MAX_CHARS = 200
# gRPC is HTTP/2, where a client begins with these words and a frame of settings, and a server answers with its own.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


class LinkCheck:
    """One look at all servers that a role talks to, in a thread of its own.

    ``found`` is "" until it is over, then ``"whole"``, or the names of those that do not answer, such as ``"ps:0"``.
    """

    def __init__(self, cluster: Mapping[str, Sequence[str]], jobs: Sequence[str]) -> None:
        """Begin; ``cluster`` is as ``NodeContext`` has it, ``jobs`` those whose roles are looked at."""
        self.found = ""
        self._addresses = {f"{job}:{at}": one for job in jobs for at, one in enumerate(cluster.get(job, []))}
        threading.Thread(target=self._look, name="sparkcv-linkcheck", daemon=True).start()

    def _look(self) -> None:
        names = silent(self._addresses, _TIMEOUT_S)
        shown = ", ".join(names)
        self.found = (shown if len(shown) <= _MAX_CHARS else f"{names[0]} and {len(names) - 1} more") or WHOLE


def silent(addresses: Mapping[str, str], timeout_s: float) -> list[str]:
    """Return the names of the gRPC servers that do not answer within ``timeout_s``, all asked at once."""
    answers: dict[str, bool] = {}

    def ask(name: str, address: str) -> None:
        answers[name] = _answers(address, timeout_s)

    threads = [threading.Thread(target=ask, args=one, daemon=True) for one in addresses.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * timeout_s)
    return [name for name in addresses if not answers.get(name, False)]


def _answers(address: str, timeout_s: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as sock:
            sock.settimeout(timeout_s)
            sock.sendall(_HELLO)
            return bool(sock.recv(1))
    except OSError:
        return False
