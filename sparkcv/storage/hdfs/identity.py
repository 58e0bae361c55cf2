"""Which user this process is to HDFS, and the advice to give when its credentials are refused."""

from __future__ import annotations

import getpass
import os
import re
import time

from sparkcv.storage.hadoop import load_conf, user_name
from sparkcv.storage.hdfs import tokens
from sparkcv.storage.hdfs.address import with_port
from sparkcv.storage.kerberos import conf, kdc, ticket
from sparkcv.storage.kerberos.ticket import Ticket

__all__ = ["advice", "ends_s", "is_kdc_silent", "kdc_state", "mine", "owner", "service_of", "wanted_principal"]

_PREAMBLE = re.compile(
    r"(Unspecified GSS failure\.\s+Minor code may provide more information|No credentials were supplied, or the"
    r" credentials were unavailable or inaccessible): "
)
_KDC_TIMEOUT_S = 1.5
_SKEW_S = 300  # what Kerberos allows


def service_of(url: str) -> str:
    """Return the service name that a token for ``hdfs://authority`` carries."""
    authority = url.partition("://")[2]
    return authority if ":" in authority else f"ha-hdfs:{authority}"


def mine(url: str) -> tokens.Token | None:
    """Return this process's longest-lived token for an HDFS; None if it has none that can be read."""
    try:
        found = tokens.held()
    except (OSError, ValueError):
        return None
    services = (service_of(url), with_port(url.partition("://")[2]))  # a host without a port has Hadoop's
    held = [one for one in found if one.kind == tokens.HDFS_KIND and one.service in services]
    return max(held, key=lambda token: token.max_date_s, default=None)


def ends_s(url: str) -> float | None:
    """Return when this process can no longer log in to an HDFS, in seconds since 1970; None if that is not known."""
    token, found = mine(url), ticket.find()
    ends = [token.max_date_s - tokens.LAST_S] if token is not None else []
    ends += [found.ends_s] if found is not None and found.ends_s else []  # a cache may hold tickets of services only
    return max(ends, default=None)


def owner(url: str) -> str:
    """Return the user that this process is to an HDFS: its token's owner, else its ticket's."""
    token = mine(url)
    return token.owner if token is not None else wanted_principal()


def wanted_principal() -> str:
    """Return the principal to log in as: the ticket's, else this user's in the configured realm."""
    found = ticket.find()
    if found is not None:
        return found.principal
    values = load_conf().values
    realm = conf.default_realm() or values.get("dfs.namenode.kerberos.principal", "").rpartition("@")[2] or "REALM"
    return f"{user_name() or _system_user()}@{realm}"


def advice(words: str, url: str) -> str:
    """Return the second half of a sentence: why this process's credentials were refused, and what to do."""
    words = _PREAMBLE.sub("", words).rstrip(".")
    path = os.environ.get(tokens.VARIABLE)
    found = _of_tokens(path, url) if path else _of_tickets(words)
    return f"{url} does not accept this process's credentials ({words}): {found}"


def is_kdc_silent(url: str) -> bool:
    """Return whether this process must log in at a KDC that does not answer; Kerberos's library waits long for one."""
    if mine(url) is not None:
        return False
    realm = wanted_principal().rpartition("@")[2]
    return bool(conf.kdcs(realm)) and kdc.skew_s(realm, _KDC_TIMEOUT_S) is None


def kdc_state(words: str = "") -> str:
    """Return the sentence for a KDC that does not answer, with the principal that would log in there."""
    principal = wanted_principal()
    realm = principal.rpartition("@")[2]
    said = f" ({words})" if words else ""
    return (
        f"the KDC of realm {realm}, {kdc.place(realm)}, does not answer, so {principal} cannot log in{said}; see that"
        f" it runs and that krb5.conf names it, then run kinit {principal}"
    )


def _of_tokens(path: str, url: str) -> str:
    service, again = service_of(url), "submit the job again, with --principal and --keytab if it is to run for long"
    try:
        held = [token for token in tokens.held() if token.kind == tokens.HDFS_KIND]
    except (OSError, ValueError) as err:
        return f"{tokens.damaged(path, err)}; {again}"
    token = mine(url)
    if token is None:
        others = ", ".join(sorted({f"{one.service} of {one.owner}" for one in held})) or "none"
        return (
            f"the token file {path!r} holds no token for {service} (it holds tokens for HDFS: {others}); submit the job"
            f" again with spark.kerberos.access.hadoopFileSystems={url}"
        )
    what = f"the token of {token.owner} for {service} in {path!r}"
    if 0 < token.max_date_s < time.time() + tokens.LAST_S:
        return f"{what} ends at {_clock(token.max_date_s)}; {again}"
    return f"{what} has expired or was cancelled; {again}"


def _of_tickets(words: str) -> str:
    found, principal = ticket.find(), wanted_principal()
    realm, run = principal.rpartition("@")[2], f"run kinit {principal}"
    submit = f"or submit the job with --principal {principal} --keytab FILE"
    if "Clock skew" in words:
        skew_s = kdc.skew_s(realm)
        by = f"more than {_SKEW_S} s" if skew_s is None or abs(skew_s) < _SKEW_S else f"{skew_s:.0f} s"
        return (
            f"the clocks of this machine and of realm {realm} differ by {by}, for {principal}; set this machine's"
            f" (chronyc makestep), then {run}"
        )
    if "Cannot find KDC" in words:
        return f"krb5.conf names no KDC for realm {realm} of {principal}; add it under [realms], then {run}"
    if "not found in Kerberos database" in words:
        wanted = load_conf().values.get("dfs.namenode.kerberos.principal", "not set")
        return (
            f"the KDC of realm {realm} does not know this HDFS, whose dfs.namenode.kerberos.principal is {wanted}; run"
            " kinit with a principal of HDFS's realm"
        )
    if found is None or not found.ends_s:
        return (
            f"there is neither a Kerberos ticket of {principal} in {conf.cache_place()} nor a delegation token"
            f" ({tokens.VARIABLE} is not set); {run}, {submit}"
        )
    return f"{_ticket(found)}; {run}, {submit}"


def _ticket(found: Ticket) -> str:
    ends = "ended" if found.ends_s < time.time() else "ends"
    return f"the Kerberos ticket of {found.principal} in {found.place} {ends} at {_clock(found.ends_s)}"


def _clock(seconds: float) -> str:
    return time.strftime("%F %T %Z", time.localtime(seconds))


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        return str(os.getuid())
