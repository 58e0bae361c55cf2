"""Storage on a real HDFS: the contract of every file system, and what only HDFS can show."""

import itertools
import os
import re
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hdfs_native import Client

from sparkcv import storage
from sparkcv.errors import FullError, MissingFileError, StorageError, UnavailableError
from tests.contracts.storage import StorageContract, names_below

pytestmark = pytest.mark.hadoop

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300
MB = 1 << 20


@pytest.fixture
def root(hdfs):
    storage.make_dirs(hdfs)
    yield hdfs
    storage.delete(hdfs, recursive=True)


@pytest.fixture
def raw(hdfs):
    """hdfs-native's own client: another client of the same HDFS."""
    return Client("hdfs://default")


def path_of(url):
    return url.removeprefix("hdfs://default")


def run_python(program, *args, **variables):
    """Run a program in another process; ``variables`` are added to its environment."""
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestContract(StorageContract):
    """hdfs:// by the shared daemons."""

    forbidden_names = ("a::b",)


def test_the_default_file_system_needs_no_name(root):
    storage.write_bytes(f"{root}/x", b"1")
    bare = root.replace("hdfs://default", "hdfs://")
    assert bare.startswith("hdfs:///")
    assert storage.read_bytes(f"{bare}/x") == b"1"
    assert [entry.url for entry in storage.list_dir(bare)] == [f"{bare}/x"]
    storage.rename(f"{bare}/x", f"{root}/y")
    assert names_below(root) == ["y"]


def test_a_file_of_several_blocks_comes_and_goes_whole(root, tmp_path):
    piece = os.urandom(MB)
    with open(tmp_path / "big", "wb") as file:
        for index in range(300):
            file.write(piece[index:] + piece[:index])
    storage.publish(tmp_path / "big", f"{root}/big")
    assert storage.size(f"{root}/big") == 300 * MB
    assert storage.fetch(f"{root}/big", tmp_path / "back") == 300 * MB
    with open(tmp_path / "big", "rb") as sent, open(tmp_path / "back", "rb") as got:
        for _ in range(300):
            assert zlib.crc32(sent.read(MB)) == zlib.crc32(got.read(MB))
    with storage.open_read(f"{root}/big") as stream:  # over the edge of the first block, of 64 MB
        stream.seek(64 * MB - 5)
        around = stream.read(10)
        stream.seek(-3, os.SEEK_END)
        end = stream.read(10)
    with open(tmp_path / "big", "rb") as sent:
        sent.seek(64 * MB - 5)
        assert sent.read(10) == around
        sent.seek(-3, os.SEEK_END)
        assert sent.read() == end


def test_ten_thousand_names_are_listed_by_streaming(root, raw):
    names = [f"{index:05d} \N{GREEK SMALL LETTER ALPHA}" for index in range(10_000)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: raw.mkdirs(f"{path_of(root)}/{name}", create_parent=True), names))
    assert [entry.name for entry in storage.list_dir(root)] == names
    entries = storage.iter_dir(root)
    assert next(entries).name == names[0]
    assert next(entries).is_dir
    storage.delete(root, recursive=True)
    with pytest.raises(MissingFileError):  # what it has not asked for yet is gone
        list(entries)


def test_a_tree_with_names_beyond_ascii_is_walked_in_order(root, raw):
    for name in ("b", "a b", "ü"):
        raw.mkdirs(f"{path_of(root)}/{name}/empty", create_parent=True)
    for name in ("b/2", "a b/1", "ü/3", "z"):
        raw.create(f"{path_of(root)}/{name}").close()
    assert names_below(root) == ["a b/1", "b/2", "z", "ü/3"]  # HDFS itself puts ü before a


def test_what_grows_past_a_rewrite_is_appended_in_place(root):
    url = f"{root}/log"
    storage.write_bytes(url, b"x" * 17 * MB)
    for number in range(3):
        storage.append_bytes(url, b"%d" % number)
    assert storage.read_bytes(url, 17 * MB) == b"012"
    assert storage.size(url) == 17 * MB + 3


def test_appending_waits_for_another_client_that_has_the_file_open(root, raw):
    url = f"{root}/log"
    storage.write_bytes(url, b"x" * 17 * MB)
    other = raw.append(path_of(url))
    other.write(b"theirs")
    appending = threading.Thread(target=storage.append_bytes, args=(url, b" ours"))
    appending.start()
    # A read meanwhile says what it cannot see.
    with pytest.raises(UnavailableError, match=rf"log': it is being written, 0 of its {17 * MB} bytes can be read"):
        storage.read_bytes(url)
    other.close()
    appending.join(PATIENCE_S)
    assert storage.read_bytes(url, 17 * MB) == b"theirs ours"


def test_a_read_waits_for_a_short_append_to_end(root, raw):
    url = f"{root}/log"
    storage.write_bytes(url, b"old")
    other = raw.append(path_of(url))
    other.write(b" new")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(storage.read_bytes, url)
        other.close()
        assert reading.result() == b"old new"


def test_a_file_that_is_replaced_is_not_read_on_as_if_it_were_the_old_one(root):
    url = f"{root}/f"
    storage.write_bytes(url, b"a" * 70 * MB)
    with storage.open_read(url) as stream:
        assert stream.read(1) == b"a"
        storage.write_bytes(url, b"b" * 70 * MB)
        storage.delete(url)
        storage.write_bytes(url, b"c" * 70 * MB)
        rest = []
        try:
            rest.extend(iter(lambda: stream.read(MB), b""))
        except StorageError as err:
            assert re.search(r"cannot read .*f': (another file took its name|no such file)", str(err))  # noqa: PT017
        else:  # the DataNode had not deleted the blocks yet
            assert sum(map(len, rest)) == 70 * MB - 1
    assert set(b"".join(rest)) <= set(b"a")


def test_a_used_client_is_not_used_after_a_fork(root):
    program = """
import os, sys
from sparkcv import storage
url = sys.argv[1]
storage.write_bytes(url + "/of the parent", b"parent")
child = os.fork()
if child == 0:
    storage.write_bytes(url + "/of the child", storage.read_bytes(url + "/of the parent") + b", child")
    sys.exit(7)  # ends as any Python does, with the parent's client in its memory
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), storage.read_bytes(url + "/of the child").decode())
"""
    assert run_python(program, root) == "7 parent, child"


TRY_TO_WRITE = """
import sys
from sparkcv import storage
from sparkcv.errors import SparkcvError
try:
    storage.write_bytes(sys.argv[1], b"x")
    print("written")
except SparkcvError as err:
    print(type(err).__name__, err)
"""


@pytest.mark.parametrize(
    ("variables", "user"),
    [
        ({"HADOOP_USER_NAME": "alice"}, "alice"),
        ({"SPARK_USER": "bob"}, "bob"),
        ({"HADOOP_USER_NAME": "alice", "SPARK_USER": "bob"}, "alice"),
    ],
)
def test_the_user_is_the_one_of_hadoop_or_of_spark_and_may_be_denied(root, raw, variables, user):
    raw.mkdirs(f"{path_of(root)}/open")
    raw.set_permission(f"{path_of(root)}/open", 0o777)
    assert run_python(TRY_TO_WRITE, f"{root}/open/mine", **variables) == "written"
    assert raw.get_file_info(f"{path_of(root)}/open/mine").owner == user
    said = run_python(TRY_TO_WRITE, f"{root}/x", **variables)
    assert said.startswith(f"AccessError cannot write '{root}/x': permission denied")
    assert f"user={user}, access=WRITE" in said
    assert "\n" not in said
    assert names_below(root) == ["open/mine"]


def test_a_folder_that_one_may_not_enter_is_not_taken_for_empty(root, raw):
    storage.write_bytes(f"{root}/secret/x", b"1")
    raw.set_permission(f"{path_of(root)}/secret", 0o700)
    program = """
import sys
from sparkcv import storage
from sparkcv.errors import AccessError
for look in (storage.exists, storage.read_bytes):
    try:
        print(look(sys.argv[1] + "/x"))
    except AccessError as err:
        print(err)
try:
    print(storage.list_dir(sys.argv[1]))
except AccessError as err:
    print(err)
"""
    lines = run_python(program, f"{root}/secret", HADOOP_USER_NAME="alice").splitlines()
    assert [line[:14] for line in lines] == ["cannot look at", "cannot read 'h", "cannot list 'h"]
    assert all("permission denied" in line and "user=alice" in line for line in lines)


def test_a_quota_of_space_is_told_and_leaves_nothing(hadoop_cluster, root):
    storage.write_bytes(f"{root}/full/before", b"whole")
    hadoop_cluster.set_quota(path_of(f"{root}/full"), MB)
    with pytest.raises(
        FullError, match=r"cannot write .*full/x': .*DiskSpace quota of .*full is exceeded: quota = 1048576"
    ):
        storage.write_bytes(f"{root}/full/x", b"x")
    with pytest.raises(FullError, match=r"before': .*DiskSpace quota"):
        storage.append_bytes(f"{root}/full/before", b"more")
    assert names_below(root) == ["full/before"]
    assert storage.read_bytes(f"{root}/full/before") == b"whole"


def test_a_quota_of_names_is_told_and_leaves_nothing(hadoop_cluster, root):
    storage.make_dirs(f"{root}/full")
    hadoop_cluster.admin("-setQuota", "2", path_of(f"{root}/full"))
    storage.write_bytes(f"{root}/full/1", b"x")
    with pytest.raises(FullError, match=r"cannot write .*full/2': .*NameSpace quota .*quota=2 file count=3"):
        storage.write_bytes(f"{root}/full/2", b"x")
    with pytest.raises(FullError, match=r"cannot make .*full/d': .*NameSpace quota"):
        storage.make_dirs(f"{root}/full/d")
    assert names_below(root) == ["full/1"]


def test_a_name_that_is_too_long_is_told_in_one_line(root):
    with pytest.raises(StorageError, match=r"^cannot write .*x': HDFS says .*limit=255 length=300$"):
        storage.write_bytes(f"{root}/{'x' * 300}", b"")


def test_a_local_disk_that_takes_no_more_is_told_by_its_own_name(root, tmp_path):
    storage.write_bytes(f"{root}/a", b"x" * 3 * MB)
    program = """
import resource, signal, sys
from sparkcv import storage
from sparkcv.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    storage.fetch(*sys.argv[1:])
except StorageError as err:
    print(err)
"""
    said = run_python(program, f"{root}/a", str(tmp_path / "a"))
    assert said == f"cannot write '{tmp_path}/a': File too large"
    assert list(tmp_path.iterdir()) == []


def test_a_second_thread_gets_the_same_client_and_its_own_answers(root):
    for index in range(8):
        storage.write_bytes(f"{root}/{index}", bytes([index]) * 100_000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: storage.read_bytes(f"{root}/{index % 8}"), range(64)))
    assert all(data == bytes([index % 8]) * 100_000 for index, data in enumerate(found))


def test_reading_here_and_there_gives_what_stands_there(root):
    data = os.urandom(3 * MB)
    storage.write_bytes(f"{root}/f", data)
    with storage.open_read(f"{root}/f") as stream:
        for start, count in itertools.product((0, 5, MB, 2 * MB + 7, 3 * MB - 1, 3 * MB + 5), (1, 100, 2 * MB)):
            stream.seek(start)
            assert stream.read(count) == data[start : start + count]
