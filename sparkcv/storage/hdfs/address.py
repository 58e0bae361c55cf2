"""Find the NameNodes of ``hdfs://authority``, which is a name service or a host."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from sparkcv.errors import StorageError
from sparkcv.storage.hadoop import HadoopConf
from sparkcv.storage.translate import FileSystemError

_DEFAULT_PORT = 8020
_CONNECT_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Address:
    """A file system's ``url``, as hdfs-native takes it, and the ``host:port`` of its NameNodes by name.

    ``name_service`` is "" if the URL names a host.
    """

    url: str
    name_service: str
    namenodes: dict[str, str]

    def state(self) -> str:
        """Return what its NameNodes' ports do now, for messages."""
        return ", ".join(_port_state(namenode) for namenode in self.namenodes.values())

    def settings(self, first: int) -> dict[str, str]:
        """Return the properties by which hdfs-native finds the NameNodes, beginning with the one at ``first``."""
        if not self.name_service:
            return {}
        names = list(self.namenodes)
        shift = first % len(names)
        # Also for a name service of one NameNode that has no name of its own: hdfs-native knows only this form.
        values = {f"dfs.ha.namenodes.{self.name_service}": ",".join(names[shift:] + names[:shift])}
        prefix = f"dfs.namenode.rpc-address.{self.name_service}"
        return values | {f"{prefix}.{name}": place for name, place in self.namenodes.items()}


def find(prefix: str, conf: HadoopConf) -> Address:
    """Return the address of ``hdfs://authority``; raise FileSystemError if it is neither a host nor a name service."""
    authority = prefix.partition("://")[2]
    namenodes = conf.namenodes(authority)
    if namenodes:
        return Address(f"hdfs://{authority}", authority, namenodes)
    place = with_port(authority)
    if place != authority:
        try:
            socket.getaddrinfo(authority, _DEFAULT_PORT)
        except (OSError, UnicodeError):
            raise FileSystemError(StorageError, _unknown(authority, conf)) from None
    return Address(f"hdfs://{place}", "", {"nn": place})


def with_port(authority: str) -> str:
    """Return ``host:port`` of an authority that is no name service; without a port it has Hadoop's own."""
    _, colon, port = authority.rpartition(":")
    return authority if colon and port.isdigit() else f"{authority}:{_DEFAULT_PORT}"


def _unknown(authority: str, conf: HadoopConf) -> str:
    if conf.folder is None:
        return (
            f"where {authority!r} is cannot be known, as no Hadoop configuration was found; set HADOOP_CONF_DIR to the"
            " folder that holds core-site.xml and hdfs-site.xml"
        )
    known = ", ".join(repr(name) for name in conf.name_services) or "none"
    return f"{authority!r} is neither a host nor a name service of {conf.place}, which knows {known}"


def _port_state(namenode: str) -> str:
    host, _, port = namenode.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S):
            return f"{namenode} accepts connections"
    except ConnectionRefusedError:
        return f"connection refused by {namenode}"
    except TimeoutError:
        return f"no connection to {namenode} within {_CONNECT_TIMEOUT_S:.0f} s"
    except (OSError, ValueError) as err:
        return f"no connection to {namenode}: {getattr(err, 'strerror', None) or err}"
