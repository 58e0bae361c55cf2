"""S12: what a picture is follows from its first bytes and a list of formats, whatever its file is called."""

import io

import pytest
from PIL import Image

from sparkcv.convert.shard_writer import ShardRow, ShardTarget, write_shard
from sparkcv.inputs.validate import ImageCheck
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import example, tfrecord
from sparkcv.records.example import ImageExample


def saved(file_format):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(buffer, file_format)
    return buffer.getvalue()


NEVER = {
    "EPS": saved("EPS"),
    "FITS": b"SIMPLE  =                    T".ljust(2880),
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>',
    "GD2": b"gd2\0\0\2\0\x08\0\x08".ljust(64, b"\0"),
}
ONLY_FROM_FILES = {"TIFF": saved("TIFF"), "AVIF": saved("AVIF"), "JPEG 2000": saved("JPEG2000")}


def converted(tmp_path, files, **rules):
    """Return the reasons why files that are all called .jpg were left out, and the formats of those that were not."""
    for index, data in enumerate(files):
        (tmp_path / f"{index}.jpg").write_bytes(data)
    target = ShardTarget(str(tmp_path / "s"), str(tmp_path / "q"), str(tmp_path), ("a",), PictureRules(**rules))
    rows = [ShardRow(f"{index}.jpg".encode(), 0, 0, -1) for index in range(len(files))]
    reasons = write_shard(rows, target).reasons
    records = tfrecord.read_all((tmp_path / "s").read_bytes())
    return reasons, [example.decode(record.payload).format for record in records]


def test_foreign_formats_named_jpg_are_rejected_by_conversion(tmp_path):
    assert converted(tmp_path, NEVER.values()) == ({"format not read": 4}, [])


def test_a_tiff_named_jpg_is_a_tiff_and_rejected_where_the_list_has_none(tmp_path):
    reasons, formats = converted(tmp_path, ONLY_FROM_FILES.values())
    assert (reasons, formats) == ({}, ["png", "png", "png"])
    reasons, formats = converted(tmp_path, ONLY_FROM_FILES.values(), formats=("jpeg", "png"))
    assert (reasons, formats) == ({"not JPEG or PNG": 3}, [])


@pytest.mark.parametrize("name", [*NEVER, *ONLY_FROM_FILES])
def test_no_shard_brings_them_to_tensorflow(name):
    record = example.encode(ImageExample({**NEVER, **ONLY_FROM_FILES}[name], "jpeg", 0))
    assert ImageCheck(1)(record) == f"not JPEG, PNG, GIF, BMP or WebP: {name}"
    assert ImageCheck(1)(example.encode(ImageExample(saved("JPEG"), "tiff", 0))) is None
