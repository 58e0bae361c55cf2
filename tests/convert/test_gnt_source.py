"""GNT files as a source of pictures: samples by file and offset, whole or with their fault."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from sparkcv import storage
from sparkcv.convert import gnt_source
from sparkcv.errors import DataError, ImageError, MissingFileError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import gnt


def sample(character: str, seed: int) -> bytes:
    return gnt.encode(character, np.random.default_rng(seed).integers(0, 256, (9, 7 + seed), np.uint8))


def test_files_are_found_at_any_depth_but_not_what_systems_leave(tmp_path):
    for name in ("b.gnt", "a/1.gnt", "notes.txt", ".hidden", "__MACOSX/b.gnt", "a/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert gnt_source.list_files(str(tmp_path)) == ["a/1.gnt", "b.gnt", "notes.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty' holds nothing, wanted GNT files"):
        gnt_source.list_files(str(tmp_path / "empty"))
    with pytest.raises(MissingFileError, match="nowhere"):
        gnt_source.list_files(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["1@2.gnt", os.fsdecode(b"\xff.gnt")], ids=ascii)
def test_samples_are_named_by_file_and_offset_and_read_again_by_that(tmp_path, name):
    first, second = sample("啊", 1), sample("A", 2)
    (tmp_path / name).write_bytes(first + b"stray" + second)
    found = list(gnt_source.list_samples(str(tmp_path), name, 1000, 0))
    names = [picture.name.decode("utf-8", "surrogateescape") for picture in found]
    assert [gnt_source.split_name(each) for each in names] == [(name, 0), (name, len(first)), (name, len(first) + 5)]
    assert [(picture.label, picture.size) for picture in found] == [("啊", len(first)), (None, 5), ("A", len(second))]
    assert [picture.fault and picture.fault.partition("; ")[2] for picture in found] == [None, "5 bytes lost", None]
    seen = gnt_source.read_sample(str(tmp_path), names[2], found[2].size, PictureRules())
    assert (seen.format, seen.height, seen.width, seen.orientation) == ("png", 9, 9, 1)
    picture = Image.open(io.BytesIO(seen.encoded))
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), gnt.decode(second).pixels)


def test_a_file_that_changed_since_it_was_listed_costs_its_sample(tmp_path):
    (tmp_path / "w.gnt").write_bytes(sample("A", 1))
    with pytest.raises(
        ImageError, match="changed since it was listed: damaged at offset 0: 81 bytes of a sample of 82"
    ):
        gnt_source.read_sample(str(tmp_path), "w.gnt@0", 81, PictureRules())


@pytest.mark.hadoop
def test_files_lie_on_hdfs_as_well(hdfs):
    storage.write_bytes(f"{hdfs}/set/w.gnt", sample("啊", 1) + sample("A", 2)[:-1])
    assert gnt_source.list_files(f"{hdfs}/set") == ["w.gnt"]
    found = list(gnt_source.list_samples(f"{hdfs}/set", "w.gnt", 1000, 0))
    assert [picture.label for picture in found] == ["啊", None]
    seen = gnt_source.read_sample(f"{hdfs}/set", "w.gnt@0", found[0].size, PictureRules())
    assert (seen.height, seen.width) == (9, 8)
