"""The class data archive: real Java maps it where it is, starts without a word where it is no good, or not there."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sparkcv.errors import StorageError
from sparkcv.spark import class_data

ROOT = Path(__file__).parents[2]
# A process of its own: this one may have a Spark already, from before the archive was made.
SESSION = """
import psutil, sys
from sparkcv.spark.session import spark_session
with spark_session("class data", num_executors=1):
    javas = [one for one in psutil.Process().children(recursive=True) if one.name() == "java"]
    print(*(sys.argv[1] in {mapped.path for mapped in one.memory_maps()} for one in javas))
"""


@pytest.fixture
def archive():
    """The environment's own, made if nobody has yet."""
    if not class_data.archive().is_file():
        subprocess.run([sys.executable, "-m", "sparkcv.spark.class_data"], check=True, timeout=600)
    return class_data.archive()


@pytest.mark.spark
def test_driver_and_executors_of_an_embedded_spark_begin_with_it(archive):
    command = [sys.executable, "-c", SESSION, str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr


def test_one_that_another_java_made_changes_nothing(archive, tmp_path, monkeypatch):
    whole = bytearray(archive.read_bytes())
    made_by = whole.index(b"64-Bit Server VM")
    whole[made_by : made_by + 2] = b"65"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "a folder"))
    class_data.archive().parent.mkdir(parents=True)
    class_data.archive().write_bytes(whole)
    command = ["java", *shlex.split(class_data.options()), "-version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")
    assert "warn" not in done.stderr.lower()


def test_without_one_nothing_is_asked_of_java(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert class_data.conf("-Xss2m") == {
        "spark.driver.extraJavaOptions": "-Xss2m",
        "spark.executor.extraJavaOptions": "-Xss2m",
    }


def test_an_environment_that_cannot_be_written_to_is_told(tmp_path, monkeypatch):
    (tmp_path / "share").write_bytes(b"")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(StorageError, match=r"cannot write to '\S+/share/sparkcv': Not a directory; wanted an env"):
        class_data.make()
