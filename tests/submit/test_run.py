"""A submission that is run: what it builds, uploads and starts, and the exit code that comes back."""

import contextlib
import dataclasses
import errno
import fcntl
import io
import os
import resource
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from sparkcv import storage, submit
from sparkcv.archive import description
from sparkcv.archive.alone import alone
from sparkcv.archive.package import sources
from sparkcv.config import SubmitConfig
from sparkcv.driver.jobs import JOBS
from sparkcv.errors import StorageError, UsageError
from sparkcv.submit import package, python_archive
from sparkcv.submit.python_archive import PythonArchive

ROOT = Path(__file__).parents[2]
CONVERT = ["convert", "--images_dir", "/pictures of", "--dataset_dir", "/d"]


def installed(tmp_path):
    """The package alone, as pip puts it, and nothing of the checkout."""
    site = tmp_path / "site"
    site.mkdir()
    files = sources(ROOT / "sparkcv")
    for name, path in files.items():
        target = site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return site


def test_an_installed_sparkcv_brings_its_own_zip_and_job_and_ends_as_spark_submit_does(tmp_path, spark_home):
    site, cache = installed(tmp_path), tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-m", "sparkcv.cli", "submit", "--master", "local[2]", *CONVERT],
        env=os.environ | {"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(cache)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    (built,) = (cache / "sparkcv").iterdir()
    job = built / "convert_images.py"
    started = done.stdout.partition("SPARK_HOME=" + str(spark_home) + "\n")[2].splitlines()  # what the script told
    assert started[started.index("<--py-files>") + 1] == f"<{built / 'sparkcv.zip'}>"
    assert started[started.index(f"<{job}>") + 1 :] == [f"<{word}>" for word in CONVERT[1:]]
    with zipfile.ZipFile(built / "sparkcv.zip") as held:
        assert "sparkcv/submit/spark-yarn.conf" in held.namelist()
    ran = subprocess.run(
        [sys.executable, job, "--no_such"],
        env=os.environ | {"PYTHONPATH": str(built / "sparkcv.zip")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("convert_images.py: unknown flag --no_such")


def test_a_zip_is_made_once_and_again_when_a_file_changes(tmp_path, monkeypatch):
    folder = tmp_path / "sparkcv"
    folder.mkdir()
    (folder / "x.py").write_text("1")
    monkeypatch.setattr(package, "_package", lambda: folder)
    job = JOBS["convert"]
    files = package.PackageFiles(tmp_path / "out" / "sparkcv.zip", tmp_path / "out" / "job.py")
    package.build(files, job)
    before = files.zip.stat().st_ino
    package.build(files, job)
    assert files.zip.stat().st_ino == before
    (folder / "x.py").write_text("2")
    package.build(files, job)
    assert zipfile.ZipFile(files.zip).read("sparkcv/x.py") == b"2"


def test_a_job_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = tmp_path / "sparkcv"
    folder.mkdir()
    monkeypatch.setattr(package, "_package", lambda: folder)
    files, job = package.PackageFiles(tmp_path / "sparkcv.zip", tmp_path / "job.py"), JOBS["convert"]
    package.build(dataclasses.replace(files, job=tmp_path / "other.py"), job)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # a disk that is full after so many bytes
    try:
        with pytest.raises(StorageError, match=r"job\.py cannot be written \(File too large\)"):
            package.build(files, job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("job")]
    package.build(files, job)
    assert files.job.read_text().endswith('sys.exit(run_job("convert"))\n')


def test_a_user_without_a_home_is_told_what_names_one(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "checkout", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert package.locate(JOBS["convert"]).job.is_relative_to(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(UsageError, match="user 2147483641 has no home folder; wanted one by HOME, or XDG_CACHE_HOME"):
        package.locate(JOBS["convert"])


def test_who_waits_for_another_build_says_so(tmp_path):
    is_told, done = threading.Event(), threading.Event()

    def build():
        with alone(tmp_path):
            done.set()

    class Told(io.StringIO):
        def flush(self):
            is_told.set()

    with contextlib.redirect_stderr(Told()) as said:
        with alone(tmp_path):
            waiting = threading.Thread(target=build)
            waiting.start()
            assert is_told.wait(60)
            assert not done.is_set()
        waiting.join(60)
    assert done.is_set()
    assert said.getvalue() == f"waiting for another build in {tmp_path}, which holds its .lock\n"


def test_a_folder_without_locks_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(StorageError, match=r"cannot be locked \(No locks available\), wanted a folder"),
        alone(tmp_path),
    ):
        pass


def test_an_archive_is_uploaded_once_by_its_digest(yarn, python_zip, tmp_path):
    argv = ["--master", "yarn", "--archive", str(python_zip), "--archive_dir", str(tmp_path / "up"), *CONVERT]
    archive = submit.prepare(argv).archive
    assert storage.basename(archive.url).startswith("Python-")
    python_archive.upload(archive)
    there = Path(archive.url)
    assert there.read_bytes() == python_zip.read_bytes()
    before = there.stat().st_mtime_ns, there.stat().st_ino
    python_archive.upload(archive)
    assert (there.stat().st_mtime_ns, there.stat().st_ino) == before
    there.write_bytes(b"cut")  # by a full disk, or a hand
    python_archive.upload(archive)
    assert there.read_bytes() == python_zip.read_bytes()


def test_an_archive_that_is_said_to_be_somewhere_must_be_there(tmp_path):
    with pytest.raises(UsageError, match=r"no\.zip is not there; wanted the URL of a Python\.zip"):
        python_archive.upload(PythonArchive(str(tmp_path / "no.zip")))


def test_a_spark_submit_that_cannot_be_started_is_told(spark_home):
    (spark_home / "bin" / "spark-submit").chmod(0o644)
    with pytest.raises(UsageError, match="cannot be started: Permission denied"):
        submit.run(submit.prepare(["--master", "local[2]", *CONVERT]))


def test_without_an_archive_given_the_checkouts_is_taken_or_its_lack_told(python_zip, tmp_path):
    options = SubmitConfig(master="yarn", archive_dir="hdfs:///up")
    assert python_archive.find(options, tmp_path).source == python_zip
    with pytest.raises(
        UsageError, match=r"--archive is missing, and \S+/Python\.zip is not there \(run ./build_zip\.sh\)"
    ):
        python_archive.find(options, tmp_path / "empty")
    with pytest.raises(UsageError, match=r"this is no checkout .* or --archive none where every node has the packages"):
        python_archive.find(options, None)


def test_an_archive_of_another_python_is_refused_for_a_driver_of_this_machine(python_zip, monkeypatch):
    told = description.read(python_zip) | {"python": "3.99.0"}
    monkeypatch.setattr(description, "read", lambda path: told)
    options = {"master": "yarn", "archive": str(python_zip), "archive_dir": "hdfs:///up"}
    assert python_archive.find(SubmitConfig(**options), None) is not None  # in cluster mode it brings the driver's, too
    with pytest.raises(UsageError, match=r"the archive holds Python 3\.99\.0 and the driver runs"):
        python_archive.find(SubmitConfig(**options, deploy_mode="client"), None)
