"""``sparkcv submit --master yarn``: one command from a user's shell to YARN's SUCCEEDED, the archive uploaded once."""

import getpass
import json
import logging
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path

import pytest

from sparkcv import storage, submit, synthetic
from sparkcv.archive import description
from sparkcv.submit import python_archive
from tests.hadoop.submit import Submission, environment


def small_archive(target, digest):
    """A Python.zip whose interpreter is this machine's: as YARN sees it the real one, without its 700 MB."""
    told = description.describe(site="lib", glibc=(2, 17), packages={}, needs=[], digest=digest)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(description.NAME, json.dumps(told))
        archive.writestr("bin/python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    return target


@pytest.mark.hadoop
@pytest.mark.spark
def test_a_job_is_submitted_with_its_zip_and_an_archive_that_is_uploaded_once(hadoop_cluster, hdfs, tmp_path, caplog):
    pictures = tmp_path / "pictures"
    synthetic.write_pictures(pictures, per_class=2, seed=7, size=32)
    storage.publish_dir(str(pictures), f"{hdfs}/pictures")
    digest = uuid.uuid4().hex
    words = ["--master", "yarn", "--archive", str(small_archive(tmp_path / "Python.zip", digest))]
    words += ["--num_executors", "1", "--driver_memory", "512m", "--conf", "spark.yarn.maxAppAttempts=1"]
    words += ["convert", "--images_dir", f"{hdfs}/pictures", "--dataset_dir", f"{hdfs}/data", "--num_shards", "2"]
    folder, tag = Path(tempfile.mkdtemp(prefix="submit-", dir=hadoop_cluster.root)), f"sparkcv-{uuid.uuid4().hex}"
    env = environment(hadoop_cluster, folder, tag)
    done = Submission(hadoop_cluster, [sys.executable, "-m", "sparkcv.cli", "submit", *words], env, folder, tag, 420.0)
    try:
        assert done.exit_code == 0, done.output + done.logs()
    finally:
        done.end()
    assert done.final_status == "SUCCEEDED"
    assert len([entry for entry in storage.list_dir(f"{hdfs}/data") if entry.name.endswith(".tfrecord")]) == 2
    url = f"hdfs:///user/{getpass.getuser()}/.sparkcv/Python-{digest[:16]}.zip"
    assert f"  --archives '{url}#Python' \\\n" in done.output
    assert f"to {url}, once" in done.output
    archive = submit.prepare(words).archive
    assert archive.url == url
    with caplog.at_level(logging.INFO, "sparkcv"):
        python_archive.upload(archive)
    assert caplog.messages == [f"{url} is there already"]
