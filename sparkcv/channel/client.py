"""The agent's end of the control channel: one request at a time. control.py is the other end."""

import socket
from types import TracebackType

from sparkcv.channel.connection import Connection
from sparkcv.channel.messages import Answer, Request
from sparkcv.channel.schema import decode, encode
from sparkcv.errors import ChannelError

__all__ = ["Client"]


class Client:
    """An agent's end: one request at a time, each answered or failed within ``timeout_s``."""

    def __init__(self, address: tuple[str, int], secret: bytes, *, timeout_s: float = 5.0) -> None:
        """Connect and shake hands; raise ChannelError if nobody, or somebody else, is there."""
        self._timeout_s = timeout_s
        try:
            sock = socket.create_connection((address[0].strip("[]"), address[1]), timeout=timeout_s)
        except OSError as err:
            raise ChannelError(f"no driver at {address[0]}:{address[1]}: {err}") from err
        self._connection = Connection(sock, secret, is_server=False, timeout_s=timeout_s, peer="the driver")
        self.local_host = self._connection.local_host
        """The address by which this machine reaches the driver."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def request(self, message: Request[Answer]) -> Answer:
        """Send ``message`` and return the driver's answer; after a ChannelError this client is of no more use."""
        try:
            self._connection.send(encode(message), self._timeout_s)
            content = self._connection.receive(self._timeout_s)
            if content is None:
                raise ChannelError(f"the driver does not answer: nothing in {self._timeout_s:g} s") from TimeoutError()
            answer = decode(content)
            if not isinstance(answer, message.answered_by):
                wanted, got = message.answered_by.__name__, type(answer).__name__
                raise ChannelError(f"expected a {wanted} from the driver, got a {got}")
            return answer
        except ChannelError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._connection.close()
