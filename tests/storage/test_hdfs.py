"""Storage on a real HDFS: the contract of every file system, and what only HDFS can show."""

import pytest

from sparkcv import storage
from tests.contracts.storage import StorageContract

pytestmark = pytest.mark.hadoop


@pytest.fixture
def root(hdfs):
    storage.make_dirs(hdfs)
    yield hdfs
    storage.delete(hdfs, recursive=True)


class TestContract(StorageContract):
    """hdfs:// by the shared daemons."""

    forbidden_names = ("a::b",)
