"""The newest tokens that the driver has for others, numbered."""

import base64
import dataclasses
import threading

from sparkcv.channel.messages import MAX_TOKENS_BYTES, Beat, Hello, Message, Reply
from sparkcv.errors import ClusterError

__all__ = ["TokenStore", "token_store", "with_newest"]


class TokenStore:
    """Holds the bytes of a token file; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number, self._data = 0, b""

    def put(self, data: bytes) -> bool:
        """Put the newest there; False if it is what was there before. Raises ClusterError for more than can travel."""
        if len(data) > MAX_TOKENS_BYTES:
            raise ClusterError(
                f"the tokens for HDFS take {len(data)} bytes, over the {MAX_TOKENS_BYTES} that the control channel"
                " carries; name fewer file systems in spark.kerberos.access.hadoopFileSystems"
            )
        with self._lock:
            if data == self._data:
                return False
            self._number, self._data = self._number + 1, data
            return True

    def newest(self) -> tuple[int, bytes]:
        """Return the number and the bytes of the newest; 0 and b"" before there are any."""
        with self._lock:
            return self._number, self._data

    def clear(self) -> None:
        """Forget them; the next are newer all the same."""
        with self._lock:
            self._data = b""


def with_newest(reply: Reply, message: Message, newest: tuple[int, bytes]) -> Reply:
    """Return ``reply`` to an agent's ``message``, with the newest tokens if that has older ones and is not refused."""
    number, data = newest
    is_wanted = isinstance(message, Hello | Beat) and message.tokens_held != number
    if not data or not is_wanted or reply.order == "refuse":
        return reply
    return dataclasses.replace(reply, tokens_number=number, tokens=base64.b64encode(data).decode())


token_store = TokenStore()
"""This process's, if it is a driver: tokens belong to a process, as its environment does."""
