"""A process for which HDFS wants Kerberos, and which has nothing to log in with."""

import pytest

from tests.tokens.made import secured_env


@pytest.fixture
def secured(tmp_path, monkeypatch):
    """A folder with a Hadoop configuration with Kerberos, which this process finds; no token, no ticket."""
    for key, value in secured_env(tmp_path).items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("HADOOP_TOKEN_FILE_LOCATION", raising=False)
    return tmp_path
