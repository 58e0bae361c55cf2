import dataclasses
import gzip
import json
import zlib

import pytest

from sparkcv.errors import ShardError
from sparkcv.predict.rows import count_part, count_rows, find_input, list_parts, load, read_ids, read_rows, split
from sparkcv.records import example, tfrecord
from sparkcv.records.example import ImageExample
from sparkcv.records.features import encode_features

COUNT = 20
NAME = "x_test-00000-of-00001.tfrecord"


def shard():
    payloads = [example.encode(ImageExample(b"pic%d" % i, "jpeg", i, filename=f"d/{i}.jpg")) for i in range(COUNT)]
    return [tfrecord.frame(payload) for payload in payloads]


def write(folder, data, records=COUNT, size=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_bytes(data)
    entry = {
        "name": NAME,
        "records": records,
        "bytes": len(data) if size is None else size,
        "crc32c": "0",
        "labels": {},
    }
    splits = {"test": {"seed": 0, "shards": [entry]}}
    manifest = {"schema": 1, "dataset_name": "x", "labels": ["a"], "splits": splits}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return list_parts(find_input(str(folder)), str(folder / "lists")).parts


@pytest.mark.parametrize("count", [1, 3, 20])
def test_every_record_is_a_row_with_its_ordinal_and_filename(tmp_path, count):
    parts = write(tmp_path / "s", b"".join(shard()))
    rows = [row for piece in split(parts, count) for part in piece for row in read_rows(part)]
    assert [row.id for row in rows] == [f"{NAME}:{i}" for i in range(COUNT)]
    assert [load(row) for row in rows] == [b"pic%d" % i for i in range(COUNT)]
    assert [row.filename for row in rows] == [f"d/{i}.jpg" for i in range(COUNT)]
    assert [name for part in parts for name in read_ids(part)] == [row.id for row in rows]


def test_shards_without_a_manifest_are_counted(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / NAME).write_bytes(b"".join(shard()))
    (part,) = list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts
    assert part.stop is None
    assert count_part(part) == COUNT


def test_an_empty_shard_has_no_rows(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / NAME).write_bytes(b"")
    assert list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts == []


def test_a_flipped_byte_at_any_offset_costs_its_row_and_no_other(tmp_path):
    frames = shard()[:3]
    whole = b"".join(frames)
    (part,) = write(tmp_path / "s", whole, records=3)
    for offset in range(len(whole)):
        (tmp_path / "s" / NAME).write_bytes(whole[:offset] + bytes([whole[offset] ^ 4]) + whole[offset + 1 :])
        rows = list(read_rows(part))
        assert [row.id for row in rows] == [f"{NAME}:{i}" for i in range(3)]
        hit = next(i for i in range(3) if offset < sum(map(len, frames[: i + 1])))
        within = offset - sum(map(len, frames[:hit]))
        bad = [i for i, row in enumerate(rows) if row.reason]
        assert bad == ([hit] if within >= tfrecord.HEADER_BYTES else [])  # the length's CRC mends one bit of the length
        assert [load(row) for row in rows if not row.reason] == [b"pic%d" % i for i in range(3) if i not in bad]
        assert all(rows[i].reason.startswith("damaged record: wrong CRC of the payload") for i in bad)


def test_damaged_lengths_side_by_side_leave_the_other_ids_to_their_pictures(tmp_path):
    lost = b"\xaa" * tfrecord.HEADER_BYTES  # a bit of a length can be mended, a whole header cannot
    frames = [lost + frame[len(lost) :] if i in (2, 3) else frame for i, frame in enumerate(shard()[:8])]
    (part,) = write(tmp_path / "s", b"".join(frames), records=8)
    rows = list(read_rows(part))
    assert [row.data for row in rows] == [None if i in (2, 3) else b"pic%d" % i for i in range(8)]
    (_, piece) = split([part], 2)
    assert [row.data for row in read_rows(piece[0])] == [b"pic%d" % i for i in range(4, 8)]


@pytest.mark.parametrize("cut", [1, 11])
def test_an_end_that_tensorflow_takes_for_a_clean_one_is_a_row_with_a_reason(tmp_path, cut):
    (tmp_path / "s").mkdir()
    for name, data in (
        ("short", b"".join(shard())[: -len(shard()[-1]) + cut]),
        ("long", b"".join(shard()) + b"x" * cut),
    ):
        (tmp_path / "s" / NAME).write_bytes(data)
        (part,) = list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts
        counted = dataclasses.replace(part, stop=count_part(part))
        rows = list(read_rows(counted))
        assert len(rows) == (COUNT if name == "short" else COUNT + 1)
        assert [row.reason for row in rows if row.reason] == [rows[-1].reason]
        assert "cut inside a length header" in rows[-1].reason


def test_a_records_own_orientation_and_other_features_are_used(tmp_path):
    (tmp_path / "s").mkdir()
    payloads = [
        encode_features({"image": b"a", "image/orientation": 6}),
        encode_features({"image": b"b"}),
    ]
    (tmp_path / "s" / NAME).write_bytes(b"".join(map(tfrecord.frame, payloads)))
    for use_exif, told in ((False, 1), (True, None)):
        (part,) = list_parts(
            find_input(str(tmp_path / "s")), str(tmp_path), image_feature="image", use_exif=use_exif
        ).parts
        rows = list(read_rows(dataclasses.replace(part, stop=2)))
        assert [(row.data, row.is_record, row.orientation) for row in rows] == [(b"a", True, 6), (b"b", True, told)]


def test_a_compressed_shard_is_scored_as_its_content(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / NAME).write_bytes(gzip.compress(b"".join(shard())))
    (part,) = list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts
    rows = list(read_rows(dataclasses.replace(part, stop=count_part(part))))
    assert [row.data for row in rows] == [b"pic%d" % i for i in range(COUNT)]


@pytest.mark.parametrize("num_whole", [0, 5])
def test_a_compressed_shard_that_is_cut_between_two_records_ends_with_a_row_and_a_reason(tmp_path, num_whole):
    (tmp_path / "s").mkdir()
    stream = zlib.compressobj(wbits=31)
    start = stream.compress(b"".join(shard()[:num_whole])) + stream.flush(zlib.Z_SYNC_FLUSH)
    (tmp_path / "s" / NAME).write_bytes(start)
    (part,) = list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts
    rows = list(read_rows(dataclasses.replace(part, stop=count_part(part))))
    assert [row.data for row in rows] == [*(b"pic%d" % i for i in range(num_whole)), None]
    assert rows[-1].reason == "lost: the compressed shard breaks off there"


def test_a_shard_that_its_manifest_does_not_match_is_refused(tmp_path):
    with pytest.raises(ShardError, match=rf"{NAME}' has \d+ bytes, manifest\.json says 5"):
        write(tmp_path / "s", b"".join(shard()), size=5)


def test_a_shard_that_changes_after_it_was_listed_is_refused(tmp_path):
    (part,) = write(tmp_path / "s", b"".join(shard()))
    (tmp_path / "s" / NAME).write_bytes(b"".join(shard()[:-1]))
    with pytest.raises(ShardError, match=rf"{NAME}' changed since it was listed"):
        list(read_rows(part))


def test_a_manifest_that_promises_more_records_gives_rejects_for_them(tmp_path):
    (part,) = write(tmp_path / "s", b"".join(shard()), records=COUNT + 2)
    rows = list(read_rows(part))
    assert len(rows) == count_rows([part]) == COUNT + 2
    assert [row.reason.split(":")[0] for row in rows[COUNT:]] == ["lost", "lost"]


def test_a_record_without_label_is_scored_and_one_without_picture_is_not(tmp_path):
    payloads = [
        encode_features({"image/encoded": b"pic"}),
        encode_features({"image/class/label": 1}),
        encode_features({"image/encoded": 5}),
        b"\xff\xff",
    ]
    (part,) = write(tmp_path / "s", b"".join(map(tfrecord.frame, payloads)), records=4)
    first, *rest = read_rows(part)
    assert (load(first), first.filename) == (b"pic", None)
    heads = [row.reason.split(":")[0] for row in rest]
    assert heads == ["no picture", "no picture", "no tf.train.Example"]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("name", ["part-r-00000", "x.tfrecord.gz", NAME])
def test_packed_shards_are_read_under_any_name(tmp_path, pack, name):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_bytes(pack(b"".join(shard())))
    (part,) = list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts
    assert count_part(part) == COUNT
    rows = list(read_rows(dataclasses.replace(part, stop=COUNT)))
    assert [(row.id, load(row)) for row in rows] == [(f"{name}:{i}", b"pic%d" % i) for i in range(COUNT)]


def test_gzip_files_one_after_the_other_are_one_shard(tmp_path):
    frames = shard()
    data = gzip.compress(b"".join(frames[:7])) + gzip.compress(b"".join(frames[7:])) + bytes(512)
    (part,) = write(tmp_path / "s", data)
    assert [load(row) for row in read_rows(part)] == [b"pic%d" % i for i in range(COUNT)]


def test_a_packed_shard_that_was_cut_gives_what_is_before_the_cut_and_says_so(tmp_path):
    (tmp_path / "s").mkdir()
    packed = gzip.compress(b"".join(shard()), compresslevel=0)
    (tmp_path / "s" / NAME).write_bytes(packed[: len(packed) // 2])
    (part,) = list_parts(find_input(str(tmp_path / "s")), str(tmp_path)).parts
    count = count_part(part)
    rows = list(read_rows(dataclasses.replace(part, stop=count)))
    assert [load(row) for row in rows[:-1]] == [b"pic%d" % i for i in range(count - 1)]
    assert rows[-1].reason.startswith(("damaged record: ", "lost: "))
    assert 5 < count < COUNT


def test_one_flipped_bit_in_a_length_loses_nothing_of_fifty_records(tmp_path):
    frames = [tfrecord.frame(encode_features({"image/encoded": b"p%d" % i * 50})) for i in range(50)]
    data = bytearray(b"".join(frames))
    data[sum(map(len, frames[:7])) + 1] ^= 0x20
    (part,) = write(tmp_path / "s", bytes(data), records=50)
    assert [load(row) for row in read_rows(part)] == [b"p%d" % i * 50 for i in range(50)]


def test_a_header_that_is_lost_costs_its_record_alone(tmp_path):
    frames = shard()
    data = bytearray(b"".join(frames))
    at = sum(map(len, frames[:4]))
    data[at : at + 40] = b"\xaa" * 40
    (part,) = write(tmp_path / "s", bytes(data))
    rows = list(read_rows(part))
    assert [i for i, row in enumerate(rows) if row.reason] == [4]
    assert [load(row) for row in rows[5:]] == [b"pic%d" % i for i in range(5, COUNT)]
