"""Spark's and HDFS's security settings, said aloud: what is off does not keep training from starting."""

from collections.abc import Iterator

from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import OK, WARNING, Finding, Location

__all__ = ["check"]

_CHECK = "security"
_SPARK, _HDFS = Location("Spark"), Location("HDFS")


def check(facts: Facts) -> Iterator[Finding]:
    """Check authentication, encryption and who may look, of Spark and of HDFS; TensorFlow's is exposure.py's."""
    yield from _spark(facts)
    if facts.uses_hdfs:
        yield from _hdfs(facts)


def _spark(facts: Facts) -> Iterator[Finding]:
    spark = facts.spark
    yield _said(
        _SPARK,
        spark.is_on("spark.authenticate"),
        "spark.authenticate is on",
        "spark.authenticate is off: who reaches the driver's or an executor's port can take part",
        "--conf spark.authenticate=true",
    )
    is_encrypted = any(map(spark.is_on, ("spark.network.crypto.enabled", "spark.ssl.rpc.enabled", "spark.ssl.enabled")))
    yield _said(
        _SPARK,
        is_encrypted,
        "Spark's traffic is encrypted",
        "Spark's traffic is not encrypted (spark.network.crypto.enabled, spark.ssl.rpc.enabled are off)",
        "--conf spark.authenticate=true --conf spark.network.crypto.enabled=true",
    )
    yield _said(
        _SPARK,
        spark.is_on("spark.io.encryption.enabled"),
        "Spark's temporary files are encrypted",
        "Spark's temporary files are not encrypted (spark.io.encryption.enabled is off)",
        "--conf spark.io.encryption.enabled=true",
    )
    if not spark.is_on("spark.ui.enabled", "true"):
        yield Finding(_CHECK, _SPARK, OK, "no web page (spark.ui.enabled is off)")
    else:
        viewers = spark.conf.get("spark.ui.view.acls", "")
        yield _said(
            _SPARK,
            spark.is_on("spark.acls.enable"),
            f"the web page is for the job's user{f', {viewers}' if viewers else ''} (spark.acls.enable is on)",
            "the web page shows the job to everybody who reaches it (spark.acls.enable is off)",
            "--conf spark.acls.enable=true, or spark.ui.enabled=false",
        )
    pattern = spark.conf.get("spark.redaction.regex")
    if pattern is not None and not all(word in pattern.lower() for word in ("secret", "password", "token")):
        found = f"spark.redaction.regex={pattern} no longer hides secrets, passwords and tokens in logs"
        yield Finding(_CHECK, _SPARK, WARNING, found, "leave spark.redaction.regex at its default")


def _hdfs(facts: Facts) -> Iterator[Finding]:
    conf = facts.hadoop
    if conf.get("hadoop.security.authentication", "simple") != "kerberos":
        found = "hadoop.security.authentication is simple: anyone who reaches HDFS can claim to be any user"
        yield Finding(_CHECK, _HDFS, WARNING, found, "Kerberos, or a network that only trusted users reach")
    else:
        yield Finding(_CHECK, _HDFS, OK, "Kerberos (hadoop.security.authentication)")
    protection = conf.get("hadoop.rpc.protection", "authentication")
    yield _said(
        _HDFS,
        "privacy" in protection,
        "calls are encrypted (hadoop.rpc.protection=privacy)",
        f"calls are not encrypted (hadoop.rpc.protection={protection})",
        "hadoop.rpc.protection=privacy on the cluster",
    )
    data = conf.get("dfs.data.transfer.protection", "")
    yield _said(
        _HDFS,
        "privacy" in data or conf.get("dfs.encrypt.data.transfer", "false").lower() == "true",
        "blocks travel encrypted",
        "blocks travel unencrypted (dfs.data.transfer.protection, dfs.encrypt.data.transfer)",
        "dfs.data.transfer.protection=privacy on the cluster",
    )


def _said(place: Location, is_on: bool, well: str, otherwise: str, advice: str) -> Finding:
    return Finding(_CHECK, place, OK, well) if is_on else Finding(_CHECK, place, WARNING, otherwise, advice)
