"""What ``kinit -k`` does, by the Kerberos library that hdfs-native loads too: a machine needs no tool for it.

Also the little that tests want of its files: a keytab split by principal, a ticket cache made to look older.
"""

import ctypes
import ctypes.util
import os
import struct
from pathlib import Path

_LIBRARY = "libkrb5.so.3"
_CREDS_BYTES = 1024  # of a krb5_creds, whose size the library tells nobody: it is about 120


def kinit(config: Path, keytab: Path, principal: str, cache: Path, life_s: int = 0) -> Path:
    """Get a ticket for a principal of a keytab into a file, and return that; raises RuntimeError if it is refused.

    ``life_s`` is the longest life of the ticket; 0: what the KDC gives.
    """
    before = os.environ.get("KRB5_CONFIG")
    os.environ["KRB5_CONFIG"] = str(config)  # the library reads it when its context is made
    try:
        with _Library() as library:
            library.login(keytab, principal, cache, life_s)
    finally:
        if before is None:
            del os.environ["KRB5_CONFIG"]
        else:
            os.environ["KRB5_CONFIG"] = before
    return cache


class _Library:
    """A context of libkrb5, and the calls of a login in it."""

    def __enter__(self) -> "_Library":
        self._krb5 = ctypes.CDLL(_LIBRARY)
        self._krb5.krb5_get_error_message.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p()
        self._check(self._krb5.krb5_init_context(ctypes.byref(self._context)))
        return self

    def __exit__(self, *_: object) -> None:
        self._krb5.krb5_free_context(self._context)

    def login(self, keytab: Path, principal: str, cache: Path, life_s: int) -> None:
        name, table, target = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        options, creds = ctypes.c_void_p(), ctypes.create_string_buffer(_CREDS_BYTES)
        self._call("krb5_parse_name", principal.encode(), ctypes.byref(name))
        self._call("krb5_kt_resolve", f"FILE:{keytab}".encode(), ctypes.byref(table))
        self._call("krb5_cc_resolve", f"FILE:{cache}".encode(), ctypes.byref(target))
        self._call("krb5_get_init_creds_opt_alloc", ctypes.byref(options))
        if life_s:
            self._krb5.krb5_get_init_creds_opt_set_tkt_life(options, ctypes.c_int32(life_s))
        self._call("krb5_get_init_creds_keytab", creds, name, table, ctypes.c_int32(0), None, options)
        self._call("krb5_cc_initialize", target, name)
        self._call("krb5_cc_store_cred", target, creds)
        self._call("krb5_cc_close", target)
        self._call("krb5_kt_close", table)

    def _call(self, name: str, *args: object) -> None:
        self._check(getattr(self._krb5, name)(self._context, *args))

    def _check(self, code: int) -> None:
        if code:
            text = ctypes.string_at(self._krb5.krb5_get_error_message(self._context, ctypes.c_int32(code))).decode()
            raise RuntimeError(f"Kerberos says {text}")


def split_keytab(source: Path, principal: str, target: Path, realm: str = "") -> Path:
    """Write the keys of one principal to a keytab of its own, under another realm if one is given."""
    data = source.read_bytes()
    kept, at = [data[:2]], 2
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        entry = data[at + 4 : at + 4 + abs(size)]
        at += 4 + abs(size)
        if size > 0 and _principal(entry)[0] == principal:
            if realm:
                _, begin, end = _principal(entry)
                entry = entry[:begin] + struct.pack(">H", len(realm)) + realm.encode() + entry[end:]
            kept += [struct.pack(">i", len(entry)), entry]
    if len(kept) == 1:
        raise RuntimeError(f"{source} has no key of {principal}")
    target.touch(mode=0o600)
    target.write_bytes(b"".join(kept))
    return target


def _principal(entry: bytes) -> tuple[str, int, int]:
    """The principal of a keytab's entry, and from where to where its realm stands."""
    (count,) = struct.unpack_from(">H", entry, 0)
    words, at, realm_end = [], 2, 0
    for _ in range(count + 1):
        (size,) = struct.unpack_from(">H", entry, at)
        words.append(entry[at + 2 : at + 2 + size].decode())
        at += 2 + size
        realm_end = realm_end or at
    return "/".join(words[1:]) + "@" + words[0], 2, realm_end


def shift_ticket(cache: Path, seconds: int) -> None:
    """Move the times of all tickets in a cache: with -86400, today's ticket ended yesterday."""
    data = bytearray(cache.read_bytes())
    at = 4 + struct.unpack_from(">H", data, 2)[0]
    at = _skip_principal(data, at)
    while at < len(data):
        at = _skip_principal(data, _skip_principal(data, at))
        at += 2  # the key's type
        at += 4 + struct.unpack_from(">I", data, at)[0]
        times = struct.unpack_from(">4I", data, at)
        struct.pack_into(">4I", data, at, *(time and time + seconds for time in times))
        at += 16 + 1 + 4  # flags
        for _ in range(2):  # addresses, authorization data
            (count,) = struct.unpack_from(">I", data, at)
            at += 4
            for _ in range(count):
                at += 2
                at += 4 + struct.unpack_from(">I", data, at)[0]
        for _ in range(2):  # the ticket, the second ticket
            at += 4 + struct.unpack_from(">I", data, at)[0]
    cache.write_bytes(data)


def shift_clock(cache: Path, seconds: int) -> None:
    """Let the Kerberos library think, for whom uses this cache, that this machine's clock is wrong by so much."""
    data = cache.read_bytes()
    (size,) = struct.unpack_from(">H", data, 2)
    header = struct.pack(">HHii", 1, 8, seconds, 0)  # the tag of the offset between clocks
    cache.write_bytes(data[:2] + struct.pack(">H", len(header)) + header + data[4 + size :])


def _skip_principal(data: bytes, at: int) -> int:
    (count,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(count + 1):
        at += 4 + struct.unpack_from(">I", data, at)[0]
    return at
