"""Open ports within a run's ``--port_range``, or hold them for a process that will listen later.

Held is not listening: TensorFlow's server is to take the port minutes later, maybe several times. Until then nobody
else may, not even another agent of the same user, although SO_REUSEPORT lets that user's processes share a port.
"""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator

import psutil

from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ClusterError

__all__ = ["hold_port", "listen"]

_BACKLOG = 512
_MOST_OWNERS = 3  # that are named where a range is used up
_CREDENTIALS = struct.Struct("3i")


def listen(host: str, ports: PortRange = ANY_PORT) -> socket.socket:
    """Return a socket that listens on ``host``; raise OSError whose sentence names the range if none of it is free."""
    host = host.strip("[]")  # Spark has addresses of IPv6 in brackets
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in _order(ports):
        try:
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as err:
            if not ports or err.errno != errno.EADDRINUSE:
                raise
    raise OSError(_used_up(ports))


@contextlib.contextmanager
def hold_port(ports: PortRange = ANY_PORT) -> Iterator[int]:
    """Hold a TCP port of ``ports`` for this process, whose children can listen on it by SO_REUSEPORT.

    It is held on every interface, as TensorFlow listens on every interface. Raises ClusterError if there is none.
    """
    with contextlib.ExitStack() as stack:
        for port in _order(ports):
            with contextlib.ExitStack() as trial:
                try:
                    if port:
                        trial.enter_context(_name(port))
                    holder = trial.enter_context(_holder(port))
                except OSError as err:
                    if not ports or err.errno != errno.EADDRINUSE:
                        raise ClusterError(f"no TCP port to be had on {socket.gethostname()}: {err}") from err
                    continue
                stack.enter_context(trial.pop_all())
                break
        else:
            raise ClusterError(_used_up(ports))
        yield int(holder.getsockname()[1])


def _order(ports: PortRange) -> Iterator[int]:
    """Yield all ports of the range, from one that depends on this process, so that two seldom try the same."""
    first = os.getpid() % len(ports)
    yield from range(ports.low + first, ports.high + 1)
    yield from range(ports.low, ports.low + first)


def _holder(port: int) -> socket.socket:
    """Return a socket bound to ``port`` beside which only this user's sockets with SO_REUSEPORT have room."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections that the last listener there closed linger for a minute, and keep the port from nobody.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port > 0))
        # Bound without SO_REUSEPORT, so that it fails where anybody holds or listens; set after it, Linux lets
        # the node process in.
        holder.bind(("0.0.0.0", port))  # noqa: S104 - nothing is accepted here
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Somebody may have begun to listen before SO_REUSEADDR was off again: try what the node process will do.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            trial.bind(holder.getsockname())
    except OSError:
        holder.close()
        raise
    return holder


@contextlib.contextmanager
def _name(port: int) -> Iterator[None]:
    """Hold this host's name for the holder of ``port``: one at a time, gone with its process, in whichever way it ends.

    It is an address of Linux's abstract namespace, which has no file and the very scope of ports. Raises OSError if
    another process has it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as name:
        name.bind(_address(port))
        name.listen()  # whoever connects is told by the system whose it is
        yield


def _address(port: int) -> str:
    return f"\0sparkcv-port-{port}"


def _used_up(ports: PortRange) -> str:
    listeners = _listeners()
    pids = {port: _holder_pid(port) or listeners.get(port, 0) for port in range(ports.low, ports.high + 1)}
    owners = [f"{port} by {_process(pid)}" for port, pid in pids.items() if pid]
    named = "; taken: " + ", ".join(owners[:_MOST_OWNERS]) if owners else ""
    more = f" and {len(owners) - _MOST_OWNERS} more" if len(owners) > _MOST_OWNERS else ""
    return (
        f"no port of --port_range {ports} is free on {socket.gethostname()}, all {len(ports)} were tried{named}{more};"
        " give a wider one"
    )


def _process(pid: int) -> str:
    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return f"process {pid}"


def _holder_pid(port: int) -> int:
    """Return the process that holds the port as ``hold_port`` does; 0 if none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(port))
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return 0
        return int(_CREDENTIALS.unpack(told)[0])


def _listeners() -> dict[int, int]:
    """Return the process by the port that it listens on, as far as this user may know."""
    try:
        found = psutil.net_connections("tcp")
    except psutil.Error:
        return {}
    return {one.laddr.port: one.pid for one in found if one.status == psutil.CONN_LISTEN and one.pid}
