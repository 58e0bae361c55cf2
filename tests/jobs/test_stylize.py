"""Fast style transfer through the job's door: a picture, a folder, and all that can be wrong with them."""

import contextlib
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs import stylize
from sparkcv.errors import ImageError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import tfrecord
from sparkcv.style import stylizing, transformer_weights
from sparkcv.style.strips import StripNet
from sparkcv.style.transformer_spec import TransformerSpec
from tests.style.conftest import random_weights

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 300
OURS = {"_results", "_style.json"}


@pytest.fixture(scope="module")
def weights():
    return random_weights(TransformerSpec("resize", "reflect", (2, 3, 4), num_blocks=1))


@pytest.fixture(scope="module")
def style(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("style")
    (folder / "transformer.npz").write_bytes(transformer_weights.dump(weights))
    return folder


@pytest.fixture
def picture(tmp_path, encoded):
    (tmp_path / "in.png").write_bytes(encoded("PNG", size=(33, 17)))
    return tmp_path / "in.png"


@pytest.fixture
def folder(tmp_path, encoded):
    """Four pictures, one of them turned by its EXIF, and four files that are rejected."""
    root = tmp_path / "pictures"
    (root / "deep" / "er").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "a.png").write_bytes(encoded("PNG", size=(33, 17)))
    (root / "turned.jpg").write_bytes(encoded("JPEG", size=(40, 20), exif=exif))
    (root / "deep" / "b c.gif").write_bytes(encoded("GIF", size=(20, 21)))
    (root / "deep" / "er" / "ü.webp").write_bytes(encoded("WEBP", size=(18, 19)))
    (root / "point.png").write_bytes(encoded("PNG", size=(1, 1)))
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.png").write_bytes(b"no picture at all, but words")
    (root / "cut.jpg").write_bytes(encoded("JPEG", size=(64, 64))[:300])
    return root


MADE = {
    "a.png": ("a.png", 33, 17),
    "turned.jpg": ("turned.jpg", 20, 40),
    "deep/b c.gif": ("deep/b c.gif.png", 20, 21),
    "deep/er/ü.webp": ("deep/er/ü.webp", 18, 19),
}


def words(given, style, output, /, **flags):
    fields = {"input": given, "style": style, "output": output} | flags
    return [f"--{name}={value}" for name, value in fields.items()]


def files_in(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def look(path):
    """Return a picture's format and its sides, width first."""
    with Image.open(path) as opened:
        opened.load()
        return opened.format, opened.size


def results_in(out):
    return {row["id"]: row for row in pq.read_table(out / "_results").to_pylist()}


@pytest.mark.tensorflow
@pytest.mark.parametrize("strip_pixels", [1 << 20, 100])
def test_a_picture_keeps_its_size_and_has_the_nets_pixels(weights, style, picture, tmp_path, capsys, strip_pixels):
    out = tmp_path / "out.png"
    assert stylize.main(words(picture, style, out, strip_pixels=strip_pixels)) == 0
    assert "pictures     33x17 pixels" in capsys.readouterr().out
    net = StripNet(weights, 0, strip_pixels=1 << 20)
    with Image.open(picture) as given, Image.open(out) as made:
        wanted, made = net.stylize(np.asarray(given)), np.asarray(made).astype(float)
    net.close()
    assert np.abs(made - np.clip(wanted, 0, 255)).max() <= 1.0
    assert sorted(os.listdir(tmp_path)) == ["in.png", "out.png"]


@pytest.mark.tensorflow
def test_a_picture_goes_into_a_folder_by_its_own_name_and_is_replaced_only_if_told(style, picture, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    assert stylize.main(words(picture, style, out, format="jpeg")) == 0
    assert os.listdir(out) == ["in.png.jpg"]
    assert look(out / "in.png.jpg") == ("JPEG", (33, 17))
    assert stylize.main(words(picture, style, out, format="jpeg")) == 1
    assert "in.png.jpg' is there already; --overwrite replaces it" in capsys.readouterr().err
    (out / "in.png.jpg").write_bytes(b"old")
    assert stylize.main(words(picture, style, out, format="jpeg", overwrite="true")) == 0
    assert look(out / "in.png.jpg") == ("JPEG", (33, 17))


@pytest.mark.parametrize("output", ["in.png", "."])
def test_the_picture_that_is_read_is_never_replaced(style, picture, tmp_path, output, capsys):
    assert stylize.main(words(picture, style, tmp_path / output, overwrite="true")) == 2
    assert "in.png' is a picture that is read; wanted another name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ({"padding": "zero"}, 2, "argument --padding: invalid choice: 'zero'"),
        ({"format": "gif"}, 2, "argument --format: invalid choice: 'gif'"),
        ({"quality": 0}, 2, "--quality: got 0, wanted 1 to 100"),
        ({"strip_pixels": 0}, 2, "--strip_pixels: got 0, wanted at least 1"),
        ({"background": "blue"}, 2, "--background: got 'blue', wanted six hexadecimal digits"),
        ({"style": ""}, 2, "--style is missing"),
        (
            {"output": "{tmp}/out.gif"},
            2,
            "out.gif' does not say a format that is written; wanted a name that ends in .jpg",
        ),
        ({"output": "{tmp}/out"}, 2, "out' does not say a format that is written"),
        ({"bad_image_budget": 0.1}, 2, "--bad_image_budget is of a folder of pictures, --input"),
        ({"cluster_size": 2}, 2, "--cluster_size is of a folder of pictures, --input"),
        ({"format": "webp"}, 2, "--format webp: --output '{tmp}/out.png' ends in another one's name"),
        ({"output": "{tmp}/no/out.png"}, 1, "'{tmp}/no/out.png' cannot be written, there is no folder '{tmp}/no'"),
        ({"input": "{tmp}/none.png"}, 1, "--input: nothing at '{tmp}/none.png'"),
        ({"style": "{tmp}/none"}, 1, "no checkpoint '{tmp}/none'"),
        ({"style": "{tmp}/in.png"}, 1, "'{tmp}/in.png' is"),
    ],
)
def test_bad_flags_are_one_sentence_and_the_right_exit_code(style, picture, tmp_path, flags, code, said, capsys):
    flags = {name: str(value).format(tmp=tmp_path) for name, value in flags.items()}
    assert stylize.main(words(picture, style, tmp_path / "out.png", **flags)) == code
    err = capsys.readouterr().err
    assert said.format(tmp=tmp_path) in err
    assert len(err.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == ["in.png"]


def png_header(width, height):
    """A PNG that says to be so large, and ends there."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is rejected, empty: 0 bytes"),
        (b"no picture, only words", "is rejected, "),
        (png_header(1, 1), "is rejected, too small: 1x1 pixels, wanted sides of at least 16"),
        (png_header(200, 15), "is rejected, too small: 200x15 pixels"),
        (png_header(10_000, 5_000), "is rejected, too large: 10000x5000 pixels, at most 33554432 in all"),
        (png_header(100, 50), "is rejected, "),
    ],
)
def test_a_picture_that_cannot_be_used_is_one_sentence_and_leaves_nothing(style, tmp_path, data, said, capsys):
    (tmp_path / "in.png").write_bytes(data)
    assert stylize.main(words(tmp_path / "in.png", style, tmp_path / "out.png")) == 1
    err = capsys.readouterr().err
    assert f"--input: '{tmp_path}/in.png' {said}" in err
    assert len(err.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == ["in.png"]


def test_a_picture_that_its_format_cannot_hold_is_refused_before_it_is_made(encoded):
    def net(pixels):
        raise AssertionError

    with pytest.raises(ImageError, match=r"too large: 16400x16 pixels, webp has sides of at most 16383; png has more"):
        stylizing.stylized(encoded("PNG", size=(16400, 16)), net, PictureRules(), "webp", 90)


def test_a_net_that_was_cut_or_is_another_is_refused_before_anything_starts(style, picture, tmp_path, capsys):
    whole = (style / "transformer.npz").read_bytes()
    cut = tmp_path / "cut"
    cut.mkdir()
    for data, said in ((whole[:-100], "or it was cut"), (b"", "is no transformer.npz of a transformer net")):
        (cut / "transformer.npz").write_bytes(data)
        assert stylize.main(words(picture, cut, tmp_path / "out.png")) == 1
        assert said in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["cut", "in.png"]


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_folder_is_made_exactly_once_with_its_rejects_and_goes_on_where_it_was(
    spark, style, folder, tmp_path, capsys
):
    out = tmp_path / "out"
    assert stylize.main(words(folder, style, out)) == 0
    said = capsys.readouterr().out
    assert "pictures     4 made, 4 rejected" in said
    results = results_in(out)
    assert sorted(results) == files_in(folder)
    for name, (output, width, height) in MADE.items():
        assert look(out / output)[1] == (width, height), name
        assert results[name]["reason"] is None
        assert (results[name]["output"], results[name]["width"], results[name]["height"]) == (output, width, height)
    reasons = {name: row["reason"].partition(":")[0] for name, row in results.items() if row["reason"]}
    assert set(reasons) == {"point.png", "empty.jpg", "text.png", "cut.jpg"}
    assert reasons["point.png"] == "too small"
    assert reasons["empty.jpg"] == "empty"
    assert set(os.listdir(out)) == {"a.png", "turned.jpg", "deep"} | OURS

    before = (out / "a.png").stat().st_mtime_ns
    (out / "turned.jpg").unlink()
    (folder / "new.png").write_bytes((folder / "a.png").read_bytes())
    assert stylize.main(words(folder, style, out)) == 0
    said = capsys.readouterr().out
    assert "pictures     5 made, 4 rejected" in said
    assert "earlier      3 of them were there already" in said
    assert (out / "a.png").stat().st_mtime_ns == before
    assert (out / "new.png").read_bytes() == (out / "a.png").read_bytes()
    assert sorted(results_in(out)) == files_in(folder)

    assert stylize.main(words(folder, style, out, quality=50)) == 1
    assert "is there already, made with quality 95, this run's is 50; --overwrite" in capsys.readouterr().err
    assert stylize.main(words(folder, style, out, format="jpeg", overwrite="true")) == 0
    assert "earlier" not in capsys.readouterr().out
    assert set(os.listdir(out)) == {"a.png.jpg", "new.png.jpg", "turned.jpg", "deep"} | OURS


@pytest.mark.spark
@pytest.mark.tensorflow
def test_more_rejects_than_the_budget_fail_the_run_and_are_told(spark, style, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert stylize.main(words(folder, style, out, bad_image_budget=0.25)) == 1
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert "4 of 8 pictures were rejected, --bad_image_budget 0.25 allows 2" in err
    assert sorted(results_in(out)) == files_in(folder)


@pytest.mark.spark
def test_two_pictures_whose_outputs_had_one_name_are_refused(spark, style, tmp_path, encoded, capsys):
    root = tmp_path / "pictures"
    root.mkdir()
    (root / "a.gif").write_bytes(encoded("GIF"))
    (root / "a.gif.png").write_bytes(encoded("PNG"))
    assert stylize.main(words(root, style, tmp_path / "out")) == 1
    assert "has 2 pictures whose output would be called 'a.gif.png'" in capsys.readouterr().err


def test_a_folder_that_holds_something_else_is_left_alone(style, folder, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "dear.txt").write_text("mine")
    for overwrite in ("false", "true"):
        assert stylize.main(words(folder, style, out, overwrite=overwrite)) == 1
        assert "holds something that no run of this job made; wanted a new or" in capsys.readouterr().err
    (out / "_style.json").write_text("{}")
    assert stylize.main(words(folder, style, out)) == 1
    assert "does not say of which run its folder is; --overwrite replaces it" in capsys.readouterr().err
    assert sorted(os.listdir(out)) == ["_style.json", "dear.txt"]


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("pictures/out", 2, "lies in --input"),
        ("no/out", 1, "cannot be written, there is no folder"),
    ],
)
def test_a_folders_output_that_cannot_be_is_refused(style, folder, tmp_path, output, code, said, capsys):
    assert stylize.main(words(folder, style, tmp_path / output)) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_a_folder_of_shards_is_no_folder_of_pictures(style, tmp_path, capsys):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "a-00000-of-00001.tfrecord").write_bytes(tfrecord.frame(b"record"))
    assert stylize.main(words(tmp_path / "shards", style, tmp_path / "out")) == 2
    assert "holds records, wanted a picture or a folder of pictures" in capsys.readouterr().err


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_driver_that_is_killed_loses_nothing_that_was_made(spark, style, tmp_path, encoded, capsys):
    root, out = tmp_path / "pictures", tmp_path / "out"
    root.mkdir()
    for number in range(12):
        (root / f"{number}.png").write_bytes(encoded("PNG", size=(400, 300)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "jobs" / "stylize.py"), *words(root, style, out, num_partitions=6)],
        env={**environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + LIMIT_S
    while not list(out.glob("*.png")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    others = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait(LIMIT_S)
    _, left = psutil.wait_procs(others, timeout=300)
    for orphan in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()
    there = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    for name in there:
        assert look(out / name) == ("PNG", (400, 300))
    assert stylize.main(words(root, style, out)) == 0
    assert f"earlier      {len(there)} of them" in capsys.readouterr().out
    assert sorted(results_in(out)) == sorted(f"{number}.png" for number in range(12))
    assert {name: (out / name).stat().st_mtime_ns for name in there} == there
    assert json.loads((out / "_style.json").read_text())["quality"] == 95
    assert set(os.listdir(out)) == {f"{number}.png" for number in range(12)} | OURS
