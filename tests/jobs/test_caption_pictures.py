"""Captioning through the job's door: what is printed, of a picture and a folder, and what is refused."""

import re

import pytest

from jobs import caption_pictures as job
from sparkcv import scenes
from tests.caption import caption_checkpoints

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a checkpoint and its vocabulary, and one with three pictures and a file that is none."""
    folder = tmp_path_factory.mktemp("caption")
    (folder / "net").mkdir()
    caption_checkpoints.write(folder / "net")
    caption_checkpoints.write_vocabulary(folder / "net/word_counts.txt")
    caption_checkpoints.write_vocabulary(folder / "more.txt", (*caption_checkpoints.WORDS, "zebra"))
    scenes.write_scenes(folder / "scenes", 3, 1, size=32)
    (folder / "empty").mkdir()
    (folder / "frozen.pb").write_bytes(b"graph")
    return folder


def run(given, source, **changes):
    flags = {
        "checkpoint_path": given / "net/model.ckpt-3",
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "image_size": 32,
        "batch_size": 2,
        **changes,
    }
    return job.main([str(source), *(f"--{name}={value}" for name, value in flags.items() if value is not None)])


def test_captions_are_printed_as_the_published_program_prints_them(given, capsys):
    assert run(given, given / "scenes", max_words=6) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    heads = [line for line in lines if not line.startswith("  ")]
    assert heads[0].startswith("No captions for image captions.csv: format not read")
    assert heads[1:] == [f"Captions for image seen-{index:05d}.png:" for index in range(3)]
    told = [re.fullmatch(r"  (\d)\) ([a-zA-Z<> ]*) \(p=(0\.\d{6})\)", line) for line in lines if line.startswith("  ")]
    assert all(told)
    assert [found[1] for found in told][:2] == ["0", "1"]
    assert "seq_embedding/map" in printed.err  # the table of what was restored
    first = lines[lines.index("Captions for image seen-00000.png:") + 1]
    assert run(given, given / "scenes/seen-00000.png", max_words=6, beam_size=3) == 0
    alone = capsys.readouterr().out.splitlines()
    assert alone[:2] == ["Captions for image seen-00000.png:", first]


def test_another_vocabulary_and_files_that_are_no_pictures_are_refused(given, capsys):
    assert run(given, given / "scenes", vocabulary=given / "more.txt") == 1
    assert "the vocabulary has 9 words, the checkpoint" in capsys.readouterr().err
    assert run(given, given / "scenes/captions.csv") == 1
    assert "no picture of 1 can be read; the first, 'captions.csv': format not read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "changes", "code", "sentence"),
    [
        ("none.jpg", {}, 1, "--input: no file or folder"),
        ("empty", {}, 1, "holds no files, wanted pictures"),
        ("scenes", {"checkpoint_path": None}, 2, "--checkpoint_path is missing"),
        ("scenes", {"checkpoint_path": "/no/model.ckpt-1"}, 1, "/no"),
        ("scenes", {"checkpoint_path": "{given}/frozen.pb"}, 1, "frozen.pb is a frozen graph, wanted a checkpoint of"),
        ("scenes", {"vocabulary": "/no/words.txt"}, 1, "/no/words.txt"),
        ("scenes", {"vocabulary": ""}, 2, "--vocabulary: got nothing"),
        ("scenes", {"model_name": "cifarnets"}, 2, "did you mean 'cifarnet'"),
        ("scenes", {"beam_size": 0}, 2, "--beam_size: got 0, wanted"),
        ("scenes", {"max_words": 1}, 2, "--max_words: got 1, wanted"),
        ("scenes", {"length_normalization": -1}, 2, "--length_normalization: got -1.0, wanted"),
    ],
)
def test_what_cannot_work_is_one_sentence(given, source, changes, code, sentence, capsys):
    formed = {name: str(value).format(given=given) for name, value in changes.items() if value is not None}
    assert run(given, given / source, **{**changes, **formed}) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert sentence in lines[-1]


def test_a_checkpoint_that_does_not_tell_its_words_wants_them(given, tmp_path, capsys):
    for path in (given / "net").iterdir():
        if path.name != "word_counts.txt":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert run(given, given / "scenes", checkpoint_path=tmp_path / "model.ckpt-3") == 2
    assert "--vocabulary is missing: " in capsys.readouterr().err
