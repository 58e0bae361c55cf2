"""Ranges of ports that are free now, apart from those that the system gives out and from those of Hadoop's daemons."""

import contextlib
import random
import socket

from sparkcv.config.port_range import PortRange


def free_ports(count: int) -> PortRange:
    lows = list(range(10_000, 20_000 - count, count))
    random.shuffle(lows)  # another process of the same tests looks for a range at the same time
    for low in lows:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(low, low + count):
                stack.enter_context(socket.create_server(("0.0.0.0", port)))
            return PortRange(low, low + count - 1)
    raise AssertionError(f"no {count} free ports in a row")


def free_port() -> int:
    """One that the system gives out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
