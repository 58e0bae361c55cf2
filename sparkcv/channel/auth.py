"""Encrypt and authenticate the frames of one connection, between two that know the secret of a run.

The server opens every connection with a random nonce, the client answers with its own. From both and the run's
256-bit secret HKDF-SHA256 derives two keys, one for each direction, that no other connection has. The body of each
later frame is its content under ChaCha20-Poly1305 (RFC 8439) with the number of the frame as nonce: 0, 1, 2 ... in each
direction. So a frame of another run, another connection or another direction is refused, as is one that is changed,
repeated, left out or out of order. Content is secret from whoever does not know the run's secret; lengths and times are
not.

Two limits. Whoever can cut the connection can end it early: what is said above this must say aloud when it is done.
Whoever learns the secret of a run can read what was recorded of it.
"""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sparkcv.channel.frames import frame
from sparkcv.errors import ChannelError

__all__ = ["FrameCipher", "NONCE_BYTES", "OVERHEAD_BYTES", "SECRET_BYTES", "nonce_of", "opening"]

SECRET_BYTES = 32
NONCE_BYTES = 32
OVERHEAD_BYTES = 16  # what the cipher adds to the content of a frame
_MAGIC = b"sparkcv3"  # with the version of this protocol
_KEY_BYTES = 32
_NUMBER = struct.Struct(">4xQ")  # the 12 bytes of a nonce; struct refuses to go on after 2**64 frames


class FrameCipher:
    """Both directions of one connection. Use it under a lock if several threads send."""

    def __init__(self, secret: bytes, server_nonce: bytes, client_nonce: bytes, *, is_server: bool) -> None:
        keys = HKDF(SHA256(), 2 * _KEY_BYTES, salt=server_nonce + client_nonce, info=_MAGIC).derive(secret)
        to_server, to_client = ChaCha20Poly1305(keys[:_KEY_BYTES]), ChaCha20Poly1305(keys[_KEY_BYTES:])
        self._sending, self._receiving = (to_client, to_server) if is_server else (to_server, to_client)
        self._num_sent = self._num_received = 0

    def encrypt(self, content: bytes) -> bytes:
        """Return the body of the next frame to send."""
        body = self._sending.encrypt(_NUMBER.pack(self._num_sent), content, None)
        self._num_sent += 1
        return body

    def decrypt(self, body: bytes) -> bytes:
        """Return the content of the next frame received; raise ChannelError if it is not authentic."""
        try:
            content = self._receiving.decrypt(_NUMBER.pack(self._num_received), body, None)
        except InvalidTag as err:
            raise ChannelError("a message is not authentic: wrong key, replayed or out of order") from err
        self._num_received += 1
        return content


def opening(nonce: bytes) -> bytes:
    """Return the first frame of either side."""
    return frame(_MAGIC + nonce)


def nonce_of(body: bytes) -> bytes:
    """Return the nonce in the body of an opening frame; raise ChannelError for any other body."""
    if len(body) != len(_MAGIC) + NONCE_BYTES or not body.startswith(_MAGIC):
        raise ChannelError("the other side does not speak this protocol")
    return body[len(_MAGIC) :]
