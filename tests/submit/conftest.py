"""A Spark that is only a script, a Hadoop configuration that names no server, and a Python.zip of one file."""

import hashlib
import json
import zipfile

import pytest

from sparkcv.archive import description


@pytest.fixture
def spark_home(tmp_path, monkeypatch):
    """A spark-submit that tells its words and its SPARK_HOME, and ends with 7; its folder's name has a space."""
    home = tmp_path / "a spark"
    (home / "bin").mkdir(parents=True)
    script = home / "bin" / "spark-submit"
    script.write_text('#!/bin/sh\nprintf "SPARK_HOME=%s\\n" "$SPARK_HOME"\nprintf "<%s>\\n" "$@"\nexit 7\n')
    script.chmod(0o755)
    monkeypatch.setenv("SPARK_HOME", str(home))
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    return home


@pytest.fixture
def yarn(tmp_path, monkeypatch, spark_home):
    """What a user's shell has on a cluster's edge node."""
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "core-site.xml").write_text("<configuration/>")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder))
    monkeypatch.delenv("YARN_CONF_DIR", raising=False)
    monkeypatch.setenv("HADOOP_USER_NAME", "ann")
    return spark_home


@pytest.fixture
def python_zip(tmp_path):
    """A Python.zip as build_zip.sh describes its own, with hardly anything in it."""
    path = tmp_path / "Python.zip"
    digest = hashlib.sha256(b"x").hexdigest()
    told = description.describe(site="lib", glibc=(2, 17), packages={}, needs=[], digest=digest)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(description.NAME, json.dumps(told))
    return path
