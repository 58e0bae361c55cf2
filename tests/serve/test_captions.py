"""A net of captions that is exported and served: its answers are the job's own, and what is refused."""

import json
import re

import pytest

from jobs import caption_pictures, export_captions
from sparkcv import scenes
from tests.caption import caption_checkpoints
from tests.predict.models import color_graph, write_folder
from tests.serve.conftest import ready

pytestmark = pytest.mark.tensorflow


def export(folder, model_dir, **changes):
    flags = {
        "checkpoint_path": folder / "net/model.ckpt-3",
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "image_size": 32,
        "max_words": 6,
        "model_dir": model_dir,
        **changes,
    }
    return export_captions.main([f"--{name}={value}" for name, value in flags.items() if value is not None])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint, its export beside a classifier, and two pictures."""
    folder = tmp_path_factory.mktemp("captions")
    (folder / "net").mkdir()
    caption_checkpoints.write(folder / "net")
    caption_checkpoints.write_vocabulary(folder / "net/word_counts.txt")
    (folder / "models/told").mkdir(parents=True)
    assert export(folder, folder / "models/told/1") == 0
    write_folder(folder / "models/colors/1", color_graph(16))
    scenes.write_scenes(folder / "scenes", 2, 1, size=32)
    return folder


def test_an_exported_net_is_served_and_tells_what_the_job_tells(start, folder, capsys):
    running = start(folder / "models", "--poll_s", "0")
    try:
        running.wait(lambda client: "LOADING" not in client.get("/page/models").text and ready(client))
        with running.client() as client:
            pictures = [folder / f"scenes/seen-0000{index}.png" for index in range(2)]
            files = [("image", (path.name, path.read_bytes())) for path in pictures]
            files.append(("image", ("bad.png", b"no picture")))
            answer = client.post("/caption", params={"model": "told"}, files=files)
            assert answer.status_code == 200, answer.text
            first, second, bad = answer.json()["results"]
            assert (first["file"], second["file"]) == ("seen-00000.png", "seen-00001.png")
            assert bad["error"].startswith("format not read")
            options = {"checkpoint_path": folder / "models/told/1", "max_words": 6}
            words = [f"--{name}={value}" for name, value in options.items()]
            capsys.readouterr()
            assert caption_pictures.main([str(pictures[1]), *words]) == 0
            printed = capsys.readouterr().out.splitlines()[1:]
            assert [f"  {n}) {one['text']} (p={one['p']:f})" for n, one in enumerate(second["captions"])] == printed
            # One picture as the body, as the page sends it; the wrong kind of model, either way.
            body = {"content": pictures[0].read_bytes(), "headers": {"content-type": "application/octet-stream"}}
            one = client.post("/caption?model=told&version=1", **body).json()
            assert [each["text"] for each in one["results"][0]["captions"]] == [
                each["text"] for each in first["captions"]
            ]
            wrong = client.post("/caption?model=colors", **body)
            assert (wrong.status_code, "colors version 1 gives scores, wanted POST /classify" in wrong.text) == (
                400,
                True,
            )
            wrong = client.post("/classify?model=told", **body)
            assert (wrong.status_code, "tells captions, wanted POST /caption" in wrong.text) == (400, True)
            assert client.get("/v2/models/told").status_code == 400
            assert client.post("/caption?model=told", content=b"", headers=body["headers"]).status_code == 400
            told = {model["name"]: model["versions"][0] for model in client.get("/page/models").json()["models"]}
            assert (told["told"]["path"], told["colors"]["path"]) == ("/caption", "/classify")
            assert told["told"]["digest"] == json.loads((folder / "models/told/1/captions.json").read_text())["digest"]
            assert "/caption" in client.get("/openapi.json").json()["paths"]
            assert 'ask("/caption?"' in client.get("/page.js").text
    finally:
        assert running.end() == 0


def test_a_model_that_was_changed_or_is_there_is_refused(folder, tmp_path, capsys):
    assert export(folder, tmp_path / "one") == 0
    assert export(folder, tmp_path / "one") == 1
    assert "one' is there already; --overwrite replaces it" in capsys.readouterr().err
    assert export(folder, tmp_path / "one", overwrite=True) == 0
    assert export(folder, folder / "scenes") == 1
    assert "holds something else; wanted a new folder" in capsys.readouterr().err
    assert export(folder, None) == 2
    contract, picture = tmp_path / "one/captions.json", str(folder / "scenes/seen-00000.png")
    whole = contract.read_text()
    for changed, sentence in (
        (re.sub('"num_words": 8', '"num_words": 9', whole), "was changed: its digest is"),
        (whole.replace('"num_words": 8', '"num_words": "8"'), 'num_words is "8", wanted what an export wrote'),
        (whole.replace('"schema": 1', '"schema": 2'), "is no description of captions of schema 1"),
        ("no json", "is not JSON"),
    ):
        contract.write_text(changed)
        capsys.readouterr()
        assert caption_pictures.main([picture, f"--checkpoint_path={tmp_path / 'one'}"]) == 1
        assert sentence in capsys.readouterr().err
    contract.write_text(whole)
    (tmp_path / "one/word_counts.txt").write_text("<S> 1\n</S> 1\n")
    assert caption_pictures.main([picture, f"--checkpoint_path={tmp_path / 'one'}"]) == 1
    assert "word_counts.txt" in capsys.readouterr().err
