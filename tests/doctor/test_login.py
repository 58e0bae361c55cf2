"""Who the run is to HDFS and YARN, until when, by whose clock, and what a keytab is good for: each with its advice."""

import dataclasses
import re
import struct
from types import SimpleNamespace

import pytest

from sparkcv.doctor.checks import login as check
from sparkcv.doctor.facts import Login
from sparkcv.doctor.finding import FAIL, OK, WARNING
from sparkcv.doctor.login import describe, keytab_error
from tests.doctor.cases import facts
from tests.tokens.made import secured_env

WELL = Login(
    now_s=1_800_000_000.0,
    yarn_user="alice",
    token_owner="alice@HERE.TEST",
    token_issuer="ha-hdfs:default",
    token_renewer="rm/host@HERE.TEST",
    token_ends_s=1_800_600_000.0,
    is_renewed=True,
    realm="HERE.TEST",
    kdc="kdc.test:88",
    skew_s=0.2,
    protections=("auth-conf",),
)
NO_TOKEN = {"token_owner": "", "token_issuer": "", "token_renewer": "", "token_ends_s": None, "is_renewed": False}


def judged(**changes):
    return list(check.check(facts(login=dataclasses.replace(WELL, **changes))))


def test_a_run_with_a_keytab_is_told_who_it_is_to_whom():
    findings = judged()
    assert {one.status for one in findings} == {OK}
    said = " / ".join(one.found for one in findings)
    for words in (
        "the application is alice's",
        "alice@HERE.TEST by a token of ha-hdfs:default, renewer rm/host@HERE.TEST, until 2027-01-2",
        "renewed by keytab",
        "the driver's clock is {} ahead of the KDC's of realm HERE.TEST",
        "the NameNode encrypts every call",
    ):
        assert words in said
    assert re.search(r"until 2027-01-2\d \d\d:\d\d:\d\d [\w+-]+, renewed by keytab", said)  # by whose clock


@pytest.mark.parametrize(
    ("changes", "status", "found", "advice"),
    [
        ({"is_renewed": False}, WARNING, "nothing renews it: a run stops before", "alice@HERE.TEST --keytab"),
        ({"is_renewed": False, "token_ends_s": 1_799_999_999.0}, FAIL, "it has ended", "submit again"),
        (NO_TOKEN, FAIL, "neither a Kerberos ticket nor a token, in realm HERE.TEST", "run kinit"),
        (
            NO_TOKEN | {"ticket_principal": "bob@HERE.TEST", "ticket_ends_s": 1_799_999_999.0},
            FAIL,
            "ticket of bob@HERE.TEST lasts until 2027-01-15",
            "kinit bob@HERE.TEST",
        ),
        ({"skew_s": -400.0}, FAIL, "behind the KDC's of realm HERE.TEST", "chronyc makestep"),
        ({"skew_s": 90.0}, WARNING, "ahead of", "300 s"),
        ({"skew_s": None}, WARNING, "the KDC of realm HERE.TEST (kdc.test:88) did not tell the time", "krb5.conf"),
        ({"protections": ("auth", "auth-conf")}, WARNING, "unencrypted (it offers auth, auth-conf)", "privacy"),
        ({"keytab_error": "the keytab is of OTHER.TEST"}, FAIL, "the keytab is of OTHER.TEST", "spark-submit"),
    ],
)  # fmt: skip
def test_each_thing_amiss_has_its_status_and_its_advice(changes, status, found, advice):
    amiss = [one for one in judged(**changes) if one.status != OK]
    assert [(one.status, found in one.found, advice in one.advice) for one in amiss] == [(status, True, True)]


def test_without_kerberos_only_yarns_user_is_told():
    assert [str(one.place) for one in judged(realm="")] == ["YARN"]


def test_the_realm_is_that_of_the_principal_who_will_log_in(tmp_path, monkeypatch):
    for key, value in secured_env(tmp_path).items():
        monkeypatch.setenv(key, value)
    spark = SimpleNamespace(sparkContext=SimpleNamespace(sparkUser=lambda: "alice"))
    assert describe(spark).realm == "HERE.TEST"
    login = describe(spark, "alice@OTHER.TEST", str(tmp_path / "alice.keytab"))
    assert (login.realm, login.kdc, login.skew_s) == ("OTHER.TEST", "found by name servers only", None)


def test_a_keytab_is_looked_at_before_spark_submit_is_given_it(tmp_path):
    path = tmp_path / "mine.keytab"
    words = (b"HERE.TEST", b"alice")
    entry = struct.pack(">H", 1) + b"".join(struct.pack(">H", len(word)) + word for word in words) + b"key"
    path.write_bytes(b"\x05\x02" + struct.pack(">i", len(entry)) + entry)
    assert keytab_error("alice@HERE.TEST", str(path)) == ""
    assert f"has keys of alice@HERE.TEST, wanted one of bob@HERE.TEST; run klist -kt {path}" in keytab_error(
        "bob@HERE.TEST", str(path)
    )
    assert "is of realm HERE.TEST, wanted OTHER.TEST for alice@OTHER.TEST; run" in keytab_error(
        "alice@OTHER.TEST", str(path)
    )
    assert "of alice@HERE.TEST cannot be read: No such file or directory; run" in keytab_error(
        "alice@HERE.TEST", str(tmp_path / "nothing")
    )
    assert "wanted both" in keytab_error("", str(path))
    path.write_bytes(b"\x05\x02")
    assert "of alice@HERE.TEST has no key; run klist" in keytab_error("alice@HERE.TEST", str(path))


def test_a_principal_without_a_realm_is_of_the_default_one(tmp_path, monkeypatch):
    path, krb5 = tmp_path / "mine.keytab", tmp_path / "krb5.conf"
    entry = struct.pack(">H", 1) + b"".join(struct.pack(">H", len(word)) + word for word in (b"HERE.TEST", b"alice"))
    path.write_bytes(b"\x05\x02" + struct.pack(">i", len(entry)) + entry)
    monkeypatch.setenv("KRB5_CONFIG", str(krb5))
    krb5.write_text("[libdefaults]\n default_realm = HERE.TEST\n")
    assert keytab_error("alice", str(path)) == ""
    assert "has keys of alice@HERE.TEST, wanted one of bob@HERE.TEST; run" in keytab_error("bob", str(path))
    krb5.write_text("[libdefaults]\n default_realm = OTHER.TEST\n")
    assert "is of realm HERE.TEST, wanted OTHER.TEST for alice; run" in keytab_error("alice", str(path))
    krb5.write_text("")
    assert "krb5.conf names no default_realm; wanted alice@REALM" in keytab_error("alice", str(path))
