"""Who the run is to HDFS and YARN, how long that lasts, and whether the clocks allow it."""

import time
from collections.abc import Iterator

from sparkcv.doctor.facts import Facts, Login
from sparkcv.doctor.finding import FAIL, OK, WARNING, Finding, Location

__all__ = ["check"]

_CHECK = "login"
_HDFS, _YARN, _KDC = Location("HDFS"), Location("YARN"), Location("KDC")
_MOST_SKEW_S, _SKEW_S = 300.0, 60.0
_PRIVACY = "auth-conf"


def check(facts: Facts) -> Iterator[Finding]:
    """Check user, token, ticket, the KDC's clock, and how the NameNode's traffic is protected."""
    login = facts.login
    if login is None:
        return
    if login.keytab_error:
        yield Finding(_CHECK, _KDC, FAIL, login.keytab_error, "see the sentence: spark-submit would end with it")
    if facts.spark.is_yarn:
        yield Finding(_CHECK, _YARN, OK, f"the application is {login.yarn_user}'s")
    if not facts.uses_hdfs or not login.realm:
        return
    yield from _token(login)
    yield from _ticket(login)
    yield _clock(login)
    if login.protections and login.protections != (_PRIVACY,):
        found = f"the NameNode lets clients go unencrypted (it offers {', '.join(login.protections)})"
        yield Finding(_CHECK, _HDFS, WARNING, found, "hadoop.rpc.protection=privacy on the cluster")
    elif login.protections:
        yield Finding(_CHECK, _HDFS, OK, "the NameNode encrypts every call, whatever a client wants")


def _token(login: Login) -> Iterator[Finding]:
    if login.token_ends_s is None:
        return
    found = (
        f"{login.token_owner} by a token of {login.token_issuer}, renewer {login.token_renewer}, until"
        f" {_time(login.token_ends_s)}"
    )
    if login.is_renewed:
        yield Finding(_CHECK, _HDFS, OK, f"{found}, renewed by keytab")
    elif login.token_ends_s < login.now_s:
        yield Finding(_CHECK, _HDFS, FAIL, f"{found}: it has ended", "submit again")
    else:
        advice = f"for longer runs, --principal {login.token_owner} --keytab FILE"
        yield Finding(_CHECK, _HDFS, WARNING, f"{found}, and nothing renews it: a run stops before, saved", advice)


def _ticket(login: Login) -> Iterator[Finding]:
    if login.ticket_ends_s is None:
        if login.token_ends_s is None:
            found = f"neither a Kerberos ticket nor a token, in realm {login.realm}"
            yield Finding(_CHECK, _HDFS, FAIL, found, "run kinit, or submit with --principal and --keytab")
        return
    found = f"the Kerberos ticket of {login.ticket_principal} lasts until {_time(login.ticket_ends_s)}"
    if login.ticket_ends_s > login.now_s:
        yield Finding(_CHECK, _HDFS, OK, found)
    else:
        status = FAIL if login.token_ends_s is None else WARNING
        yield Finding(_CHECK, _HDFS, status, f"{found}: it has ended", f"kinit {login.ticket_principal}")


def _clock(login: Login) -> Finding:
    if login.skew_s is None:
        found = f"the KDC of realm {login.realm} ({login.kdc}) did not tell the time to this driver"
        return Finding(_CHECK, _KDC, WARNING, found, "see that krb5.conf is here and names it, if this driver logs in")
    status = FAIL if abs(login.skew_s) > _MOST_SKEW_S else WARNING if abs(login.skew_s) > _SKEW_S else OK
    words = "ahead of" if login.skew_s > 0 else "behind"
    found = f"the driver's clock is {{}} {words} the KDC's of realm {login.realm}"
    advice = "" if status == OK else "set the clock (chronyc makestep): Kerberos allows 300 s"
    return Finding(_CHECK, _KDC, status, found, advice, amount=abs(login.skew_s), unit="s")


def _time(seconds: float) -> str:
    return time.strftime("%F %T %Z", time.localtime(seconds))
