"""Style transfer of a folder as a Spark stage: exactly once, rejects with reasons, resumable; bad input."""

import json
import os

import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.style_transfer import main
from sparkcv.style.vgg19_weights import WIDTHS
from tests.style.vgg19_files import random_weights, write_mat

OURS = {"_results", "_style.json"}


@pytest.fixture
def folder(tmp_path, encoded):
    root = tmp_path / "pictures"
    (root / "deep").mkdir(parents=True)
    (root / "a.png").write_bytes(encoded("PNG", size=(24, 18)))
    (root / "deep" / "b.jpg").write_bytes(encoded("JPEG", size=(16, 20)))
    (root / "small.png").write_bytes(encoded("PNG", size=(15, 16)))
    (root / "text.jpg").write_bytes(b"no picture at all, but words")
    (tmp_path / "style.png").write_bytes(encoded("PNG", size=(32, 32)))
    (tmp_path / "net.mat").write_bytes(b"")
    return root


def words(folder, *more, network=None, output="out"):
    home = folder.parent
    given = {
        "--content": folder,
        "--styles": home / "style.png",
        "--output": home / output,
        "--network": network or home / "net.mat",
        "--iterations": 1,
    }
    return [*(str(word) for pair in given.items() for word in pair), *more]


def results_in(out):
    return {row["id"]: row for row in pq.read_table(out / "_results").to_pylist()}


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_folder_is_made_exactly_once_with_its_rejects_and_goes_on_where_it_was(spark, folder, tmp_path, capsys):
    network, out = write_mat(tmp_path / "vgg19.mat", random_weights(WIDTHS)), tmp_path / "out"
    assert main(words(folder, network=network)) == 0
    assert "pictures     2 made, 2 rejected" in capsys.readouterr().out
    results = results_in(out)
    assert {name: row["output"] for name, row in results.items()} == {
        "a.png": "a.png",
        "deep/b.jpg": "deep/b.jpg",
        "small.png": None,
        "text.jpg": None,
    }
    for name, wanted in (("a.png", ("PNG", (24, 18))), ("deep/b.jpg", ("JPEG", (16, 20)))):
        with Image.open(out / name) as made:
            assert (made.format, made.size) == wanted
    assert results["small.png"]["reason"].startswith("too small: 15x16 pixels, wanted sides of at least 16")
    assert results["text.jpg"]["reason"]
    assert set(os.listdir(out)) == {"a.png", "deep"} | OURS

    before = (out / "a.png").stat().st_mtime_ns
    (out / "deep" / "b.jpg").unlink()
    assert main(words(folder, network=network)) == 0
    assert "earlier      1 of them were there already" in capsys.readouterr().out
    assert (out / "a.png").stat().st_mtime_ns == before
    assert (out / "deep" / "b.jpg").exists()
    assert main(words(folder, "--seed", "3", network=network)) == 1
    assert "is there already, made with seed 0, this run's is 3; --overwrite replaces it" in capsys.readouterr().err


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_network_that_is_none_fails_the_run(spark, folder, tmp_path, capsys):
    assert main(words(folder)) == 1
    assert "net.mat' has 0 bytes, wanted the weights of a VGG-19" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (
            ["--checkpoint-output", "at_%s.png", "--checkpoint-iterations", "1"],
            2,
            "--checkpoint_output is of one picture",
        ),
        (["--report-dir", "report"], 2, "--report_dir is of one picture"),
        (["--output", "{folder}/out"], 2, "so output would become input"),
        (["--output", "{folder}/../no/out"], 1, "there is no folder"),
        (["--content", "{folder}/a.png", "--num-partitions", "2"], 2, "--num_partitions is of a folder of pictures"),
        (["--content", "{folder}/a.png", "--executor-memory-mb", "9"], 2, "--executor_memory_mb is of a folder"),
        (["--content", "{folder}/none"], 1, "no file"),
        (["--port-range", "9"], 2, "port_range"),
    ],
)
def test_bad_flags_are_one_sentence_and_nothing_is_written(folder, tmp_path, more, code, said, capsys):
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(words(folder, *(word.format(folder=folder) for word in more))) == code
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_output_that_is_not_ours_is_left_alone(folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dear.txt").write_text("mine")
    assert main(words(folder)) == 1
    assert "holds something that no run of this job made" in capsys.readouterr().err
    (tmp_path / "out" / "_style.json").write_text(json.dumps({}))
    assert main(words(folder)) == 1
    assert "does not say of which run its folder is" in capsys.readouterr().err
