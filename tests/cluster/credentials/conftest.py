"""A process for which HDFS wants Kerberos, and which has nothing to log in with."""

import pytest


@pytest.fixture
def secured(tmp_path, monkeypatch):
    """A Hadoop configuration with Kerberos, which this process finds, and no token or ticket."""
    folder = tmp_path / "conf"
    folder.mkdir()
    values = {"fs.defaultFS": "hdfs://default", "hadoop.security.authentication": "kerberos"}
    rows = "".join(f"<property><name>{key}</name><value>{value}</value></property>" for key, value in values.items())
    (folder / "core-site.xml").write_text(f"<configuration>{rows}</configuration>")
    (tmp_path / "krb5.conf").write_text("[libdefaults]\n  default_realm = HERE.TEST\n")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "no-tickets"))
    monkeypatch.delenv("HADOOP_TOKEN_FILE_LOCATION", raising=False)
    return tmp_path
