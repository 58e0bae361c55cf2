"""What a NameNode asks of those who come: the first two messages of Hadoop's RPC, without logging in.

A client whose configuration says "simple" is hung up on by a NameNode with Kerberos, without a reason. So it is asked.
"""

from __future__ import annotations

import dataclasses
import re
import socket
import struct

__all__ = ["SaslOffer", "probe"]

_TIMEOUT_S = 3.0
_MAX_BYTES = 1 << 16
_HELLO = b"hrpc" + bytes([9, 0, 0xDF])  # version, class of service, SASL
# RpcRequestHeaderProto (protocol buffers, final packet, call -33, an empty client id), then RpcSaslProto NEGOTIATE.
_HEADER = bytes([0x08, 2, 0x10, 0, 0x18, 0x41, 0x22, 0])
_NEGOTIATE = bytes([0x10, 1])
_METHOD = re.compile(rb"(TOKEN|KERBEROS|SIMPLE)")
_QOP = re.compile(rb'qop="([a-z,-]+)"')
_PRIVACY = "auth-conf"


@dataclasses.dataclass(frozen=True)
class SaslOffer:
    """What it asks.

    Attributes:
        methods: the ways to prove who one is that it takes: ``KERBEROS``, ``TOKEN``, ``SIMPLE``.
        protections: of what follows, as SASL calls them: ``auth-conf`` is encrypted, ``auth-int`` signed; it may let a
            client choose.
    """

    methods: tuple[str, ...]
    protections: tuple[str, ...]

    @property
    def is_secured(self) -> bool:
        """Whether it wants to know who one is."""
        return bool(self.methods) and "SIMPLE" not in self.methods

    @property
    def is_encrypted(self) -> bool:
        """Whether all that follows is encrypted, whatever the client wants."""
        return self.protections == (_PRIVACY,)


def probe(namenode: str) -> SaslOffer | None:
    """Ask a NameNode, ``host:port``; None if it does not answer in this language or in time."""
    host, _, port = namenode.rpartition(":")
    message = bytes([len(_HEADER)]) + _HEADER + bytes([len(_NEGOTIATE)]) + _NEGOTIATE
    try:
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as sock:
            sock.sendall(_HELLO + struct.pack(">I", len(message)) + message)
            (size,) = struct.unpack(">I", _exactly(sock, 4))
            answer = _exactly(sock, min(size, _MAX_BYTES))
    except (OSError, ValueError):
        return None
    methods = tuple(dict.fromkeys(name.decode() for name in _METHOD.findall(answer)))
    found = _QOP.search(answer)
    return SaslOffer(methods, tuple(found[1].decode().split(",")) if found else ())


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ValueError("it hung up")
        data += piece
    return data
