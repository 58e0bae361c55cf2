"""Tokens out of the driver's Java: those that Spark holds there, or new ones by keytab or ticket."""

from typing import Any

from sparkcv.storage.hdfs import tokens
from sparkcv.storage.hdfs.tokens import Token

__all__ = ["JavaSource", "REFRESH"]

REFRESH = "spark.sparkcv.refreshTokens"
_FILE_SYSTEMS = "spark.kerberos.access.hadoopFileSystems"
_KEYTAB, _PRINCIPAL = "spark.kerberos.keytab", "spark.kerberos.principal"


class JavaSource:
    """What the Java process beside this driver can give; its methods raise Py4JError where Java fails."""

    def __init__(self, jvm: Any) -> None:
        self._jvm = jvm
        self._conf = jvm.org.apache.spark.SparkConf()

    @property
    def is_wanted(self) -> bool:
        """Whether tokens are to be refreshed, which can be switched off."""
        return str(self._conf.get(REFRESH, "true")).strip().lower() == "true"

    @property
    def can_obtain(self) -> bool:
        """Whether new tokens can be had: by a keytab, or by a ticket as long as that lives."""
        return self.has_keytab or bool(self._user().hasKerberosCredentials())

    @property
    def has_keytab(self) -> bool:
        """Whether that goes on for ever."""
        return bool(self._conf.contains(_KEYTAB) and self._conf.contains(_PRINCIPAL))

    @property
    def file_systems(self) -> list[str]:
        """The URLs of the file systems that the user named, besides the default one."""
        return [url.strip() for url in str(self._conf.get(_FILE_SYSTEMS, "")).split(",") if url.strip()]

    def held(self) -> list[Token]:
        """Return the tokens for HDFS that Java has now: Spark puts each new one there."""
        return self._read(self._user().getCredentials())

    def obtain(self) -> list[Token]:
        """Return new tokens for HDFS."""
        spark = self._jvm.org.apache.spark.deploy
        hadoop = spark.SparkHadoopUtil.get().newConfiguration(self._conf)
        fresh = self._jvm.org.apache.hadoop.security.Credentials()
        spark.security.HadoopDelegationTokenManager(self._conf, hadoop, None).obtainDelegationTokens(fresh)
        return self._read(fresh)

    def _user(self) -> Any:
        return self._jvm.org.apache.hadoop.security.UserGroupInformation.getCurrentUser()

    def _read(self, credentials: Any) -> list[Token]:
        """Only tokens for HDFS leave Java: the others, and the secret keys beside them, are nobody's business here."""
        stream = self._jvm.java.io.ByteArrayOutputStream()
        credentials.writeTokenStorageToStream(self._jvm.java.io.DataOutputStream(stream))
        return [token for token in tokens.parse(bytes(stream.toByteArray())) if token.kind == tokens.HDFS_KIND]
