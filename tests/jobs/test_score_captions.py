"""Captions of a day's pictures through the job's door: every picture once in Parquet, and what is refused."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import caption_pictures
from jobs import score_captions as job
from sparkcv import scenes
from tests.caption import caption_checkpoints

DAY = "2026-01-02"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A checkpoint with its vocabulary, and a folder of four pictures with two files that are none."""
    folder = tmp_path_factory.mktemp("captioned")
    (folder / "net").mkdir()
    caption_checkpoints.write(folder / "net")
    caption_checkpoints.write_vocabulary(folder / "net/word_counts.txt")
    scenes.write_scenes(folder / "scenes", 4, 1, size=32)
    (folder / "scenes/captions.csv").unlink()
    (folder / "scenes/empty.jpg").write_bytes(b"")
    (folder / "scenes/text.png").write_bytes(b"no picture at all, but words")
    return folder


def net(given):
    return [
        f"--checkpoint_path={given / 'net/model.ckpt-3'}",
        "--model_name=cifarnet",
        "--preprocessing_name=inception",
        "--image_size=32",
        "--batch_size=2",
        "--max_words=6",
    ]


def run(given, output, **changes):
    flags = {"input": given / "scenes", "output_dir": output, "date": DAY, "num_partitions": 2, **changes}
    return job.main([*net(given), *(f"--{name}={value}" for name, value in flags.items() if value is not None)])


@pytest.mark.spark
@pytest.mark.tensorflow
def test_every_picture_is_captioned_once_and_as_the_other_job_does(spark, given, tmp_path, capsys):
    assert run(given, tmp_path / "out") == 0
    assert "4 pictures, 2 rejected" in capsys.readouterr().out
    day = tmp_path / f"out/dt={DAY}"
    table = pq.read_table(day, partitioning=None)
    assert table.schema.names == ["id", "captions"]
    told = table.schema.field("captions").type.value_type
    assert [(field.name, field.type) for field in told] == [("text", pa.string()), ("p", pa.float64())]
    found = {row["id"]: row["captions"] for row in table.to_pylist()}
    assert sorted(found) == [f"seen-{index:05d}.png" for index in range(4)]
    rejects = pq.read_table(day / "_rejects").to_pylist()
    assert sorted((row["id"], row["reason_class"]) for row in rejects) == [
        ("empty.jpg", "empty"),
        ("text.png", "format not read"),
    ]
    assert json.loads((day / "_report.json").read_text())["num_captioned"] == 4
    assert [path.name for path in (tmp_path / "out").iterdir()] == [day.name]
    assert caption_pictures.main([str(given / "scenes/seen-00002.png"), *net(given)]) == 0
    printed = capsys.readouterr().out.splitlines()[1:]
    assert [f"  {n}) {one['text']} (p={one['p']:f})" for n, one in enumerate(found["seen-00002.png"])] == printed
    # A day that is there stays as it is, but for --overwrite.
    assert run(given, tmp_path / "out") == 1
    assert f"dt={DAY}' is there already; --overwrite replaces it" in capsys.readouterr().err
    assert run(given, tmp_path / "out", overwrite=True, bad_image_budget=0.1) == 1
    assert "2 of 6 pictures were rejected, --bad_image_budget 0.1 allows 0" in capsys.readouterr().err
    assert pq.read_table(day, partitioning=None).num_rows == 4


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"input": "/no/pictures"}, 1, "/no/pictures"),
        ({"output_dir": None}, 2, "--output_dir is missing"),
        ({"output_dir": "{given}/scenes/out"}, 2, "lies in --input"),
        ({"date": "2026-13-01"}, 2, "--date: got '2026-13-01', wanted a day as YYYY-MM-DD"),
        ({"checkpoint_path": "/no/model.ckpt-1"}, 1, "/no"),
        ({"formats": "jpegs"}, 2, "--formats"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_written(given, tmp_path, changes, code, sentence, capsys):
    formed = {name: value and value.format(given=given) for name, value in changes.items()}
    assert run(given, **{"output": tmp_path / "out", **formed}) == code
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()
