"""What YARN's own localizer makes of the archive runs, from the words of the command in the README."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

PROGRAM = (
    "import sys, subprocess, numpy, ssl; child = subprocess.run([sys.executable, '-c', 'import ssl'], cwd='/');"
    "print(sys.prefix, numpy.__file__, child.returncode, sep='\\n')"
)


@pytest.mark.spark
def test_the_archive_runs_from_where_yarn_unpacks_it(spark, built, tmp_path):
    unpacked = localized(spark, built.python_zip, tmp_path / "filecache")
    assert {stat.S_IMODE(path.stat().st_mode) for path in unpacked.rglob("*") if path.is_file()} == {0o500}
    container = tmp_path / "container"
    container.mkdir()
    (container / "Python").symlink_to(unpacked)  # as YARN links what it has unpacked into each container
    done = subprocess.run(
        ["Python/bin/python3", "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=container,
        env={"LD_LIBRARY_PATH": "Python/lib", "PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    prefix, numpy, child = done.stdout.split("\n")[:3]
    assert prefix == str(container / "Python")
    assert Path(numpy).is_relative_to(prefix)
    assert child == "0"


def localized(spark, archive: Path, folder: Path) -> Path:
    """Unpack ``archive`` by the class with which a NodeManager does."""
    hadoop = spark._jvm.org.apache.hadoop
    records = hadoop.yarn.api.records
    source = hadoop.fs.Path(f"file://{archive}")  # which escapes by itself
    files = hadoop.fs.FileContext.getLocalFSFileContext()
    status = files.getFileStatus(source)
    resource = records.LocalResource.newInstance(
        records.URL.fromPath(source),
        records.LocalResourceType.ARCHIVE,
        records.LocalResourceVisibility.PRIVATE,
        status.getLen(),
        status.getModificationTime(),
    )
    user = hadoop.security.UserGroupInformation.getCurrentUser()
    target = hadoop.fs.Path(f"file://{folder}")
    made = hadoop.yarn.util.FSDownload(files, user, hadoop.conf.Configuration(), target, resource).call()
    return Path(made.toUri().getPath())
