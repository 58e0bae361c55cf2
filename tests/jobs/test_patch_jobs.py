"""Textures and super-resolution from their command lines: whole runs, and bad input as one sentence."""

import numpy as np
import pytest
from PIL import Image

from jobs import super_resolve, synthesize_texture
from sparkcv.cli import main as command


@pytest.fixture
def pictures(tmp_path):
    """A checkerboard of 16x12 pixels, a picture of 3x3, and one that is none."""
    rows, columns = np.indices((12, 16)) // 2
    board = np.repeat(((rows + columns) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    Image.fromarray(board).save(tmp_path / "board.png")
    Image.fromarray(board[:3, :3]).save(tmp_path / "small.png")
    (tmp_path / "none.png").write_bytes(b"no picture")
    return tmp_path


def texture_words(folder, *more):
    return ["--input", f"{folder}/board.png", "--output", f"{folder}/out.png", *more]


def enlarge_words(folder, *more):
    return [*texture_words(folder), "--examples", f"{folder}/board.png", *more]


def test_a_texture_is_grown_and_not_written_over(pictures, capsys):
    more = ["--width", "20", "--height", "14", "--window", "7", "--start", "sample"]
    assert synthesize_texture.main(texture_words(pictures, *more)) == 0
    said = capsys.readouterr()
    assert f"{pictures}/out.png, 20x14 pixels" in said.out
    assert "will take about " in said.err
    with Image.open(pictures / "out.png") as made, Image.open(pictures / "board.png") as sample:
        np.testing.assert_array_equal(np.asarray(made)[1:13, 2:18], np.asarray(sample))
    assert command(["texture", *texture_words(pictures, *more)]) == 1
    assert "is there already; --overwrite replaces it" in capsys.readouterr().err
    assert command(["texture", *texture_words(pictures, *more, "--overwrite")]) == 0


def test_a_picture_is_enlarged_and_not_written_over(pictures, capsys):
    assert super_resolve.main(enlarge_words(pictures, "--scale", "3")) == 0
    said = capsys.readouterr()
    assert f"{pictures}/out.png, 48x36 pixels" in said.out
    assert "88 patches" in said.out
    with Image.open(pictures / "out.png") as made:
        assert made.size == (48, 36)
    assert command(["superresolve", *enlarge_words(pictures)]) == 1
    assert "is there already; --overwrite replaces it" in capsys.readouterr().err
    assert command(["superresolve", *enlarge_words(pictures, "--overwrite")]) == 0


def refused(main, argv, code, sentence, capsys, folder):
    before = sorted(folder.iterdir())
    assert main(argv) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--window", "8"], 2, "--window: got 8, wanted an odd number"),
        (["--window", "1"], 2, "--window: got 1, wanted"),
        (["--window", "13"], 1, "is 16x12 pixels, wanted sides of at least 13, those of --window"),
        (["--width", "2"], 2, "--width: got 2, wanted"),
        (["--height", "5000"], 2, "--height: got 5000, wanted"),
        (["--error_threshold", "-1"], 2, "--error_threshold: got -1.0, wanted at least 0"),
        (["--start", "corner"], 2, "invalid choice: 'corner'"),
        (["--start", "sample", "--width", "15"], 2, "is 16x12 pixels, wanted no more than the texture's 15x128"),
        (["--memory_mb", "1", "--window", "3", "--input", "{}/large.png"], 2, "--memory_mb 1: the windows of a sample"),
        (["--input", "{}/none.png"], 1, "none.png' is rejected, "),
        (["--input", "{}/missing.png"], 1, "--input: no file "),
        (["--input", "{}"], 1, "--input: no file "),
        (["--output", "{}/out.xyz"], 2, "does not say a format that is written"),
        (["--output", "{}/no/out.png"], 1, "cannot be written, there is no folder "),
        (["--output", "{}/board.png", "--overwrite"], 2, "is a picture that is read; wanted another name"),
        (["--max_pixels", "100"], 1, "too large"),
    ],
)
def test_bad_input_of_a_texture_is_one_sentence(pictures, more, code, sentence, capsys):
    Image.new("RGB", (100, 100)).save(pictures / "large.png")
    argv = texture_words(pictures, *(word.format(pictures) for word in more))
    refused(synthesize_texture.main, argv, code, sentence, capsys, pictures)


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--scale", "1"], 2, "--scale: got 1, wanted"),
        (["--scale", "5"], 2, "--scale: got 5, wanted"),
        (["--patch_size", "4"], 2, "--patch_size: got 4, wanted an odd number"),
        (["--overlap", "5"], 2, "--overlap: got 5 for a --patch_size of 5, wanted less than that"),
        (["--overlap", "0"], 2, "--overlap: got 0, wanted at least 1"),
        (["--candidates", "0"], 2, "--candidates: got 0, wanted"),
        (["--iterations", "-1"], 2, "--iterations: got -1, wanted at least 0"),
        (["--memory_mb", "1"], 2, "--memory_mb 1: a picture of 16x12 pixels, 2 times as large, wants "),
        (["--examples", "{}/small.png"], 1, "small.png' is 3x3 pixels, wanted sides of at least 6"),
        (["--examples", "{}/none.png"], 1, "--examples: "),
        (["--examples", "{}/missing.png"], 1, "--examples: no file "),
        (["--input", "{}/none.png"], 1, "none.png' is rejected, "),
        (["--output", "{}/board.png", "--overwrite"], 2, "is a picture that is read; wanted another name"),
        (["--output", "{}/out"], 2, "does not say a format that is written"),
    ],
)
def test_bad_input_of_super_resolution_is_one_sentence(pictures, more, code, sentence, capsys):
    argv = enlarge_words(pictures, *(word.format(pictures) for word in more))
    refused(super_resolve.main, argv, code, sentence, capsys, pictures)


def test_what_is_enlarged_beyond_its_format_is_refused_before_it_is_made(pictures, capsys):
    Image.new("RGB", (9000, 2)).save(pictures / "wide.png")
    argv = enlarge_words(pictures, "--input", f"{pictures}/wide.png", "--output", f"{pictures}/out.webp")
    refused(super_resolve.main, argv, 1, "too large: 18000x4 pixels, webp has sides of at most 16383", capsys, pictures)
