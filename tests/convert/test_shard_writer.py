"""One shard: its records, its rejects, and nothing left of one that failed."""

import json
import os
import threading

import fsspec
import google_crc32c
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sparkcv import storage, synthetic
from sparkcv.convert.shard_writer import ShardRow, ShardTarget, write_shard
from sparkcv.errors import StorageError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import example, tfrecord


def target(root: str, out: str, **changes) -> ShardTarget:
    values = {
        "url": f"{out}/s",
        "quarantine_url": f"{out}/q",
        "root": root,
        "labels": ("a", "b"),
        "rules": PictureRules(),
    }
    return ShardTarget(**{**values, **changes})


def rejects(out: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in storage.read_text(f"{out}/q").splitlines()]


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out")


def test_pictures_become_records_in_their_order_byte_for_byte(tree, out):
    root = tree(a=2, b=1)
    names = ["b/000.jpg", "a/001.jpg", "a/000.jpg"]
    rows = [ShardRow(name.encode(), "ab".index(name[0]), 0, 40) for name in names]
    summary = write_shard(rows, target(str(root), out))
    data = storage.read_bytes(f"{out}/s")
    read = [example.decode(record.payload) for record in tfrecord.read_records(data, "s")]
    assert [picture.filename for picture in read] == names
    assert [picture.encoded for picture in read] == [(root / name).read_bytes() for name in names]
    assert [(p.label, p.text, p.format, p.height, p.width) for p in read] == [
        (1, "b", "jpeg", 4, 6), (0, "a", "jpeg", 4, 6), (0, "a", "jpeg", 4, 6),
    ]  # fmt: skip
    assert summary.entry.records == 3
    assert summary.entry.bytes == len(data)
    assert summary.entry.crc32c == f"{google_crc32c.value(data):08x}"
    assert summary.entry.labels == {"0": 2, "1": 1}
    assert summary.reasons == {}
    assert storage.read_bytes(f"{out}/q") == b""


def test_unusable_files_are_rejected_with_their_reason_and_cost_no_other(tree, out):
    root = tree(a=1, b=1)
    for kind in synthetic.BROKEN:
        (root / "a" / kind).write_bytes(synthetic.broken_file(kind))
    (root / "a" / "folder.jpg").mkdir()
    names = ["a/000.jpg", *(f"a/{kind}" for kind in synthetic.BROKEN), "a/folder.jpg", "a/gone.jpg", "b/000.jpg"]
    rows = [ShardRow(name.encode(), "ab".index(name[0]), 0, -1) for name in names] + [ShardRow(b"readme.txt", -1, 0, 5)]
    summary = write_shard(rows, target(str(root), out))
    assert summary.entry.records == 2
    assert {item["path"]: item["reason"] for item in rejects(out)} == {
        "a/empty.jpg": "empty: 0 bytes",
        "a/truncated.jpg": "truncated: no end-of-image marker",
        "a/text.jpg": "format not read: text",
        "a/eps.jpg": "format not read: EPS",
        "a/bomb.png": "too large: 20000x20000 pixels, at most 67108864 in all",
        "a/folder.jpg": "unreadable: a folder",
        "a/gone.jpg": "missing: gone since it was listed",
        "readme.txt": "no class: lies beside the class folders",
    }
    assert summary.reasons == {
        "empty": 1, "truncated": 1, "format not read": 2, "too large": 1, "unreadable": 1, "missing": 1, "no class": 1,
    }  # fmt: skip


def test_a_file_that_a_csv_names_and_is_missing_costs_itself_and_is_told_by_its_line(tree, out):
    rows = [
        ShardRow(b"a/000.jpg", 0, 2, -1),
        ShardRow(b"x.jpg", 0, 9, -1),
        ShardRow(b"y.jpg", 1, 5, -1),
        ShardRow(b"z.jpg", 1, 7, -1),
    ]
    summary = write_shard(rows, target(str(tree(a=1)), out))
    assert (summary.entry.records, summary.reasons) == (1, {"missing": 3})
    assert rejects(out)[1] == {"path": "y.jpg", "reason": "missing: line 5 of the CSV names it, and it is not there"}


def test_a_file_of_gigabytes_is_rejected_unread(tree, out):
    rows = [ShardRow(b"a/000.jpg", 0, 0, 1 << 32)]
    summary = write_shard(rows, target(str(tree(a=1)), out))
    assert rejects(out) == [
        {"path": "a/000.jpg", "reason": "too large: 4294967296 bytes, at most 268435456"},
    ]
    assert summary.entry.records == 0


def test_names_from_data_stay_on_their_line_of_the_quarantine(tree, out):
    root = tree(a=1)
    odd = b"a/\xff\n\x1b[31m.jpg"
    (root / os.fsdecode(odd)).write_bytes(b"")
    write_shard([ShardRow(odd, 0, 0, 0)], target(str(root), out))
    (item,) = rejects(out)
    assert item["path"].encode("utf-8", "surrogateescape") == odd


def test_no_rows_are_an_empty_shard(tmp_path, out):
    summary = write_shard([], target(str(tmp_path), out))
    assert (summary.entry.records, summary.entry.bytes, summary.entry.crc32c) == (0, 0, "00000000")
    assert storage.size(f"{out}/s") == 0


def test_a_failure_midway_leaves_no_file(tree, out):
    def rows():
        yield ShardRow(b"a/000.jpg", 0, 0, 40)
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write_shard(rows(), target(str(tree(a=1)), out))
    assert storage.list_dir(out) == []


class SlowFileSystem(MemoryFileSystem):
    """A distant store: a read returns only when a second one is waiting, and one file's disk is broken."""

    protocol = "sparkcvslow"
    together: threading.Barrier

    def cat_file(self, path, start=None, end=None, **kwargs):
        if "broken" in path:
            raise OSError(5, "Input/output error")
        self.together.wait(timeout=300)
        return super().cat_file(path, start, end, **kwargs)


@pytest.fixture
def slow(tree):
    fsspec.register_implementation("sparkcvslow", SlowFileSystem, clobber=True)
    SlowFileSystem.together = threading.Barrier(2)
    storage.publish_dir(tree(a=6), "sparkcvslow://pictures/a")
    storage.write_bytes("sparkcvslow://pictures/a/broken.jpg", b"")
    yield "sparkcvslow://pictures"
    storage.delete("sparkcvslow://pictures", recursive=True)


def test_reads_of_a_distant_store_are_waited_for_side_by_side_and_keep_their_order(slow, out):
    names = [f"a/a/{index:03d}.jpg" for index in (3, 1, 5, 0, 2, 4)]
    write_shard([ShardRow(name.encode(), 0, 0, 40) for name in names], target(slow, out))
    records = tfrecord.read_records(storage.read_bytes(f"{out}/s"), "s")
    assert [example.decode(record.payload).filename for record in records] == names


def test_a_store_that_fails_ends_the_shard_for_it_is_no_fault_of_the_picture(slow, out):
    names = ["a/a/000.jpg", "a/a/001.jpg", "a/broken.jpg"]
    with pytest.raises(StorageError, match=r"cannot read 'sparkcvslow://pictures/a/broken.jpg': Input/output error"):
        write_shard([ShardRow(name.encode(), 0, 0, 40) for name in names], target(slow, out))
    assert storage.list_dir(out) == []
