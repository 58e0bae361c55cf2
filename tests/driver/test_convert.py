"""Conversion on a real Spark: whole, repeatable, and refused without a trace."""

import dataclasses
import functools
import io
import json
import os
import pathlib
import tempfile

import pytest
from PIL import Image

from sparkcv import storage, synthetic
from sparkcv.config import ConvertConfig
from sparkcv.driver.convert import prepare, run, run_with
from sparkcv.errors import BudgetError, DataError, FileExistsAlreadyError, LabelError, MissingFileError, UsageError
from sparkcv.records import example, tfrecord
from sparkcv.records.manifest import read_manifest
from sparkcv.records.shards import open_dataset

# Another order, another byte or another hash would be another dataset.
PINNED = ["4147132b", "400ae062", "34545a09"]

pytestmark = pytest.mark.spark


def convert(spark, config):
    """Do what the job does in a session that is there."""
    return run(spark, prepare(config))


def read(folder, split: str) -> list[example.ImageExample]:
    """Every example of a split, in order."""
    return [
        example.decode(record.payload)
        for shard in open_dataset(str(folder), "pictures", split).shards
        for record in tfrecord.read_records(storage.read_bytes(shard.url), shard.url)
    ]


def contents(folder) -> dict[str, bytes]:
    files = (path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def config(tree, tmp_path):
    """9 pictures of 'a', 5 of 'b', into 3 shards."""
    return ConvertConfig(images_dir=str(tree(a=9, b=5)), dataset_dir=str(tmp_path / "data"), num_shards=3, seed=1)


def test_a_tree_becomes_slims_shards_with_labels_and_manifest(spark, config, tmp_path):
    (tmp_path / "entered").mkdir()
    report = run_with(spark, prepare(config), functools.partial(tempfile.mkdtemp, dir=str(tmp_path / "entered")))
    assert len(os.listdir(tmp_path / "entered")) == 5  # two class folders were listed, three shards written
    assert sorted(contents(tmp_path / "data")) == [
        "labels.txt",
        "manifest.json",
        "pictures_train-00000-of-00003.tfrecord",
        "pictures_train-00001-of-00003.tfrecord",
        "pictures_train-00002-of-00003.tfrecord",
    ]
    assert (tmp_path / "data/labels.txt").read_text() == "0:a\n1:b\n"
    examples = read(config.dataset_dir, "train")
    assert sorted(e.filename for e in examples) == [
        f"{c}/{i:03d}.jpg" for c, n in (("a", 9), ("b", 5)) for i in range(n)
    ]
    for one in examples:
        assert one.encoded == (pathlib.Path(str(config.images_dir)) / one.filename).read_bytes()
        assert (one.text, one.label) == (one.filename[0], "ab".index(one.filename[0]))
    manifest = read_manifest(str(config.dataset_dir))
    assert manifest is not None
    assert [shard.records for shard in manifest.splits["train"].shards] == [5, 5, 4]
    assert sum(shard.labels["0"] for shard in manifest.splits["train"].shards) == 9
    assert (report.num_records, report.num_rejected, report.labels) == (14, 0, ("a", "b"))


def test_shards_depend_on_names_bytes_and_seed_alone(spark, config, tmp_path):
    convert(spark, config)
    manifest = read_manifest(str(config.dataset_dir))
    assert manifest is not None
    assert [shard.crc32c for shard in manifest.splits["train"].shards] == PINNED
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    try:
        convert(spark, dataclasses.replace(config, dataset_dir=str(tmp_path / "again")))
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
        spark.conf.set("spark.sql.adaptive.enabled", "true")
    assert contents(tmp_path / "again") == contents(tmp_path / "data")
    convert(spark, dataclasses.replace(config, overwrite=True, seed=2))
    assert [e.filename for e in read(tmp_path / "data", "train")] != [
        e.filename for e in read(tmp_path / "again", "train")
    ]


def test_a_validation_fraction_takes_its_share_of_every_class(spark, tree, tmp_path):
    pictures = tree(a=20, b=10, c=2)
    report = convert(spark, ConvertConfig(
        images_dir=str(pictures), dataset_dir=str(tmp_path / "data"), validation_fraction=0.2, num_shards=2
    ))  # fmt: skip
    train, validation = (read(tmp_path / "data", split) for split in ("train", "validation"))
    assert [sum(e.text == label for e in validation) for label in "abc"] == [4, 2, 1]
    assert [sum(e.text == label for e in train) for label in "abc"] == [16, 8, 1]
    assert not {e.filename for e in train} & {e.filename for e in validation}
    assert [(split.split, split.num_records) for split in report.splits] == [("train", 25), ("validation", 7)]


def test_unusable_pictures_are_quarantined_and_counted(spark, pictures, tmp_path):
    (tmp_path / "source").symlink_to(pictures)
    (pictures / "stray.txt").write_bytes(b"beside the class folders")
    try:
        report = convert(spark, ConvertConfig(images_dir=str(tmp_path / "source"), dataset_dir=str(tmp_path / "data")))
    finally:
        (pictures / "stray.txt").unlink()
    assert report.num_records == 96
    assert report.num_rejected == 6
    assert report.reasons == {"empty": 1, "format not read": 2, "no class": 1, "too large": 1, "truncated": 1}
    lines = (tmp_path / "data/quarantine/pictures_train.jsonl").read_text().splitlines()
    listed = {json.loads(line)["path"]: json.loads(line)["reason"] for line in lines}
    assert len(listed) == 6
    assert listed["stray.txt"] == "no class: lies beside the class folders"
    assert all("broken" in path or path == "stray.txt" for path in listed)
    assert {e.format for e in read(tmp_path / "data", "train")} == {"jpeg", "png"}


def test_a_csv_names_pictures_from_its_own_folder(spark, tree, tmp_path):
    pictures = tree(x=4)
    lines = [f"pictures/x/{index:03d}.jpg,{'odd' if index % 2 else 'even'}" for index in range(4)]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(lines))
    convert(
        spark, ConvertConfig(labels_csv=str(tmp_path / "labels.csv"), dataset_dir=str(tmp_path / "data"), num_shards=1)
    )
    found = {e.filename: (e.text, e.encoded) for e in read(tmp_path / "data", "train")}
    assert found == {
        f"pictures/x/{index:03d}.jpg": (
            "even" if index % 2 == 0 else "odd",
            (pictures / f"x/{index:03d}.jpg").read_bytes(),
        )
        for index in range(4)
    }


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["pictures/x/000.jpg,a", "pictures/x/001.jpg"], "labels.csv' line 3 has 1 values, wanted a path and a label"),
        (
            ["pictures/x/000.jpg,a", "pictures/x/001.jpg,b", "./pictures/x/000.jpg,b"],
            "labels.csv' line 4 names 'pictures/x/000.jpg', which line 2 named already",
        ),
        (
            ["pictures/x/000.jpg,a", "pictures/x/001.jpg,b", "PLACE/x/../x/000.jpg,b"],
            "labels.csv' line 4 names '.*/pictures/x/000.jpg', which line 2 named already as 'pictures/x/000.jpg'",
        ),
        (
            ["pictures/x/000.jpg,a", "pictures/x/001.jpg,b", "file://PLACE/x/000.jpg,b"],
            "labels.csv' line 4 names 'file:///.*/pictures/x/000.jpg', which line 2 named already as",
        ),
        (["pictures/x/gone.jpg,a", "nor/this.jpg,b"], "has no usable picture for the split 'train'"),
        ([], "labels.csv' names no pictures"),
        (["pictures/x/000.jpg,a", "pictures/x/001.jpg,a"], "labels.csv' has the one class 'a', wanted at least two"),
    ],
)
def test_a_csv_that_is_wrong_is_refused_by_its_line_and_leaves_nothing(spark, tree, tmp_path, lines, sentence):
    tree(x=2)
    text = "path,label\n" + "\n".join(lines)
    (tmp_path / "labels.csv").write_text(text.replace("PLACE", str(tmp_path / "pictures")))
    with pytest.raises(DataError, match=sentence):
        convert(spark, ConvertConfig(labels_csv=str(tmp_path / "labels.csv"), dataset_dir=str(tmp_path / "data")))
    assert not (tmp_path / "data").exists()


def test_a_missing_picture_of_a_csv_costs_itself_as_a_bad_one_of_a_folder_does(spark, tree, tmp_path):
    tree(x=3)
    lines = ["pictures/x/000.jpg,a", "pictures/x/gone.jpg,b", "pictures/x/001.jpg,b"]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(lines))
    csv = ConvertConfig(labels_csv=str(tmp_path / "labels.csv"), dataset_dir=str(tmp_path / "data"))
    with pytest.raises(BudgetError, match=r"1 of 3 pictures are unusable \(missing 1\)"):
        convert(spark, dataclasses.replace(csv, bad_image_budget=0.1))
    report = convert(spark, csv)
    assert (report.num_records, report.reasons) == (2, {"missing": 1})
    listed = storage.read_text(str(tmp_path / "data/quarantine/pictures_train.jsonl"))
    assert "line 3 of the CSV names it, and it is not there" in listed


def test_a_test_split_may_lack_a_class_that_the_dataset_has(spark, config, tree, tmp_path):
    convert(spark, config)
    for name, counts in (("without", {"b": 2}), ("void", {"b": 2, "a": 0})):
        folder = tree(name, **counts)
        convert(spark, dataclasses.replace(config, dataset_split_name=name, images_dir=str(folder)))
        assert [(each.label, each.text) for each in read(tmp_path / "data", name)] == [(1, "b")] * 2
    assert (tmp_path / "data/labels.txt").read_text() == "0:a\n1:b\n"


def test_what_systems_leave_between_pictures_is_no_class_and_no_picture(spark, config, tmp_path):
    pictures = pathlib.Path(str(config.images_dir))
    for name in ("__MACOSX/a", "@eaDir/x", "a/@eaDir/y"):
        (pictures / name).mkdir(parents=True)
        (pictures / name / "SYNOPHOTO_THUMB_M.jpg").write_bytes((pictures / "a/000.jpg").read_bytes())
    (pictures / "Thumbs.db").write_bytes(b"x")
    report = convert(spark, config)
    assert (report.labels, report.num_records, report.num_rejected) == (("a", "b"), 14, 0)


def test_pictures_of_every_format_are_stored_as_people_see_them_and_the_manifest_says_so(spark, tree, tmp_path):
    pictures = tree(a=2, b=2)
    picture = synthetic.draw(0, seed=0, size=32)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(pictures / "a/turned.jpg", exif=exif)
    for name in ("p.gif", "p.bmp", "p.tif", "p.webp", "p.avif", "p.jp2"):
        picture.save(pictures / "b" / name)
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    clear.save(pictures / "b/clear.png")
    config = ConvertConfig(images_dir=str(pictures), dataset_dir=str(tmp_path / "data"), background="0a141e")
    assert convert(spark, config).num_rejected == 0
    found = {pathlib.Path(each.filename).name: each for each in read(tmp_path / "data", "train")}
    assert (found["turned.jpg"].orientation, found["000.jpg"].orientation) == (6, 1)
    assert found["turned.jpg"].encoded == (pictures / "a/turned.jpg").read_bytes()
    assert {name: found[name].format for name in ("p.gif", "p.bmp", "p.tif", "p.webp", "p.avif", "p.jp2")} == {
        **dict.fromkeys(("p.gif", "p.bmp", "p.tif", "p.avif", "p.jp2"), "png"), "p.webp": "webp",
    }  # fmt: skip
    assert [colour for _, colour in Image.open(io.BytesIO(found["clear.png"].encoded)).getcolors()] == [(10, 20, 30)]
    said = storage.read_json(str(tmp_path / "data/manifest.json"))["splits"]["train"]["pictures"]
    assert said == {
        "background": "0a141e",
        "formats": "jpeg,png,gif,bmp,webp,tiff,avif,jpeg2000",
        "orientation": "image/orientation",
    }
    narrow = dataclasses.replace(config, overwrite=True, formats="jpeg", exif_orientation=False)
    assert convert(spark, narrow).reasons == {"not JPEG": 7}
    assert {each.orientation for each in read(tmp_path / "data", "train")} == {1}


def test_what_must_not_be_published_leaves_the_folder_as_it_was(spark, config, tmp_path):
    pictures = pathlib.Path(str(config.images_dir))
    convert(spark, config)
    before = contents(tmp_path / "data")
    for path in (pictures / "b").iterdir():
        path.write_bytes(b"")
    again = dataclasses.replace(config, overwrite=True)
    with pytest.raises(DataError, match=r"the class 'b' of .* has no usable picture for the split 'train'"):
        convert(spark, again)
    with pytest.raises(
        BudgetError, match=r"5 of 14 pictures are unusable \(empty 5\), --bad_image_budget allows .* 0.1"
    ):
        convert(spark, dataclasses.replace(again, bad_image_budget=0.1))
    assert contents(tmp_path / "data") == before
    assert [entry.name for entry in storage.list_dir(str(config.dataset_dir)) if entry.is_dir] == []


def test_what_a_killed_run_left_is_cleared_away_by_the_next(spark, config, tmp_path):
    stale = tmp_path / "data/.staging-pictures-train/pictures_train-00000-of-00009.tfrecord"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    convert(spark, config)
    assert not stale.parent.exists()
    assert len(open_dataset(str(config.dataset_dir), "pictures", "train").shards) == 3


def test_fewer_pictures_than_shards_are_as_many_shards(spark, tree, tmp_path):
    report = convert(spark, ConvertConfig(
        images_dir=str(tree(a=2, b=1)), dataset_dir=str(tmp_path / "data"), num_shards=50
    ))  # fmt: skip
    assert report.splits[0].num_shards == 3
    with pytest.raises(DataError, match="too few pictures for a split 'validation', wanted two of a class"):
        convert(spark, ConvertConfig(
            images_dir=str(tree("few", a=1, b=1)), dataset_dir=str(tmp_path / "other"), validation_fraction=0.5
        ))  # fmt: skip


# ---- refused before Spark is asked


def test_an_empty_class_folder_is_refused_by_name(spark, config, tmp_path):
    (pathlib.Path(str(config.images_dir)) / "void").mkdir()
    with pytest.raises(DataError, match=r"has no files in the class folder 'void', wanted pictures"):
        convert(spark, config)
    assert not (tmp_path / "data").exists()


def test_one_class_is_refused(spark, tree, tmp_path):
    with pytest.raises(DataError, match=r"has the one class 'a', wanted at least two to tell apart"):
        convert(spark, ConvertConfig(images_dir=str(tree(a=3)), dataset_dir=str(tmp_path / "data")))


def test_a_second_split_agrees_with_the_first_or_is_refused_with_the_difference(spark, config, tree, tmp_path):
    convert(spark, config)
    other = dataclasses.replace(config, dataset_split_name="test", images_dir=str(tree("other", a=2, c=2)))
    with pytest.raises(LabelError, match=r"missing 'b', extra 'c'"):
        prepare(other)
    (tmp_path / "other.csv").write_text("path,label\nother/a/000.jpg,a\nother/a/001.jpg,d\n")
    by_csv = dataclasses.replace(other, images_dir=None, labels_csv=str(tmp_path / "other.csv"))
    with pytest.raises(LabelError, match=r"missing 'b', extra 'd'"):
        convert(spark, by_csv)
    convert(spark, dataclasses.replace(other, images_dir=str(tree("same", a=2, b=2))))
    assert len(read(tmp_path / "data", "test")) == 4
    assert len(read(tmp_path / "data", "train")) == 14


def test_a_split_that_is_there_is_refused_before_anything_starts(spark, config):
    convert(spark, config)
    with pytest.raises(FileExistsAlreadyError, match="has a split 'train' of 'pictures' already"):
        prepare(config)


def test_a_source_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        prepare(ConvertConfig(images_dir=str(tmp_path / "nowhere"), dataset_dir=str(tmp_path / "data")))
    with pytest.raises(MissingFileError, match=r"no.csv"):
        prepare(ConvertConfig(labels_csv=str(tmp_path / "no.csv"), dataset_dir=str(tmp_path / "data")))


@pytest.mark.parametrize("below", ["", "/a", "/data"])
def test_a_dataset_inside_of_the_pictures_would_become_a_class(tree, below):
    pictures = tree(a=1, b=1)
    with pytest.raises(UsageError, match="lies in --images_dir, where it would count as a class"):
        prepare(ConvertConfig(images_dir=str(pictures), dataset_dir=f"{pictures}{below}"))
