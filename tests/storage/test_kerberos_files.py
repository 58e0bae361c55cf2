"""krb5.conf, ticket caches and keytabs as the Kerberos of the system writes them, whole and damaged."""

import struct

import pytest

from sparkcv.storage.hdfs import identity
from sparkcv.storage.kerberos import conf, kdc, keytab, ticket

CONF = """\
# a comment = of no key
[libdefaults]
  default_realm = "HERE.TEST"
  default_ccache_name = DIR:/caches/%{uid}
[realms]
  HERE.TEST = {
    kdc = one.test
    kdc = [::1]:750
  }
  OTHER.TEST = {
    admin_server = two.test
  }
include MORE
"""


def counted(size, data):
    return struct.pack({2: ">H", 4: ">I"}[size], len(data)) + data


def name(size, *words):
    head = struct.pack(">I", 1) if size == 4 else b""
    count = struct.pack(">I" if size == 4 else ">H", len(words) - 1)
    return head + count + b"".join(counted(size, word) for word in words)


def cache(*entries):
    client = name(4, b"HERE.TEST", b"alice")
    data = b"\x05\x04" + counted(2, b"\0\1\0\x08" + bytes(8)) + client
    for server, ends_s in entries:
        data += client + name(4, b"HERE.TEST", *server) + struct.pack(">H", 18) + counted(4, b"key")
        data += struct.pack(">4I", 1, 2, ends_s, ends_s + 7) + bytes(5) + bytes(8)
        data += counted(4, b"the ticket") + counted(4, b"")
    return data


@pytest.fixture
def kerberos(tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.delenv("KRB5CCNAME", raising=False)
    return tmp_path


def test_a_cache_without_a_ticket_granting_ticket_does_not_tell_when_logging_in_ends(kerberos, monkeypatch):
    monkeypatch.delenv("HADOOP_TOKEN_FILE_LOCATION", raising=False)
    (kerberos / "cache").write_bytes(cache(((b"nn", b"one.test"), 1_900_000_000)))
    monkeypatch.setenv("KRB5CCNAME", str(kerberos / "cache"))
    assert identity.ends_s("hdfs://default") is None
    (kerberos / "cache").write_bytes(cache(((b"krbtgt", b"HERE.TEST"), 1_900_000_000)))
    assert identity.ends_s("hdfs://default") == 1_900_000_000


def test_the_realm_and_its_kdcs_are_read_included_files_too(kerberos, monkeypatch):
    (kerberos / "krb5.conf").write_text(CONF.replace("MORE", str(kerberos / "more")))
    (kerberos / "more").write_text("[realms]\n  THIRD.TEST = {\n    kdc = three.test:89\n  }\n")
    assert conf.default_realm() == "HERE.TEST"
    assert conf.kdcs("HERE.TEST") == [("one.test", 88), ("::1", 750)]
    assert conf.kdcs("OTHER.TEST") == []
    assert conf.kdcs("THIRD.TEST") == [("three.test", 89)]
    assert conf.cache_place().startswith("DIR:/caches/")
    monkeypatch.setenv("KRB5CCNAME", "/tmp/mine")
    assert conf.cache_place() == "FILE:/tmp/mine"


def test_the_kdcs_of_a_realm_may_stand_behind_a_group_of_its_own(kerberos):
    (kerberos / "krb5.conf").write_text(
        "[realms]\n  HERE.TEST = {\n    auth_to_local_names = {\n      root = admin\n      kdc = nobody\n    }\n"
        "    kdc = one.test\n    v4_name_convert = {\n      host = { rcmd = host }\n    }\n    kdc = two.test:89\n  }\n"
        "  OTHER.TEST = {\n    kdc = other.test\n  }\n"
    )
    assert conf.kdcs("HERE.TEST") == [("one.test", 88), ("two.test", 89)]
    assert conf.kdcs("OTHER.TEST") == [("other.test", 88)]


def test_of_several_files_the_first_that_says_a_thing_counts(kerberos, monkeypatch):
    one, other = kerberos / "one.conf", kerberos / "other.conf"
    one.write_text("[libdefaults]\n  default_realm = ONE.TEST\n")
    other.write_text("[libdefaults]\n  default_realm = OTHER.TEST\n  default_ccache_name = DIR:/other\n")
    monkeypatch.setenv("KRB5_CONFIG", f"{one}:{other}")
    assert conf.named_files() == [str(one), str(other)]
    assert (conf.default_realm(), conf.cache_place()) == ("ONE.TEST", "DIR:/other")
    monkeypatch.delenv("KRB5_CONFIG")
    assert conf.named_files() == []


def test_without_a_file_nothing_is_known(kerberos):
    assert (conf.default_realm(), conf.kdcs("HERE.TEST")) == ("", [])
    assert kdc.place("HERE.TEST") == "found by name servers only"
    assert kdc.skew_s("HERE.TEST") is None


def test_of_a_cache_the_ticket_for_tickets_counts(kerberos, monkeypatch):
    path = kerberos / "cache"
    path.write_bytes(cache(((b"nn", b"host"), 99), ((b"krbtgt", b"HERE.TEST"), 50)))
    monkeypatch.setenv("KRB5CCNAME", str(path))
    found = ticket.find()
    assert found == ticket.Ticket("alice@HERE.TEST", 50.0, 57.0, f"FILE:{path}")
    assert found.realm == "HERE.TEST"
    (kerberos / "primary").write_text("cache\n")
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{kerberos}")
    assert ticket.find() == ticket.Ticket("alice@HERE.TEST", 50.0, 57.0, f"DIR:{kerberos}")
    monkeypatch.setenv("KRB5CCNAME", "KCM:1000")
    assert ticket.find() is None


def test_a_cache_that_was_cut_is_refused_wherever_it_was_cut(kerberos):
    path, whole = kerberos / "cache", cache(((b"krbtgt", b"HERE.TEST"), 50))
    empty = len(cache())
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if size == empty:  # a cache without a ticket
            assert ticket.load(str(path)).ends_s == 0
            continue
        with pytest.raises(ValueError, match=r"cut short|no ticket cache"):
            ticket.load(str(path))


def test_a_keytab_tells_whose_it_is(kerberos):
    path = kerberos / "keytab"
    entries = [name(2, b"HERE.TEST", b"alice") + b"key", name(2, b"HERE.TEST", b"nn", b"host") + b"key"]
    data = b"\x05\x02" + b"".join(counted(4, entry) for entry in entries) + struct.pack(">i", -3) + b"old"
    path.write_bytes(data)
    assert keytab.principals(str(path)) == ["alice@HERE.TEST", "nn/host@HERE.TEST"]
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match="cut short"):
        keytab.principals(str(path))
    path.write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match="no keytab"):
        keytab.principals(str(path))
