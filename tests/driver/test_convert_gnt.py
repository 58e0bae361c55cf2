"""Conversion of GNT files on a real Spark: shards by character, and what is damaged listed by file and offset."""

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from sparkcv import storage, synthetic
from sparkcv.config import ConvertConfig
from sparkcv.driver.convert import prepare, run
from sparkcv.errors import BudgetError, DataError, LabelError, UsageError
from sparkcv.records import example, gnt, tfrecord
from sparkcv.records.manifest import read_manifest
from sparkcv.records.shards import open_dataset

CHARACTERS = "啊囧πA"  # GB2312, GBK beyond it, Greek, ASCII


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12 + seed, 300), np.uint8)


def write_file(path, characters: str, seed: int) -> list[bytes]:
    """One writer's file; returns its samples."""
    samples = [gnt.encode(character, picture(seed + index)) for index, character in enumerate(characters)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(samples))
    return samples


def read(config: ConvertConfig, split: str) -> list[example.ImageExample]:
    return [
        example.decode(record.payload)
        for shard in open_dataset(str(config.dataset_dir), config.dataset_name, split).shards
        for record in tfrecord.read_records(storage.read_bytes(shard.url), shard.url)
    ]


@pytest.fixture
def config(tmp_path):
    """Three writers of four characters, one file damaged in its second sample, and one that is a JPEG."""
    for writer in range(3):
        write_file(tmp_path / f"set/{writer}.gnt", CHARACTERS, 10 * writer)
    samples = write_file(tmp_path / "set/more/3.gnt", CHARACTERS, 30)
    damaged = bytearray(b"".join(samples))
    damaged[len(samples[0])] ^= 4
    (tmp_path / "set/more/3.gnt").write_bytes(damaged)
    (tmp_path / "set/scan.gnt").write_bytes(synthetic.encode(synthetic.draw(0, 0, 32), "jpeg"))
    return ConvertConfig(
        gnt_dir=str(tmp_path / "set"),
        dataset_dir=str(tmp_path / "data"),
        dataset_name="hand",
        num_shards=2,
        validation_fraction=0.25,
    )


@pytest.mark.spark
def test_samples_become_shards_by_character_and_the_damaged_are_listed(spark, config, tmp_path):
    report = run(spark, prepare(config))
    assert report.labels == ("A", "π", "啊", "囧")
    assert (tmp_path / "data/labels.txt").read_text(encoding="utf-8") == "0:A\n1:π\n2:啊\n3:囧\n"
    train, validation = read(config, "train"), read(config, "validation")
    assert sorted(one.text for one in train) == sorted("Aπ啊" * 3 + "囧" * 2)
    assert sorted(one.text for one in validation) == sorted(CHARACTERS)
    for one in train + validation:
        file, _, offset = one.filename.rpartition("@")
        source = gnt.read(io.BytesIO((tmp_path / "set" / file).read_bytes()))
        (sample,) = (item for item in source if item.offset == int(offset))
        assert (one.text, one.label, one.format) == (sample.character, report.labels.index(sample.character), "png")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(one.encoded))), sample.pixels)
        assert (one.height, one.width) == sample.pixels.shape
    assert report.reasons == {"no GNT": 1, "wrong size": 1}
    lines = (tmp_path / "data/quarantine/hand_train.jsonl").read_text().splitlines()
    rejects = sorted((json.loads(line) for line in lines), key=lambda reject: reject["path"])
    lost = len(gnt.encode("啊", picture(31)))
    assert [(reject["path"], reject["offset"]) for reject in rejects] == [
        ("more/3.gnt", len(gnt.encode("啊", picture(30)))),
        ("scan.gnt", 0),
    ]
    assert rejects[0]["reason"] == f"wrong size: {lost ^ 4} bytes for 300x43 pixels, wanted {lost}; {lost} bytes lost"
    assert rejects[1]["reason"].startswith("no GNT: JPEG (")
    manifest = read_manifest(str(config.dataset_dir))
    assert manifest is not None
    assert storage.read_json(str(tmp_path / "data/manifest.json"))["splits"]["train"]["pictures"]["formats"] == "gnt"
    # Held-out writers are a split of their own, whose characters the dataset has.
    write_file(tmp_path / "held/9.gnt", "π囧", 90)
    test = dataclasses.replace(
        config, gnt_dir=str(tmp_path / "held"), dataset_split_name="test", validation_fraction=None
    )
    assert run(spark, prepare(test)).num_records == 2
    assert {(one.text, one.label) for one in read(config, "test")} == {("π", 1), ("囧", 3)}
    write_file(tmp_path / "held/9.gnt", "πЖ", 90)
    with pytest.raises(LabelError, match="missing 'A', '啊', '囧', extra 'Ж'"):
        run(spark, prepare(dataclasses.replace(test, overwrite=True)))


@pytest.mark.spark
def test_what_costs_more_than_the_budget_publishes_nothing(spark, config, tmp_path):
    with pytest.raises(BudgetError, match=r"2 of 17 pictures are unusable \(no GNT 1, wrong size 1\), --bad_image_bud"):
        run(spark, prepare(dataclasses.replace(config, bad_image_budget=0.1)))
    assert not (tmp_path / "data").exists()
    for path in list((tmp_path / "set").rglob("*.gnt")):
        if path.name != "scan.gnt":
            path.unlink()
    with pytest.raises(DataError, match=r"set' holds no sample of GNT in 1 files: 'scan.gnt': no GNT: JPEG"):
        run(spark, prepare(config))


def test_a_dataset_among_the_gnt_files_is_refused(config):
    inside = dataclasses.replace(config, dataset_dir=f"{config.gnt_dir}/data")
    with pytest.raises(UsageError, match="lies in --gnt_dir, where its files would count as GNT"):
        prepare(inside)
