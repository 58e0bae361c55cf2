"""Storage while parts of HDFS are down: it waits, says so, and goes on, or ends with one sentence.

One cluster for all: two NameNodes, three DataNodes, two copies of each block. Each test leaves it whole.
"""

import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkcv import storage
from sparkcv.errors import UnavailableError
from tests.contracts.storage import names_below
from tests.hadoop import hadoop, wait_until

pytestmark = pytest.mark.hadoop

MB = 1 << 20
PATIENCE_S = 300


@pytest.fixture(scope="module")
def cluster():
    with hadoop(num_namenodes=2, num_datanodes=3, replication=2) as daemons:
        yield daemons


@pytest.fixture
def root(cluster, request, monkeypatch, caplog):
    for key, value in cluster.env.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "100")
    caplog.set_level(logging.INFO, logger="sparkcv")
    url = f"{cluster.url}/{request.node.name}"
    storage.make_dirs(url)
    return url


@pytest.fixture
def soon(monkeypatch):
    """For those that wait in vain."""
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "4")


@contextlib.contextmanager
def meanwhile(function):
    """Run something beside the block, which must be done when it ends."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(function)
        yield
        running.result()


def active(cluster):
    return next(daemon for daemon in cluster.namenodes if cluster.state(daemon.name) == "active")


def other_than(cluster, daemon):
    return next(one for one in cluster.namenodes if one is not daemon)


def fail_over(cluster, *, revive=True):
    """Kill the active NameNode and make the other one active; the killed one comes back as the standby."""
    first = active(cluster)
    second = other_than(cluster, first)
    first.kill()
    cluster.make_active(second.name)
    if revive:
        cluster.start_namenode(first.name)


def chunks(count):
    return [os.urandom(MB) for _ in range(count)]


# ---- NameNodes


def test_a_standby_that_is_asked_first_leads_to_the_active_one(cluster, root):
    fail_over(cluster)
    assert [cluster.state(daemon.name) for daemon in cluster.namenodes] == ["standby", "active"]
    storage.write_bytes(f"{root}/a", b"1")
    assert storage.read_bytes(f"{root}/a") == b"1"
    assert storage.list_dir(root)[0].name == "a"


def test_a_stream_is_read_on_through_a_failover(cluster, root):
    data = chunks(70)
    storage.write_bytes(f"{root}/a", b"".join(data))
    with storage.open_read(f"{root}/a") as stream:
        assert stream.read(MB) == data[0]
        fail_over(cluster)
        assert all(stream.read(MB) == piece for piece in data[1:])
    assert storage.read_bytes(f"{root}/a", 5, 10) == data[0][5:10]


def test_a_file_is_written_on_through_a_failover(cluster, root):
    data = chunks(140)  # three blocks, the second and the third of the other NameNode
    with storage.open_write(f"{root}/a") as sink:
        for index, piece in enumerate(data):
            if index == 40:
                fail_over(cluster)
            sink.write(piece)
    assert storage.read_bytes(f"{root}/a") == b"".join(data)
    assert names_below(root) == ["a"]


def test_everything_waits_for_a_namenode_that_comes_back(cluster, root, caplog, tmp_path):
    storage.write_bytes(f"{root}/old", b"old")
    (tmp_path / "local").write_bytes(b"x" * 3 * MB)
    for daemon in cluster.namenodes:
        daemon.kill()
    work = {
        "info": lambda: storage.size(f"{root}/old"),
        "list": lambda: [entry.name for entry in storage.list_dir(root)],
        "read": lambda: storage.read_bytes(f"{root}/old"),
        "fetch": lambda: storage.fetch(f"{root}/old", tmp_path / "fetched"),
        "write": lambda: storage.write_json(f"{root}/status.json", {"a": 1}),
        "publish": lambda: storage.publish(tmp_path / "local", f"{root}/published"),
        "append": lambda: storage.append_bytes(f"{root}/log", b"line"),
        "make": lambda: storage.make_dirs(f"{root}/folder"),
        "delete": lambda: storage.delete(f"{root}/gone"),
    }
    with ThreadPoolExecutor(len(work)) as pool:
        running = {name: pool.submit(function) for name, function in work.items()}
        wait_until(lambda: "waiting up to" in caplog.text, "a line of progress", PATIENCE_S)
        assert not any(one.done() for one in running.values())
        cluster.start_namenode("nn1", wait=False)
        cluster.start_namenode("nn2", wait=False)
        wait_until(lambda: cluster.state("nn2") == "standby", "nn2 to answer", PATIENCE_S)
        cluster.make_active("nn2")
        results = {name: one.result() for name, one in running.items()}
    assert (results["info"], results["read"], results["fetch"]) == (3, b"old", 3)
    assert "old" in results["list"]
    assert names_below(root) == ["log", "old", "published", "status.json"]
    assert storage.size(f"{root}/published") == 3 * MB
    told = [line for line in caplog.messages if "waiting up to" in line]
    assert "hdfs://default does not answer (connection refused by 127.0.0.1:" in told[0]


def test_a_namenode_that_stays_away_is_named_after_the_wait_and_again_at_once(cluster, root, soon, tmp_path):
    (tmp_path / "local").write_bytes(b"x")
    for daemon in cluster.namenodes:
        daemon.kill()
    try:
        sentence = (
            r"cannot look at '.*/a': hdfs://default does not answer \(connection refused by \S+, connection refused by"
        )
        with pytest.raises(UnavailableError, match=sentence):
            storage.exists(f"{root}/a")
        with pytest.raises(UnavailableError, match=r"cannot (make|write) .*connection refused by"):
            storage.publish(tmp_path / "local", f"{root}/a")
    finally:
        cluster.start_namenode("nn1", wait=False)
        cluster.start_namenode("nn2", wait=False)
        wait_until(lambda: cluster.state("nn1") == "standby", "nn1 to answer", PATIENCE_S)
        cluster.make_active("nn1")
        wait_until(lambda: cluster.state("nn2") == "standby", "nn2 to answer", PATIENCE_S)
    assert names_below(root) == []


def test_a_silent_namenode_is_given_up_for_the_other_one(cluster, root, monkeypatch):
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "60")
    storage.write_bytes(f"{root}/a", b"old")
    silent = active(cluster)
    silent.pause()
    try:
        with meanwhile(lambda: cluster.make_active(other_than(cluster, silent).name)):
            assert storage.read_bytes(f"{root}/a") == b"old"
            storage.write_bytes(f"{root}/a", b"new")
            storage.rename(f"{root}/a", f"{root}/b")
    finally:
        silent.kill()
        cluster.start_namenode(silent.name)
    assert storage.read_bytes(f"{root}/b") == b"new"
    assert names_below(root) == ["b"]


def test_namenodes_that_stay_silent_are_named_after_the_wait(cluster, root, soon):
    storage.write_bytes(f"{root}/a", b"old")
    for daemon in cluster.namenodes:
        daemon.pause()
    try:
        for call in (storage.size, storage.read_bytes, lambda url: storage.write_bytes(url, b"new")):
            with pytest.raises(
                UnavailableError, match=r"does not answer \(\S+ accepts connections, .*nothing came within"
            ):
                call(f"{root}/a")
    finally:
        for daemon in cluster.namenodes:
            daemon.resume()
    assert storage.read_bytes(f"{root}/a") in (b"old", b"new")


# ---- safe mode


def test_a_write_waits_until_safe_mode_ends_and_says_so(cluster, root, caplog):
    storage.write_bytes(f"{root}/a", b"old")
    cluster.safe_mode(True)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(storage.write_bytes, f"{root}/a", b"new")
        wait_until(lambda: "waiting up to" in caplog.text, "a line of progress", PATIENCE_S)
        assert storage.read_bytes(f"{root}/a") == b"old"
        cluster.safe_mode(False)
        writing.result()
    assert "hdfs://default is in safe mode and takes no writes (It was turned on manually" in caplog.text
    assert storage.read_bytes(f"{root}/a") == b"new"


def test_safe_mode_that_does_not_end_is_told(cluster, root, soon):
    storage.write_bytes(f"{root}/a", b"old")
    cluster.safe_mode(True)
    try:
        with pytest.raises(UnavailableError, match=r"cannot (make|write) .*is in safe mode and takes no writes"):
            storage.write_bytes(f"{root}/a", b"new")
        with pytest.raises(UnavailableError, match=r"cannot delete .*is in safe mode"):
            storage.delete(f"{root}/a")
        assert names_below(root) == ["a"]
    finally:
        cluster.safe_mode(False)


# ---- DataNodes


def test_a_stream_waits_for_datanodes_that_come_back_and_goes_on_at_its_offset(cluster, root, tmp_path):
    data = chunks(70)
    storage.write_bytes(f"{root}/a", b"".join(data))
    with storage.open_read(f"{root}/a") as stream:
        assert stream.read(MB) == data[0]
        for daemon in cluster.datanodes:
            daemon.kill()
        with meanwhile(lambda: [cluster.start_datanode(daemon.name) for daemon in cluster.datanodes]):
            assert all(stream.read(MB) == piece for piece in data[1:])
    assert storage.fetch(f"{root}/a", tmp_path / "a") == 70 * MB
    assert (tmp_path / "a").read_bytes() == b"".join(data)


def test_a_dead_datanode_is_passed_by(cluster, root):
    data = b"".join(chunks(10))
    storage.write_bytes(f"{root}/a", data)
    cluster.datanodes[0].kill()
    try:
        assert storage.read_bytes(f"{root}/a") == data
        storage.write_bytes(f"{root}/b", data)
        assert storage.read_bytes(f"{root}/b") == data
    finally:
        cluster.start_datanode("dn1")


def test_a_datanode_that_dies_under_a_writer_costs_nothing(cluster, root, monkeypatch):
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "40")  # hdfs-native at times hangs in this
    data = chunks(80)
    with storage.open_write(f"{root}/a") as sink:
        for index, piece in enumerate(data):
            if index == 30:
                cluster.datanodes[1].kill()
            sink.write(piece)
    assert storage.read_bytes(f"{root}/a") == b"".join(data)
    cluster.start_datanode("dn2")


def test_a_damaged_copy_is_passed_by(cluster, root):
    data = b"".join(chunks(3))[:-7]
    storage.write_bytes(f"{root}/a", data)
    files = [path for daemon in cluster.datanodes for path in cluster.block_files(daemon.name)]
    damaged = [path for path in files if path.stat().st_size == len(data)]
    assert len(damaged) == 2
    with open(damaged[0], "r+b") as file:
        file.seek(MB)
        file.write(b"x" * 10)
    for _ in range(4):
        assert storage.read_bytes(f"{root}/a") == data


def test_a_file_whose_datanodes_stay_away_is_named(cluster, root, soon, tmp_path):
    storage.write_bytes(f"{root}/a", b"1" * MB)
    for daemon in cluster.datanodes:
        daemon.kill()
    try:
        with pytest.raises(
            UnavailableError, match=r"cannot read '.*/a': hdfs://default has no DataNode that gives the data"
        ):
            storage.read_bytes(f"{root}/a")
        with pytest.raises(
            UnavailableError, match=r"cannot read '.*/a': hdfs://default has no DataNode that gives the data"
        ):
            storage.fetch(f"{root}/a", tmp_path / "a")
        with pytest.raises(UnavailableError, match=r"cannot write '.*/b': hdfs://default"):
            storage.write_bytes(f"{root}/b", b"1" * MB)
    finally:
        for daemon in cluster.datanodes:
            cluster.start_datanode(daemon.name)
    assert list(tmp_path.iterdir()) == []
    assert names_below(root) == ["a"]
