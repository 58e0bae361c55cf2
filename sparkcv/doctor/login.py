"""Who this run is to HDFS and to YARN, by what and until when; gathered on the driver."""

import time
from typing import TYPE_CHECKING

from sparkcv.doctor.facts import Login
from sparkcv.errors import SparkcvError
from sparkcv.storage.hadoop import load_conf, with_authority
from sparkcv.storage.hdfs import identity
from sparkcv.storage.hdfs.sasl_probe import probe
from sparkcv.storage.kerberos import conf as kerberos_conf
from sparkcv.storage.kerberos import kdc, keytab, ticket
from sparkcv.storage.translate import FileSystemError
from sparkcv.tokens import renewer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["describe", "keytab_error"]


def describe(spark: "SparkSession", principal: str = "", keytab_path: str = "") -> Login:
    """Return it; what cannot be found stays empty, as other checks report it."""
    conf = load_conf()
    try:
        url = with_authority("hdfs://")
    except (FileSystemError, SparkcvError):
        url = ""
    token, found = identity.mine(url) if url else None, ticket.find()
    # With --principal it is that one who will log in, at the KDC of that realm.
    realm = (principal if "@" in principal else identity.wanted_principal()).rpartition("@")[2]
    namenodes = conf.namenodes(url.partition("://")[2]) if url else {}
    answers = [one for place in namenodes.values() if (one := probe(place)) is not None]
    return Login(
        now_s=time.time(),
        yarn_user=str(spark.sparkContext.sparkUser()),
        token_owner=token.owner if token is not None else "",
        token_issuer=token.service if token is not None else "",
        token_renewer=token.renewer if token is not None else "",
        token_ends_s=token.max_date_s if token is not None else None,
        is_renewed=renewer.renews(),
        ticket_principal=found.principal if found is not None else "",
        ticket_ends_s=found.ends_s if found is not None else None,
        realm=realm if conf.is_kerberized else "",
        kdc=kdc.place(realm) if conf.is_kerberized else "",
        skew_s=kdc.skew_s(realm) if conf.is_kerberized else None,
        protections=tuple(sorted({name for one in answers for name in one.protections})),
        keytab_error=keytab_error(principal, keytab_path) if principal or keytab_path else "",
    )


def keytab_error(principal: str, path: str) -> str:
    """Return why spark-submit could not log in with these; "" as far as the keytab's file shows."""
    if not principal or not path:
        return f"got --principal {principal!r} with --keytab {path!r}, wanted both"
    run = f"run klist -kt {path}, or have a keytab made for {principal}"
    whole = principal if "@" in principal else f"{principal}@{kerberos_conf.default_realm()}"
    if whole.endswith("@"):
        return f"got --principal {principal!r}, and krb5.conf names no default_realm; wanted {principal}@REALM"
    try:
        held = keytab.principals(path)
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) and err.strerror else err
        return f"the keytab {path!r} of {principal} cannot be read: {reason}; {run}"
    if whole in held:
        return ""
    if not held:
        return f"the keytab {path!r} of {principal} has no key; {run}"
    realm = whole.rpartition("@")[2]
    realms = sorted({one.rpartition("@")[2] for one in held})
    if realm not in realms:
        return f"the keytab {path!r} is of realm {', '.join(realms)}, wanted {realm} for {principal}; {run}"
    return f"the keytab {path!r} has keys of {', '.join(held)}, wanted one of {whole}; {run}"
