"""Tokens made by hand, and a source of them that a test commands."""

import struct
import time

from sparkcv.storage.hdfs.tokens import HDFS_KIND, Token


def number(value):
    if -112 <= value <= 127:
        return struct.pack("b", value)
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return struct.pack("b", -112 - len(data)) + data


def token(service="ha-hdfs:default", *, issued_s=0.0, life_s=1000.0, owner=b"alice@HERE.TEST"):
    """A token as a NameNode issues it; times are from now."""
    start_s = time.time() + issued_s
    people = b"".join(number(len(name)) + name for name in (owner, b"rm/host@HERE.TEST", b""))
    times = b"".join(number(int(1000 * at_s)) for at_s in (start_s, start_s + life_s))
    return Token(HDFS_KIND, service, b"\0" + people + times + number(1) + number(2), b"the password")


class Source:
    """What Java would give."""

    def __init__(self, held=(), fresh=(), *, has_keytab=True):
        self._held, self._fresh = list(held), list(fresh)
        self.has_keytab = self.can_obtain = has_keytab
        self.num_obtained = 0
        self.file_systems = []
        self.error = None

    def held(self):
        return self._held

    def obtain(self):
        if self.error is not None:
            raise self.error
        self.num_obtained += 1
        return self._fresh


def secured_env(folder, more=None):
    """Write a Hadoop configuration that wants Kerberos; returns what a process without a ticket finds it by."""
    values = {"fs.defaultFS": "hdfs://default", "hadoop.security.authentication": "kerberos", **(more or {})}
    rows = "".join(f"<property><name>{key}</name><value>{value}</value></property>" for key, value in values.items())
    (folder / "core-site.xml").write_text(f"<configuration>{rows}</configuration>")
    (folder / "krb5.conf").write_text("[libdefaults]\n  default_realm = HERE.TEST\n")
    return {
        "HADOOP_CONF_DIR": str(folder),
        "KRB5_CONFIG": str(folder / "krb5.conf"),
        "KRB5CCNAME": str(folder / "no-tickets"),
    }
