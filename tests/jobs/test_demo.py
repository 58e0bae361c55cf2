"""The whole chain on real executor processes with a small net: every job once, each on what the former left."""

import json
import pathlib

import pytest

from jobs import demo as job
from sparkcv.config import DemoConfig
from sparkcv.driver import demo
from sparkcv.errors import DataError, UsageError


@pytest.fixture(scope="module")
def chain(spark, tmp_path_factory):
    """The chain's report and folder."""
    config = DemoConfig(
        work_dir=str(tmp_path_factory.mktemp("chain") / "größe mit raum"),
        model_name="cifarnet",
        image_size=32,
        max_number_of_steps=20,
        train_per_class=10,
        test_per_class=3,
        min_accuracy=0.0,
    )
    plan = demo.prepare(config)
    return demo.run(spark, plan), plan.work


@pytest.mark.spark
def test_every_held_out_id_stands_in_the_parquet_exactly_once(chain):
    _, work = chain
    scores = demo.read_back(work / "scores", work / "pictures" / "test")
    assert len(scores.predictions) == 8 * 3
    assert len(scores.rejects) == 6
    assert all(0 <= row["score"] <= 1 for row in scores.predictions)


@pytest.mark.spark
def test_the_table_says_what_was_done_and_where_everything_lies(chain):
    report, work = chain
    names = [name for name, _ in report.facts]
    assert names[:5] == ["accuracy", "evaluation", "training", "scoring", "rows scored"]
    assert names.count("reject") == 6
    assert all(
        pathlib.Path(text).exists() for name, text in report.facts if name in ("shards", "run", "model", "parquet")
    )
    assert str(work / "report.html") in str(report)


@pytest.mark.spark
def test_the_run_left_what_the_readme_lists(chain):
    _, work = chain
    run = work / "run"
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["reason"]) == ("finished", None)
    assert status["step"] >= 20
    assert json.loads((run / "run.json").read_text())["config"]["model_name"] == "cifarnet"
    manifest = json.loads((run / f"model.ckpt-{status['step']}.json").read_text())
    assert set(manifest["files"]) == {p.name for p in run.glob("model.ckpt-*") if p.suffix != ".json"}
    assert list(run.glob("events.out.tfevents.*"))
    assert {p.name for p in (run / "logs").iterdir()} == {"ps-0.log", "worker-0.log", "worker-1.log"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] > lines[0]["step"]


@pytest.mark.spark
def test_the_evaluation_and_the_parquet_agree(chain):
    report, work = chain
    evaluated = json.loads(next((work / "eval").glob("eval-*.json")).read_text())
    assert evaluated["accuracy"] == pytest.approx(report.accuracy, abs=1e-9)


@pytest.mark.spark
def test_a_missing_a_doubled_and_an_unknown_id_are_each_noticed(chain, tmp_path):
    _, work = chain
    pictures = tmp_path / "test"
    for path in (work / "pictures" / "test").rglob("*"):
        if path.is_file():
            (pictures / path.parent.name).mkdir(parents=True, exist_ok=True)
            (pictures / path.parent.name / path.name).touch()
    (pictures / "star" / "new.jpg").touch()
    with pytest.raises(DataError, match="1 missing, 0 unknown, 0 twice"):
        demo.read_back(work / "scores", pictures)
    (pictures / "star" / "new.jpg").rename(pictures / "star" / "test-00000.jpg")
    next((pictures / "circle").glob("test-00001.*")).unlink()
    with pytest.raises(DataError, match="0 missing, 1 unknown, 0 twice"):
        demo.read_back(work / "scores", pictures)
    day = work / "scores" / f"dt={demo.DATE}"
    part = max(day.glob("*.parquet"), key=lambda path: path.stat().st_size)
    copy = tmp_path / "scores" / day.name
    copy.mkdir(parents=True)
    for path in day.glob("*.parquet"):
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "again.parquet").write_bytes(part.read_bytes())
    with pytest.raises(DataError, match=r"[1-9]\d* twice"):
        demo.read_back(tmp_path / "scores", work / "pictures" / "test")


def test_a_folder_that_is_no_demos_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds files that are not a demo's"):
        demo.prepare(DemoConfig(work_dir=str(tmp_path)))
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_former_demo_is_replaced(tmp_path):
    config = DemoConfig(work_dir=str(tmp_path / "demo"))
    work = demo.prepare(config).work
    (work / "old").touch()
    assert not (demo.prepare(config).work / "old").exists()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--min_accuracy", "2"], "wanted 0 to 1"),
        (["--step", "3"], "unknown flag --step"),
        (["--work_dir="], "is empty"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(argv, sentence, capsys):
    assert job.main(argv) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_one_line_whatever_its_name(capsys):
    assert job.main(["--work_dir", "/proc/no\x1b[31msuch"]) == 1
    said = capsys.readouterr().err
    assert "--work_dir /proc/no\\x1b[31msuch cannot be written" in said
    assert len(said.splitlines()) == 1
