"""The properties of a Hadoop with Kerberos, and with privacy on every wire; over those of settings.py."""

from tests.hadoop.kdc import HOST, REALM, Kdc


def core() -> dict[str, str]:
    """What clients and daemons share."""
    return {
        "hadoop.security.authentication": "kerberos",
        "hadoop.security.authorization": "true",
        "hadoop.rpc.protection": "privacy",
        "hadoop.security.token.service.use_ip": "false",
    }


def hdfs() -> dict[str, str]:
    """What a client of HDFS needs."""
    return {
        "dfs.namenode.kerberos.principal": f"nn/{HOST}@{REALM}",
        "dfs.datanode.kerberos.principal": f"dn/{HOST}@{REALM}",
        "dfs.data.transfer.protection": "privacy",
        "dfs.block.access.token.enable": "true",
        "dfs.encrypt.data.transfer.cipher.suites": "AES/CTR/NoPadding",  # without it SASL's own, which is slow
    }


def hdfs_daemons(kdc: Kdc, token_life_s: int | None) -> dict[str, str]:
    """The keytabs of NameNode and DataNode, and how long a delegation token lives at most."""
    keytab = str(kdc.keytab)
    values = {
        "dfs.namenode.keytab.file": keytab,
        "dfs.datanode.keytab.file": keytab,
        "dfs.web.authentication.kerberos.principal": f"HTTP/{HOST}@{REALM}",
        "dfs.web.authentication.kerberos.keytab": keytab,
        "dfs.http.policy": "HTTP_ONLY",
        "ignore.secure.ports.for.testing": "true",  # the real ones are below 1024, which only root may take
    }
    if token_life_s is not None:
        life_ms = str(1000 * token_life_s)
        values |= {
            "dfs.namenode.delegation.token.max-lifetime": life_ms,
            "dfs.namenode.delegation.token.renew-interval": life_ms,
        }
    return values


def yarn() -> dict[str, str]:
    """What a client of YARN needs."""
    return {
        "yarn.resourcemanager.principal": f"rm/{HOST}@{REALM}",
        "yarn.nodemanager.principal": f"nm/{HOST}@{REALM}",
    }


def yarn_daemons(kdc: Kdc) -> dict[str, str]:
    """The keytabs of ResourceManager and NodeManager."""
    keytab = str(kdc.keytab)
    return {"yarn.resourcemanager.keytab": keytab, "yarn.nodemanager.keytab": keytab}
