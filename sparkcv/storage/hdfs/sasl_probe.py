"""Ask a NameNode how clients must authenticate, by the first two messages of Hadoop's RPC, without logging in.

A NameNode with Kerberos closes the connection of a client that is configured for "simple" and gives no reason.
"""

from __future__ import annotations

import dataclasses
import re
import socket
import struct

__all__ = ["SaslOffer", "probe"]

_TIMEOUT_S = 3.0
_MAX_BYTES = 1 << 16
_PREAMBLE = b"hrpc" + bytes([9, 0, 0xDF])  # version, class of service, SASL
# RpcRequestHeaderProto (protocol buffers, final packet, call -33, an empty client id), then RpcSaslProto NEGOTIATE.
_HEADER = bytes([0x08, 2, 0x10, 0, 0x18, 0x41, 0x22, 0])
_NEGOTIATE = bytes([0x10, 1])
_METHOD = re.compile(rb"(TOKEN|KERBEROS|SIMPLE)")
_QOP = re.compile(rb'qop="([a-z,-]+)"')
_PRIVACY = "auth-conf"


@dataclasses.dataclass(frozen=True)
class SaslOffer:
    """How a NameNode lets clients authenticate.

    Attributes:
        methods: ways to authenticate that it accepts: ``KERBEROS``, ``TOKEN``, ``SIMPLE``.
        protections: SASL's quality of protection: ``auth-conf`` is encrypted, ``auth-int`` signed; of several a
            client may choose.
    """

    methods: tuple[str, ...]
    protections: tuple[str, ...]

    @property
    def is_secured(self) -> bool:
        """Whether it requires authentication."""
        return bool(self.methods) and "SIMPLE" not in self.methods

    @property
    def is_encrypted(self) -> bool:
        """Whether all that follows is encrypted, whatever the client asks for."""
        return self.protections == (_PRIVACY,)


def probe(namenode: str) -> SaslOffer | None:
    """Return the offer of a NameNode, ``host:port``; None if it does not answer in this protocol or in time."""
    host, _, port = namenode.rpartition(":")
    message = bytes([len(_HEADER)]) + _HEADER + bytes([len(_NEGOTIATE)]) + _NEGOTIATE
    try:
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as sock:
            sock.sendall(_PREAMBLE + struct.pack(">I", len(message)) + message)
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
            raise ValueError("the connection was closed")
        data += piece
    return data
