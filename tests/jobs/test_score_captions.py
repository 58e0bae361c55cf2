"""Captions of a day's pictures through the job's door: every picture once in Parquet, and what is refused."""

import json
import secrets
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import caption_pictures
from jobs import score_captions as job
from sparkcv import config as configs
from sparkcv import scenes, storage
from sparkcv.caption.captioning import CAPTIONED
from sparkcv.config import ScoreCaptionsConfig
from sparkcv.driver import score_captions
from sparkcv.predict import run_lease, salvage
from sparkcv.predict.run_lease import RunLease
from tests.caption import caption_checkpoints

DAY = "2026-01-02"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A checkpoint with its vocabulary, and a folder of four pictures with two files that are none."""
    folder = tmp_path_factory.mktemp("captioned")
    (folder / "net").mkdir()
    caption_checkpoints.write(folder / "net")
    caption_checkpoints.write_vocabulary(folder / "net/word_counts.txt")
    (folder / "short.txt").write_text("a 9\n</S> 5\n<S> 5\n")
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
    assert json.loads((day / "_report.json").read_text())["num_predictions"] == 4
    assert [path.name for path in (tmp_path / "out").iterdir()] == [day.name]
    assert caption_pictures.main([str(given / "scenes/seen-00002.png"), *net(given)]) == 0
    printed = capsys.readouterr().out.splitlines()[1:]
    assert [f"  {n}) {one['text']} (p={one['p']:f})" for n, one in enumerate(found["seen-00002.png"])] == printed
    # A day that is there stays as it is, but for --overwrite.
    before = {path: path.stat().st_ino for path in day.rglob("*")}
    assert run(given, tmp_path / "out") == 0
    assert "complete already: run" in (said := capsys.readouterr().out)
    assert "4 pictures, 2 rejected" in said
    assert {path: path.stat().st_ino for path in day.rglob("*")} == before
    assert run(given, tmp_path / "out", beam_size=2) == 1
    said = capsys.readouterr().err
    assert f"dt={DAY}' is there already, scored with beam_size 3, this run's is 2; --overwrite replaces it" in said
    assert run(given, tmp_path / "out", image_size=24) == 1
    assert f"dt={DAY}' is there already, scored by the model" in capsys.readouterr().err
    assert run(given, tmp_path / "out", overwrite=True, bad_image_budget=0.1) == 1
    assert "2 of 6 pictures were rejected, --bad_image_budget 0.1 allows 0" in capsys.readouterr().err
    assert pq.read_table(day, partitioning=None).num_rows == 4
    # A net that does not fit, which its tasks find, is the user's checkpoint, not the run's own copy of it.
    assert run(given, tmp_path / "other", model_name="lenet", image_size=28) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"the checkpoint '{given / 'net/model.ckpt-3'}' lacks" in said
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.spark
@pytest.mark.tensorflow
def test_new_pictures_of_a_day_and_those_that_a_killed_run_left_are_captioned_alone(spark, given, tmp_path, capsys):
    given_at, out = tmp_path / "given", tmp_path / "out"
    given_at.mkdir()
    names = [f"seen-{index:05d}.png" for index in range(4)]
    for name in names[:2]:
        shutil.copy(given / "scenes" / name, given_at / name)
    plan = leave_rows(given, given_at, out, {names[0]: "taken over"})
    assert run(given, out, input=given_at) == 0
    assert "1 captioned by this run, 1 were there" in capsys.readouterr().out
    first = captions_of(out)
    assert (sorted(first), first[names[0]][0]["text"]) == (names[:2], "taken over")
    for name in (*names[2:], "text.png"):
        shutil.copy(given / "scenes" / name, given_at / name)
    assert run(given, out, input=given_at) == 0
    said = capsys.readouterr().out
    assert "4 pictures, 1 rejected" in said
    assert "3 captioned by this run, 2 were there" in said
    whole = captions_of(out)
    assert sorted(whole) == names
    assert {name: whole[name] for name in names[:2]} == first
    report = json.loads((out / f"dt={DAY}/_report.json").read_text())
    assert (report["num_predictions"], report["rejects"]) == (4, {"format not read": 1})
    assert report["model_digest"] == plan.about["model_digest"]
    # --overwrite does all of it anew, and what a run with another setting left is of no use.
    leave_rows(given, given_at, out, {names[0]: "of another search"}, "--beam_size=2")
    assert run(given, out, input=given_at, overwrite=True) == 0
    assert captions_of(out)[names[0]][0]["text"] not in ("taken over", "of another search")
    assert [path.name for path in out.iterdir()] == [f"dt={DAY}"]


def captions_of(out):
    rows = pq.read_table(out / f"dt={DAY}", partitioning=None).to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["captions"] for row in rows}


def leave_rows(given, input_dir, out, texts, *flags):
    """Leave what a run of the day leaves that is told to end once these pictures are captioned; return its plan."""
    words = [*net(given), *flags, f"--input={input_dir}", f"--output_dir={out}", f"--date={DAY}", "--overwrite"]
    plan = score_captions.prepare(configs.parse(ScoreCaptionsConfig, words, "scorecaptions"))
    url = str(out / f"{run_lease.PREFIX}{secrets.token_hex(12)}")
    lease = RunLease(url, DAY)
    lease.take()
    salvage.describe(url, plan.about)
    rows = [{"id": name, "captions": [{"text": text, "p": 0.5}]} for name, text in texts.items()]
    storage.make_dirs(f"{url}/{salvage.SCORED}")
    pq.write_table(pa.Table.from_pylist(rows, schema=CAPTIONED), f"{url}/{salvage.SCORED}/part-0.parquet")
    lease.end()
    return plan


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"input": "/no/pictures"}, 1, "/no/pictures"),
        ({"output_dir": None}, 2, "--output_dir is missing"),
        ({"output_dir": "{given}/scenes/out"}, 2, "lies in --input"),
        ({"date": "2026-13-01"}, 2, "--date: got '2026-13-01', wanted a day as YYYY-MM-DD"),
        ({"checkpoint_path": "/no/model.ckpt-1"}, 1, "/no"),
        ({"vocabulary": "{given}/short.txt"}, 1, "the vocabulary has 4 words, the checkpoint"),
        ({"formats": "jpegs"}, 2, "--formats"),
        ({"id_column": "name"}, 2, "--id_column name: a folder of pictures has no use for it; wanted it unset"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_written(given, tmp_path, changes, code, sentence, capsys):
    formed = {name: value and value.format(given=given) for name, value in changes.items()}
    assert run(given, **{"output": tmp_path / "out", **formed}) == code
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()
