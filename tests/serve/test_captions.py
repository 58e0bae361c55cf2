"""Nets of captions, and of pictures from captions, served: their answers are the jobs' own, and what is refused."""

import base64
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from jobs import caption_pictures, export_captions, generate_pictures
from sparkcv import scenes
from sparkcv.caption import caption_model
from sparkcv.errors import ModelError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.serve import captioning, generating
from sparkcv.serve.http import generate
from sparkcv.serve.model_process import WorkerOrder
from sparkcv.serve.repository import find_models
from sparkcv.text2image.picture_task import Row
from tests.caption import caption_checkpoints
from tests.predict.models import color_graph, write_folder
from tests.serve.conftest import ready
from tests.text2image import gan_runs

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
    """A checkpoint, its export beside a classifier and a training of pictures from captions, and two pictures."""
    folder = tmp_path_factory.mktemp("captions")
    (folder / "net").mkdir()
    caption_checkpoints.write(folder / "net")
    caption_checkpoints.write_vocabulary(folder / "net/word_counts.txt")
    (folder / "models/told").mkdir(parents=True)
    assert export(folder, folder / "models/told/1") == 0
    write_folder(folder / "models/colors/1", color_graph(16))
    scenes.write_scenes(folder / "scenes", 2, 1, size=32)
    gan_runs.write_dataset(folder)
    (folder / "models/figures").mkdir()
    gan_runs.train_run(folder, "models/figures/1", max_number_of_steps=1)
    return folder


@pytest.fixture(scope="module")
def running(start, folder):
    """A service of all three."""
    running = start(folder / "models", "--poll_s", "0")
    running.wait(lambda client: "LOADING" not in client.get("/page/models").text and ready(client))
    yield running
    assert running.end() == 0, "".join(running.log)


def test_an_exported_net_is_served_and_tells_what_the_job_tells(running, folder, capsys):
    with running.client() as client:
        pictures = [folder / f"scenes/seen-0000{index}.png" for index in range(2)]
        files = [("image", (path.name, path.read_bytes())) for path in pictures]
        files.append(("image", ("bad.png", b"no picture")))
        answer = client.post("/caption", params={"model": "told"}, files=files)
        assert answer.status_code == 200, answer.text
        first, second, bad = answer.json()["results"]
        assert (first["file"], second["file"]) == ("seen-00000.png", "seen-00001.png")
        assert bad["error"].startswith("format not read")
        capsys.readouterr()
        assert caption_pictures.main([str(pictures[1]), f"--checkpoint_path={folder / 'models/told/1'}"]) == 0
        printed = capsys.readouterr().out.splitlines()[1:]
        assert [f"  {n}) {one['text']} (p={one['p']:f})" for n, one in enumerate(second["captions"])] == printed
        # One picture as the body, as the page sends it; the wrong kind of model, either way.
        body = {"content": pictures[0].read_bytes(), "headers": {"content-type": "application/octet-stream"}}
        one = client.post("/caption?model=told&version=1", **body).json()
        assert [each["text"] for each in one["results"][0]["captions"]] == [each["text"] for each in first["captions"]]
        best = client.post("/caption?model=told&top_k=1", **body).json()["results"][0]["captions"]
        assert best == one["results"][0]["captions"][:1]
        wrong = client.post("/caption?model=told&top_k=none", **body)
        assert (wrong.status_code, wrong.json()["error"]) == (400, "top_k is 'none', wanted a number from 1 to 100")
        wrong = client.post("/caption?model=colors", **body)
        assert (wrong.status_code, "colors version 1 gives scores, wanted POST /classify" in wrong.text) == (400, True)
        wrong = client.post("/classify?model=told", **body)
        assert (wrong.status_code, "tells captions, wanted POST /caption" in wrong.text) == (400, True)
        assert client.get("/v2/models/told").status_code == 400
        assert client.post("/caption?model=told", content=b"", headers=body["headers"]).status_code == 400
        told = {model["name"]: model["versions"][0] for model in client.get("/page/models").json()["models"]}
        assert (told["told"]["path"], told["colors"]["path"]) == ("/caption", "/classify")
        assert told["told"]["digest"] == json.loads((folder / "models/told/1/captions.json").read_text())["digest"]
        assert "/caption" in client.get("/openapi.json").json()["paths"]
        assert 'ask("/caption?"' in client.get("/page.js").text


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
    assert re.search(r"word_counts\.txt' was changed: its bytes is 13, captions\.json says", capsys.readouterr().err)


def asked(client, value, accept="application/json", **query):
    query = {"model": "figures", **query}
    return client.post("/generate", params=query, json=value, headers={"accept": accept})


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_pictures_of_captions_are_those_of_the_job(running, folder, tmp_path):
    flags = {"checkpoint_path": folder / "models/figures/1", "num_pictures": 3, "seed": 5}
    for name, more in (("of", {}), ("way", {"to_caption": "a small blue star"})):
        flags_of = {**flags, **more, "caption": "a large red ring", "output_dir": tmp_path / name}
        assert generate_pictures.main([f"--{name}={value}" for name, value in flags_of.items()]) == 0
    with running.client() as client:
        value = {"caption": "a large red ring", "num_pictures": 3, "seed": 5}
        told = asked(client, value).json()
        assert (told["model"], told["version"], told["step"], told["seed"]) == ("figures", 1, 1, 5)
        assert (told["unknown_words"], len(told["digest"])) == ({}, 64)
        way = asked(client, {**value, "to_caption": "a small blue star"}).json()
        for name, found in (("of", told), ("way", way)):
            job = json.loads((tmp_path / name / "pictures.json").read_text())["pictures"]
            assert [each["caption"] for each in found["pictures"]] == [each["caption"] for each in job]
            for each, file in zip(found["pictures"], job, strict=True):
                made = (tmp_path / name / file["file"]).read_bytes()
                assert np.array_equal(pixels(base64.b64decode(each["png"])), pixels(made))
        grid = asked(client, value, "*/*")
        assert grid.headers["content-type"] == "image/png"
        assert np.array_equal(pixels(grid.content), pixels((tmp_path / "of/grid.png").read_bytes()))
        one = asked(client, {"caption": "a large zeppelin", "seed": 5}, "image/png", version="1")
        assert pixels(one.content).shape == (16, 16, 3)
        assert one.headers["x-unknown-words"] == "zeppelin"
        several = asked(client, {"captions": ["a large zeppelin", "a red ring"]}).json()
        assert several["unknown_words"] == {"a large zeppelin": ["zeppelin"]}
        assert [each["caption"] for each in several["pictures"]] == ["a large zeppelin", "a red ring"]
        said = client.get("/openapi.json").json()["paths"]["/generate"]["post"]
        assert "to_caption" in said["requestBody"]["content"]["application/json"]["schema"]["properties"]
        body = {"content": one.content, "headers": {"content-type": "image/png"}}
        for path in ("/classify", "/caption"):
            wrong = client.post(path, params={"model": "figures"}, **body)
            assert "figures version 1 makes pictures of captions, wanted POST /generate" in wrong.text
        assert "told version 1 tells captions, wanted POST /caption" in asked(client, value, model="told").text


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "caption and captions: got neither, wanted one of them"),
        ({"caption": "a ring", "captions": []}, "got both, wanted one of them"),
        ({"captions": []}, "captions is [], wanted a list of texts, one at least"),
        ({"captions": ["a ring"], "to_caption": "a star"}, "to_caption with captions: wanted it with caption alone"),
        ({"caption": 5}, "a caption is 5, wanted a text"),
        ({"caption": "ring " * 1000}, "a caption has 5000 characters, wanted 4000 at most"),
        ({"caption": "a " * 101}, "has 101 words, wanted 100 at most"),
        ({"caption": " "}, "has no word, wanted some"),
        ({"caption": "zeppelin"}, "has no word that the nets were trained with; they know"),
        ({"caption": "a ring", "to_caption": "zeppelin"}, "the caption 'zeppelin' has no word that"),
        ({"caption": "a ring", "size": 64}, "the body has 'size', wanted no field but caption, captions,"),
        ({"caption": "a ring", "seed": -1}, "seed is -1, wanted a whole number from 0 to"),
        ({"caption": "a ring", "seed": True}, "seed is True, wanted a whole number"),
        ({"caption": "a ring", "num_pictures": 65}, "num_pictures is 65, wanted a whole number from 1 to 64"),
        ({"caption": "a ring", "to_caption": "a star", "num_pictures": 1}, "wanted a whole number from 2 to 64"),
        ({"captions": ["a ring"] * 9, "num_pictures": 8}, "the request wants 72 pictures, wanted 1 to 64"),
        ([], "the body is a JSON array, wanted an object"),
    ],
)
def test_what_cannot_be_made_is_told_in_a_sentence(running, value, sentence):
    with running.client() as client:
        answer = asked(client, value)
        assert (answer.status_code, sentence in answer.json()["error"]) == (400, True), answer.text


def test_a_person_types_a_caption_and_sees_its_pictures(running, tab):
    tab.open(running.url + "/", width=390, height=800)
    tab.wait("!document.getElementById('tab-generate').hidden")
    assert tab.run("document.querySelectorAll('#first option').length") == 2  # what takes a picture
    tab.run("document.getElementById('tab-generate').click()")
    tab.run("window.set = (id, text) => { document.getElementById(id).value = text; }")
    submit = "document.getElementById('make-form').requestSubmit()"
    sources = "[...document.querySelectorAll('#made img')].map(one => one.src)"
    tab.run(f"set('make-caption', 'a large red zeppelin'); set('make-number', 3); {submit}")
    tab.wait("document.querySelectorAll('#made img').length === 3")
    first = tab.run(sources)
    tab.wait("[...document.querySelectorAll('#made img')].every(one => one.naturalWidth === 16)")
    assert "The model does not know: zeppelin." in tab.run("document.getElementById('made').innerText")
    tab.run(f"{submit}; document.getElementById('made').replaceChildren()")
    tab.wait("document.querySelectorAll('#made img').length === 3")
    assert tab.run(sources) == first
    tab.run(f"set('make-to', 'a blue star'); set('make-number', 4); {submit}")
    tab.wait("document.querySelectorAll('.strip img').length === 4")
    tab.run("window.one = document.querySelector('.way input'); one.value = 3; one.dispatchEvent(new Event('input'))")
    large, *strip = tab.run(sources)
    assert (large, len(strip)) == (strip[3], 4)
    assert tab.run("document.querySelectorAll('.strip button')[3].getAttribute('aria-pressed')") == "true"
    assert tab.run("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.complaints == []
    tab.run(f"set('make-to', 'zeppelin'); {submit}")
    tab.wait("document.querySelector('#made .error') !== null")
    assert "has no word that the nets were trained with" in tab.run("document.getElementById('made').innerText")


def test_a_person_drops_a_picture_and_reads_its_captions(running, folder, tab):
    tab.open(running.url + "/", dark=True)
    tab.wait("document.querySelectorAll('#first option').length === 2")
    tab.run(
        "window.one = document.getElementById('first'); one.selectedIndex = 1; one.dispatchEvent(new Event('change'))"
    )
    tab.choose_file("#file", folder / "scenes/seen-00000.png")
    tab.wait("document.querySelectorAll('#results ol.captions li').length === 3")
    assert "p=" in tab.run("document.querySelector('ol.captions li').innerText")
    assert tab.complaints == []


def test_a_checkpoint_that_a_training_deletes_is_served_on(folder, tmp_path):
    run = shutil.copytree(folder / "models/figures/1", tmp_path / "run")
    common = {"engine": "auto", "num_threads": 1, "max_batch_size": 4, "max_delay_s": 0.0, "max_pixels": 1}
    common["max_stylized_pixels"] = 1
    order = WorkerOrder("", str(tmp_path / "kept"), "d", background=(255, 255, 255), **common)
    order = dataclasses.asdict(generating.order_of(order, generating.find(str(run))))
    made = []
    for _ in range(2):  # the second time it is a process that was started again
        model = generating.GeneratorModel(order)
        made.append(model.score(model.decode(generating.asked(Row((0, 3, 1), 0), seed=1))[None]))
        model.close()
        shutil.rmtree(run, ignore_errors=True)
    assert made[0] == made[1]


def test_a_net_whose_folder_goes_is_served_on(folder, tmp_path):
    told = shutil.copytree(folder / "models/told/1", tmp_path / "told")
    digest = caption_model.read_model(str(told)).digest
    changed = shutil.copytree(told, tmp_path / "changed")
    (changed / "word_counts.txt").write_text("<S> 1\n</S> 1\n")
    with pytest.raises(ModelError, match=f"{changed}/word_counts.txt"):
        captioning.kept_model(str(changed), digest, str(tmp_path / "kept"))
    made, picture = [], (folder / "scenes/seen-00000.png").read_bytes()
    for _ in range(2):  # the second time it is a process that was started again
        model = captioning.CaptionerModel(
            captioning.kept_model(str(told), digest, str(tmp_path / "kept")), PictureRules(), 1
        )
        made.append(model.score(model.decode(picture)[None]))
        model.close()
        shutil.rmtree(told, ignore_errors=True)
    assert made[0] == made[1]


def test_the_folder_of_a_training_is_a_model_once_it_has_a_checkpoint(folder, tmp_path):
    run = folder / "models/figures/1"
    assert find_models(str(run)).urls == {"figures": {1: str(run)}}
    (tmp_path / "runs/begun/1").mkdir(parents=True)
    shutil.copy(run / "run.json", tmp_path / "runs/begun/1")
    assert find_models(str(tmp_path / "runs")).urls == {}


def test_nets_that_were_trained_on_vectors_are_not_served(folder, tmp_path):
    run = shutil.copytree(folder / "models/figures/1", tmp_path / "run")
    told = json.loads((run / "run.json").read_text())
    told["config"]["text"] = "vectors"
    (run / "run.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"were trained on vectors of captions, which a request does not have"):
        generating.find(str(run))


def test_unknown_words_are_told_as_far_as_a_header_goes():
    assert generate._of_header(["zeppelin", "\u00e4,b"]) == "zeppelin,%C3%A4%2Cb"
    told = generate._of_header([f"w{number:04d}" for number in range(10_000)])
    assert told.startswith("w0000,w0001,")
    assert len(told) == 1997
