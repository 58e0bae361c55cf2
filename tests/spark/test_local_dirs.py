"""The folders of a task: where YARN, a standalone worker or one process alone say that they are."""

import os
import tempfile

import pytest

from sparkcv.spark.local_dirs import application_dir, scratch_root


@pytest.mark.parametrize(
    ("env", "application", "scratch"),
    [
        ({"SPARK_LOCAL_DIRS": "/a/app/block-1,/b/app/block-2"}, "/a/app/block-1", "/a/app"),
        ({"LOCAL_DIRS": "/y1/app,/y2/app", "SPARK_LOCAL_DIRS": "/y2/app/block-1"}, "/y1/app", "/y2/app"),
        ({}, tempfile.gettempdir(), os.getcwd()),
    ],
)
def test_a_task_is_told_where_its_files_go_with_the_application(monkeypatch, env, application, scratch):
    for name in ("LOCAL_DIRS", "SPARK_LOCAL_DIRS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert (application_dir(), scratch_root()) == (application, scratch)
