"""T16: DataNodes that stop and replicas that rot: what is delivered is byte-identical, or the lost file is named."""

import re
import struct
from pathlib import Path

import google_crc32c
import pytest

from sparkcv.errors import UnavailableError
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.records import tfrecord
from sparkcv.records.assignment import assign
from sparkcv.records.shards import open_dataset
from sparkcv.rundir import checkpoint
from tests.faults.conftest import put_dataset
from tests.faults.running import Run, check_preempted

pytestmark = [pytest.mark.hadoop]

_META_HEADER_BYTES = 7  # version, type of checksum, bytes that each is of


class Reading:
    """A dataset on HDFS and a worker's spool on it, so small that each epoch fetches every shard again."""

    def __init__(self, folder, url):
        put_dataset(folder / "data", url)
        self.shards = open_dataset(url, "shapes", "train").shards
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.quarantine = Quarantine(96, 1.0)
        whole = [path.read_bytes() for path in sorted((folder / "data").glob("*.tfrecord"))]
        self.wanted = sorted(bytes(one.payload) for data in whole for one in tfrecord.read_records(data, ""))

    def open(self, num_epochs, **more):
        largest = max(shard.num_bytes for shard in self.shards)
        settings = {
            "max_bytes": 2 * largest,
            "seed": 0,
            "check": lambda payload: None,
            "num_epochs": num_epochs,
            **more,
        }
        return Spool(assign(self.shards, 0, 1), str(self.scratch), quarantine=self.quarantine, **settings)

    @staticmethod
    def payloads(shard):
        data = Path(shard.path).read_bytes()
        return [bytes(one.payload) for one in tfrecord.read_records(data, shard.path)]

    def drain(self, spool):
        """Every payload that the spool delivers, sorted."""
        found = []
        for shard in spool:
            found += self.payloads(shard)
            spool.release(shard.ticket)
        return sorted(found)


@pytest.fixture
def reading(on_cluster, tmp_path, request):
    return Reading(tmp_path, f"{on_cluster.url}/{request.node.name}/data")


def replicas(cluster, url):
    """The DataNodes that hold a file of one block, each with its block file."""
    path = url.removeprefix(cluster.url)
    located = cluster.namenodes[0].get(f"/webhdfs/v1{path}?op=GET_BLOCK_LOCATIONS")["LocatedBlocks"]
    (block,) = [one["block"]["blockId"] for one in located["locatedBlocks"]]
    found = {}
    for daemon in cluster.datanodes:
        for path in cluster.block_files(daemon.name):
            if path.name == f"blk_{block}":
                found[daemon.name] = path
    assert len(found) == 2
    return found


def _lost(url):
    return f"cannot read '{url}': hdfs://default has no DataNode that gives the data.*; waited"


def rot(path, *, unseen=False):
    """Flip a bit in the middle of a replica; ``unseen`` by HDFS, whose checksums are made to fit."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if unseen:
        (meta,) = path.parent.glob(f"{path.name}_*.meta")
        header = meta.read_bytes()[:_META_HEADER_BYTES]
        (chunk,) = struct.unpack_from(">I", header, 3)
        sums = [google_crc32c.value(bytes(data[at : at + chunk])) for at in range(0, len(data), chunk)]
        meta.write_bytes(header + struct.pack(f">{len(sums)}I", *sums))


def rot_each_shard(cluster, reading, **how):
    """Let one of the two replicas of each shard rot."""
    for shard in reading.shards:
        rot(min(replicas(cluster, shard.url).values()), **how)


def test_what_is_delivered_through_a_stopped_datanode_is_byte_identical(on_cluster, reading):
    with reading.open(num_epochs=3) as spool:
        first = spool.take()
        on_cluster.datanodes[0].kill()
        try:
            found = reading.payloads(first)
            spool.release(first.ticket)
            assert sorted(found + reading.drain(spool)) == sorted(reading.wanted * 3)
        finally:
            on_cluster.start_datanode("dn1")
    assert reading.quarantine.count == 0


def test_a_replica_whose_rot_hdfs_sees_is_passed_over(on_cluster, reading):
    rot_each_shard(on_cluster, reading)
    with reading.open(num_epochs=4) as spool:
        assert reading.drain(spool) == sorted(reading.wanted * 4)
    assert reading.quarantine.count == 0


def test_without_a_second_replica_the_shard_is_named_in_time(on_cluster, reading, monkeypatch):
    """The mechanism off: the file system has nothing better to offer, and that is told, not hung on."""
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "3")
    url = reading.shards[1].url
    for path in replicas(on_cluster, url).values():
        rot(path)
    with reading.open(num_epochs=1) as spool, pytest.raises(UnavailableError, match=_lost(re.escape(url))):
        reading.drain(spool)


def test_a_replica_whose_rot_only_the_manifest_sees_is_fetched_from_elsewhere(on_cluster, reading):
    rot_each_shard(on_cluster, reading, unseen=True)
    with reading.open(num_epochs=10, attempts=30) as spool:  # HDFS picks the replica at random
        assert reading.drain(spool) == sorted(reading.wanted * 10)
    assert reading.quarantine.count == 0


def test_without_a_second_fetch_such_a_replica_costs_records(on_cluster, reading):
    rot_each_shard(on_cluster, reading, unseen=True)
    with reading.open(num_epochs=10, attempts=1) as spool:
        assert len(reading.drain(spool)) < 10 * len(reading.wanted)
    assert reading.quarantine.count > 0


def test_a_shard_whose_replicas_are_all_stopped_is_named_in_time(on_cluster, reading, monkeypatch):
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "3")
    holders = replicas(on_cluster, reading.shards[2].url)
    stopped = [daemon for daemon in on_cluster.datanodes if daemon.name in holders]
    with reading.open(num_epochs=None) as spool:
        for daemon in stopped:
            daemon.kill()
        try:
            with pytest.raises(UnavailableError, match=_lost(r"\S*/data/shapes_train-0000\d-of-00004\.tfrecord")):
                reading.drain(spool)
        finally:
            for daemon in stopped:
                on_cluster.start_datanode(daemon.name)


@pytest.mark.tensorflow
def test_a_run_goes_on_without_a_datanode(on_cluster, tmp_path):
    url = f"{on_cluster.url}/t16"
    flags = {"dataset_dir": put_dataset(tmp_path / "data", f"{url}/data", num_shards=8), "train_dir": f"{url}/run"}
    flags |= {"spool_bytes": 2 * max(path.stat().st_size for path in (tmp_path / "data").glob("*.tfrecord"))}
    with Run(tmp_path, flags) as run:
        step = run.wait_for_save()
        on_cluster.datanodes[0].kill()
        try:
            run.wait_for_save(above=run.wait_for_save(above=step) + 25)
            step = check_preempted(run)
        finally:
            on_cluster.start_datanode("dn1")
    assert "rejected" not in run.said
    assert checkpoint.newest_valid(run.url).step == step
