"""Names from data stay inside of the run's folders (S10) and on their lines, wherever they are shown (S28)."""

import ast
import io
import json
import os
from pathlib import Path

import pytest

from sparkcv import logs, storage
from sparkcv.config import ConvertConfig
from sparkcv.convert import sources
from sparkcv.driver import convert
from sparkcv.errors import AccessError, SparkcvError
from sparkcv.records import example, tfrecord
from sparkcv.records.shards import open_dataset
from tests.security import hostile

ROOT = Path(__file__).parents[2]


def everything(folder: Path) -> set[str]:
    return {os.path.join(where, name) for where, folders, files in os.walk(folder) for name in (*folders, *files)}


def records(dataset_dir: str) -> list[example.ImageExample]:
    return [
        example.decode(record.payload)
        for shard in open_dataset(dataset_dir, "pictures", "train").shards
        for record in tfrecord.read_records(storage.read_bytes(shard.url), shard.url)
    ]


@pytest.fixture
def said():
    """What the log says, as its lines stand there."""
    stream = io.StringIO()
    logs.setup("driver", stream)
    return stream


@pytest.mark.spark
def test_names_of_files_neither_leave_the_dataset_nor_break_a_line(spark, tmp_path, said):
    names = hostile.write_tree(tmp_path / "pictures")
    before = everything(tmp_path)
    config = ConvertConfig(images_dir=str(tmp_path / "pictures"), dataset_dir=str(tmp_path / "data"), num_shards=2)
    report = convert.run(spark, convert.prepare(config))

    inside = str(tmp_path / "data")
    assert {path for path in everything(tmp_path) - before if not path.startswith(inside)} == set()
    kept = sorted(os.path.relpath(path, inside) for path in everything(tmp_path / "data"))
    assert kept == [
        "labels.txt",
        "manifest.json",
        "pictures_train-00000-of-00002.tfrecord",
        "pictures_train-00001-of-00002.tfrecord",
        "quarantine",
        "quarantine/pictures_train.jsonl",
    ]
    rejects = (tmp_path / "data/quarantine/pictures_train.jsonl").read_text()
    assert hostile.is_plain(rejects)
    rejected = [json.loads(line)["path"].encode("utf-8", "surrogateescape") for line in rejects.splitlines()]
    found = [one.filename.encode("utf-8", "surrogateescape") for one in records(inside)]
    assert sorted(rejected + found) == sorted(names)
    assert len(rejected) == 2 * len(hostile.BROKEN)
    assert hostile.is_plain(str(report))
    assert hostile.is_plain(said.getvalue())
    assert (tmp_path / "data/labels.txt").read_text() == "0:a\n1:b\n"


@pytest.mark.spark
def test_names_of_classes_are_text_and_no_paths(spark, tmp_path, said):
    labels = ["../../up", "/etc/cron.d/x", "=cmd()|' /C calc'!A0", "%2e%2e", "..", "a:b", "-rf", "x" * 4096]
    (tmp_path / "in").mkdir()
    for at in range(len(labels)):
        (tmp_path / "in" / f"{at}.jpg").write_bytes(hostile.tiny_jpeg(at))
    rows = "".join(f'{at}.jpg,"{label}"\n' for at, label in enumerate(labels))
    (tmp_path / "in" / "labels.csv").write_text("path,label\n" + rows)
    before = everything(tmp_path)
    config = ConvertConfig(labels_csv=str(tmp_path / "in/labels.csv"), dataset_dir=str(tmp_path / "data"), num_shards=1)
    convert.run(spark, convert.prepare(config))
    new = everything(tmp_path) - before
    assert all(path.startswith(str(tmp_path / "data")) for path in new)
    assert open_dataset(str(tmp_path / "data"), "pictures", "train").labels == tuple(sorted(labels))
    assert {one.text for one in records(str(tmp_path / "data"))} == set(labels)
    assert hostile.is_plain(said.getvalue())


@pytest.mark.parametrize("label", ["a\nb", "\x1b[31m", "\u202ertl", "nul\0", ""], ids=ascii)
def test_a_class_that_would_break_a_line_is_refused_in_one(tmp_path, label):
    (tmp_path / "labels.csv").write_text(f'path,label\nx.jpg,"{label}"\n')
    with pytest.raises(SparkcvError) as caught:
        list(sources.list_csv(str(tmp_path / "labels.csv"), 0))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a\0b", "..", ""], ids=ascii)
def test_a_name_that_leads_out_of_a_folder_is_never_joined_to_it(name):
    with pytest.raises(AccessError, match="stays inside"):
        storage.join("/runs/mine", name)


def test_the_log_and_the_progress_keep_what_they_are_given_on_one_line():
    said = io.StringIO()
    logs.setup("driver", said)
    progress = logs.Progress("score", None, "picture", interval_s=0, stream=said)
    for at, name in enumerate((*hostile.FILES, *hostile.BROKEN)):
        logs.get("sparkcv.test").warning("rejected %s", os.fsdecode(name))
        progress.update(at, os.fsdecode(name), force=True)
    assert hostile.is_plain(said.getvalue())
    assert said.getvalue().count("\n") == 2 * len((*hostile.FILES, *hostile.BROKEN))


def test_no_table_is_written_that_a_spreadsheet_would_run():
    """What starts with '=' is a formula in a CSV and nothing but text in Parquet and JSON: of CSV we write none."""
    for path in (*(ROOT / "sparkcv").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not names & {"writer", "DictWriter", "to_csv", "csv_writer", "write_csv", "to_excel"}, path
