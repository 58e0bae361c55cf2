"""A style net that is served beside a classifier: its pictures are the job's own, and what is refused."""

import io
import shutil

import pytest
from PIL import Image

from jobs import stylize
from sparkcv.errors import ModelError
from sparkcv.serve.repository import find_models
from sparkcv.serve.stylizing import kept_net, read_net
from sparkcv.style import transformer_weights
from sparkcv.style.transformer_spec import TransformerSpec
from tests.predict.models import color_graph, write_folder
from tests.serve.conftest import ready
from tests.style.conftest import random_weights

BODY = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of a tiny style net, a classifier, and a net that was cut in copying."""
    root = tmp_path_factory.mktemp("styles")
    weights = transformer_weights.dump(random_weights(TransformerSpec("resize", "reflect", (2, 3, 4), num_blocks=1)))
    for name, data in (("tiny", weights), ("cut", weights[:900])):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "transformer.npz").write_bytes(data)
    write_folder(root / "colors" / "1", color_graph(16))
    return root


@pytest.fixture(scope="module")
def styles(start, models):
    """A service of these that the tests share, which takes small pictures alone."""
    running = start(models, "--poll_s", "0", "--max_stylized_pixels", "20000")
    running.wait(lambda client: "LOADING" not in client.get("/page/models").text and ready(client))
    yield running
    assert running.end() == 0, "".join(running.log)


@pytest.fixture
def client(styles):
    with styles.client() as client:
        yield client


def opened(data):
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


@pytest.mark.tensorflow
def test_a_picture_comes_back_as_the_job_makes_it_in_the_format_that_is_wanted(client, models, encoded, tmp_path):
    (tmp_path / "in.png").write_bytes(encoded("PNG", size=(133, 71)))
    given = (tmp_path / "in.png").read_bytes()
    said = [f"--input={tmp_path / 'in.png'}", f"--style={models / 'tiny/1'}", f"--output={tmp_path / 'out.png'}"]
    assert stylize.main(said) == 0
    # A form as curl sends it, the model in a field; the picture's own format, as nothing else is wanted.
    answer = client.post("/stylize", files={"image": ("in.png", given)}, data={"model": "tiny"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    assert answer.content == (tmp_path / "out.png").read_bytes()
    weights = transformer_weights.load(str(models / "tiny/1"))
    told = [answer.headers[name] for name in ("x-model", "x-model-version", "x-model-digest")]
    assert told == ["tiny", "1", weights.digest]
    assert answer.headers["server-timing"].startswith("decode;dur=")
    # By Accept with its weights, by parameter before Accept, and of a format that is not written.
    for headers, query, kind in (
        ({"accept": "image/webp;q=0.5, image/jpeg"}, "", "JPEG"),
        ({"accept": "image/*,*/*;q=0.8"}, "", "PNG"),
        ({"accept": "text/html, image/png"}, "&format=webp", "WEBP"),
    ):
        answer = client.post(f"/stylize?model=tiny&version=1{query}", content=given, headers={**BODY, **headers})
        assert (answer.status_code, opened(answer.content).format) == (200, kind), answer.text
        assert answer.headers["content-type"] == f"image/{kind.lower()}"
        assert opened(answer.content).size == (133, 71)
    exif = Image.Exif()
    exif[0x0112] = 6
    for data, kind, size in (
        (encoded("GIF", size=(20, 17)), "PNG", (20, 17)),
        (encoded("JPEG", size=(40, 20), exif=exif), "JPEG", (20, 40)),
    ):
        made = opened(client.post("/stylize?model=tiny", content=data, headers=BODY).content)
        assert (made.format, made.size) == (kind, size)


@pytest.mark.tensorflow
def test_what_cannot_be_stylized_is_one_sentence(client, encoded):
    small = encoded("PNG", size=(20, 20))

    def said(path, status, content=small, **headers):
        answer = client.post(path, content=content, headers={**BODY, **headers})
        assert answer.status_code == status, answer.text
        assert "/tmp" not in answer.text
        return answer.json()["error"]

    large = encoded("PNG", size=(200, 101))
    assert said("/stylize?model=tiny", 400, b"no picture") == "format not read: text"
    assert said("/stylize?model=tiny", 400, b"").startswith("the body is empty; wanted ")
    assert said("/stylize?model=tiny", 400, large) == "too large: 200x101 pixels, at most 20000 in all"
    assert said("/stylize?model=tiny", 400, encoded("PNG", size=(1, 1))).startswith("too small: 1x1 pixels, wanted ")
    assert said("/stylize?model=tiny", 400, encoded("JPEG", size=(64, 64))[:400]).startswith("truncated: ")
    assert said("/stylize?model=tiny&format=gif", 400) == "format is 'gif', wanted one of jpeg, png, webp"
    assert said("/stylize?model=tiny", 406, accept="text/html").startswith("Accept is 'text/html', wanted one of ")
    assert said("/stylize?model=no", 404) == "there is no model 'no'; there are: colors, cut, tiny"
    assert said("/stylize", 400).startswith("several models are served, wanted ?model= with one of: ")
    assert said("/stylize?model=cut", 503) == "model 'cut' version 1 is failed: see the server's log"
    assert said("/stylize?model=colors", 400) == "colors version 1 gives scores, wanted POST /classify"
    for path in ("/classify", "/caption", "/page/explain"):
        assert said(f"{path}?model=tiny", 400) == "tiny version 1 makes pictures, wanted POST /stylize"
    two = client.post("/stylize?model=tiny", files=[("image", ("a.png", small)), ("image", ("b.png", small))])
    assert (two.status_code, "the form has 2 files, wanted one" in two.text) == (400, True)
    assert client.get("/v2/models/tiny").status_code == 400
    found = client.get("/openapi.json").json()["paths"]["/stylize"]["post"]
    assert "multipart/form-data" in found["requestBody"]["content"]
    assert sorted(found["responses"]["200"]["content"]) == ["image/jpeg", "image/png", "image/webp"]
    # After all that it still stylizes.
    assert client.post("/stylize?model=tiny", content=small, headers=BODY).status_code == 200


@pytest.mark.tensorflow
def test_a_person_sees_the_stylized_picture_beside_the_original(styles, tab, encoded, tmp_path):
    (tmp_path / "field.png").write_bytes(encoded("PNG", size=(120, 80)))
    tab.open(styles.url + "/")
    tab.wait("document.querySelectorAll('#first option').length === 2")
    tab.run("document.getElementById('first').selectedIndex = 1")
    tab.choose_file("#file", tmp_path / "field.png")
    tab.wait("[...document.querySelectorAll('#results figcaption')].map(one => one.innerText).join('|')"
             " === 'the picture, 120 × 80|stylized, 120 × 80'")  # fmt: skip
    assert tab.run("document.querySelector('#results h2').innerText") == "tiny · 1"
    assert tab.run("document.querySelector('#results a').download") == "field-tiny.png"
    (tmp_path / "bad.png").write_bytes(b"hello")
    tab.choose_file("#file", tmp_path / "bad.png")
    tab.wait("document.querySelector('#results .error') !== null")
    assert tab.run("document.querySelector('#results .error').innerText") == "format not read: text"
    tab.run("document.getElementById('tab-models').click()")
    tab.wait("document.querySelector('#models').innerText.includes('style transformer')")
    assert [one for one in tab.complaints if "400" not in one] == []


def test_a_net_that_is_replaced_in_its_folder_is_served_on(models, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(models / "tiny/1", folder)
    digest = read_net(str(folder)).digest
    kept = [kept_net(str(folder), digest, str(tmp_path / "kept")).digest]
    other = random_weights(TransformerSpec("resize", "reflect", (2, 3, 4), num_blocks=2))
    (folder / "transformer.npz").write_bytes(transformer_weights.dump(other))
    kept.append(kept_net(str(folder), digest, str(tmp_path / "kept")).digest)  # of a process that was started again
    assert kept == [digest, digest]
    with pytest.raises(ModelError, match=f"tiny' has digest {read_net(str(folder)).digest}, wanted {digest}"):
        kept_net(str(folder), digest, str(tmp_path / "new"))


def test_a_published_net_is_found_by_its_dump_and_not_by_any_manifest(tmp_path):
    for name, files in (("udnie", ("manifest.json", "Variable")), ("data", ("manifest.json",))):
        (tmp_path / name / "1").mkdir(parents=True)
        for file in files:
            (tmp_path / name / "1" / file).write_text("{}")
    assert list(find_models(str(tmp_path)).urls) == ["udnie"]
