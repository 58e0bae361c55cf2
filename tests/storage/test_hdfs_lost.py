"""What was asked of HDFS is done once, also when its answer is lost on the way."""

import os
from types import SimpleNamespace

import pytest

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError, MissingFileError
from sparkcv.storage.hadoop import load_conf
from tests.contracts.storage import names_below
from tests.storage.lossy import LossyWay

pytestmark = pytest.mark.hadoop

MB = 1 << 20


@pytest.fixture
def lossy(hdfs):
    """The test's folder by a direct way (``root``), and by one that can ``lose`` an answer (``far``)."""
    storage.make_dirs(hdfs)
    with LossyWay(load_conf().namenodes("default")["nn1"]) as way:
        far = hdfs.replace("hdfs://default", f"hdfs://{way.place}")
        storage.exists(far)
        yield SimpleNamespace(root=hdfs, far=far, lose=way.lose, num_lost=lambda: way.num_lost)
    storage.delete(hdfs, recursive=True)


@pytest.mark.parametrize("method", ["getFileInfo", "getBlockLocations"])
def test_a_read(lossy, method, tmp_path):
    data = os.urandom(3 * MB)
    storage.write_bytes(f"{lossy.root}/a", data)
    for read in (storage.read_bytes, lambda url: storage.fetch(url, tmp_path / "a")):
        lossy.lose(method)
        assert read(f"{lossy.far}/a") in (data, len(data))
    assert (tmp_path / "a").read_bytes() == data
    assert lossy.num_lost() == 2


@pytest.mark.parametrize("method", ["mkdirs", "create", "addBlock", "complete", "rename2"])
def test_a_write(lossy, method, tmp_path):
    storage.write_bytes(f"{lossy.root}/a", b"old")
    data = os.urandom(5 * MB)
    (tmp_path / "local").write_bytes(data)
    lossy.lose(method)
    with storage.open_write(f"{lossy.far}/a") as sink:
        sink.write(data)
    assert storage.read_bytes(f"{lossy.root}/a") == data
    lossy.lose(method)
    storage.publish(tmp_path / "local", f"{lossy.far}/b")
    assert storage.read_bytes(f"{lossy.root}/b") == data
    lossy.lose(method)
    storage.write_json(f"{lossy.far}/b", {"x": 1})
    assert storage.read_json(f"{lossy.root}/b") == {"x": 1}
    assert lossy.num_lost() == 3
    assert names_below(lossy.root) == ["a", "b"]


@pytest.mark.parametrize("method", ["append", "complete"])
def test_an_append_in_place(lossy, method):
    storage.write_bytes(f"{lossy.root}/log", b"x" * 17 * MB)
    lossy.lose(method)
    storage.append_bytes(f"{lossy.far}/log", b"one")
    storage.append_bytes(f"{lossy.far}/log", b"two")
    assert lossy.num_lost() == 1
    assert storage.read_bytes(f"{lossy.root}/log", 17 * MB) == b"onetwo"


def test_a_rename_and_a_delete(lossy):
    storage.write_bytes(f"{lossy.root}/a/x", b"1")
    lossy.lose("rename2")
    storage.rename(f"{lossy.far}/a", f"{lossy.far}/b")
    assert names_below(lossy.root) == ["b/x"]
    lossy.lose("delete")
    storage.delete(f"{lossy.far}/b", recursive=True)
    assert names_below(lossy.root) == []
    assert lossy.num_lost() == 2


def test_a_rename_that_cannot_be_done_is_still_refused(lossy):
    storage.write_bytes(f"{lossy.root}/a", b"1")
    storage.write_bytes(f"{lossy.root}/b", b"2")
    lossy.lose("getFileInfo")
    with pytest.raises(FileExistsAlreadyError, match=r"b.*is there already"):
        storage.rename(f"{lossy.far}/a", f"{lossy.far}/b")
    lossy.lose("getFileInfo")
    with pytest.raises(MissingFileError, match="gone"):
        storage.rename(f"{lossy.far}/gone", f"{lossy.far}/c")
    assert names_below(lossy.root) == ["a", "b"]


def test_a_listing_goes_on_behind_the_last_name_it_gave(lossy):
    wanted = [f"{index:04d}" for index in range(1250)] + [f"ü{index:04d}" for index in range(1250)]
    for name in wanted:
        storage.make_dirs(f"{lossy.root}/{name}")
    entries = storage.iter_dir(lossy.far)
    found = [next(entries).name]
    lossy.lose("getListing")
    found += [entry.name for entry in entries]
    assert lossy.num_lost() == 1
    assert sorted(found) == wanted
