"""Each engine behind the service answers as scoring's Predictor does, to 1e-5."""

import shutil

import numpy as np
import pytest

from sparkcv import synthetic
from sparkcv.predict.predictor import Predictor
from tests.serve.conftest import ready

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("engine", ["tf", "openvino"])
def test_the_service_the_predictor_and_tensorflow_agree(start, model_folders, tmp_path, engine):
    pictures = [synthetic.encode(synthetic.draw(index % 8, index, 40), "jpeg") for index in range(24)]
    folder = str(model_folders / "colors" / "2")
    wanted = {}
    for name in {"tf", engine}:
        with Predictor.load(folder, str(tmp_path / name), engine=name) as predictor:
            wanted[name] = predictor.score(np.stack(predictor.decode(pictures)))
    running = start(model_folders, "--poll_s", "0", "--engine", engine, "--max_pictures", "24")
    try:
        running.wait(ready)
        with running.client() as client:
            files = [("image", ("a.jpg", picture)) for picture in pictures]
            results = client.post("/classify", files=files, params={"top_k": 3}).json()["results"]
    finally:
        assert running.end() == 0
    assert any(f"engine {engine}" in line for line in running.log)
    got = [{one["label_id"]: one["score"] for one in entry["predictions"]} for entry in results]
    rows = np.array([[row[index] for index in range(3)] for row in got])
    for name, scores in wanted.items():
        assert rows == pytest.approx(scores, abs=1e-5), name


def test_savedmodels_of_other_programs_answer_by_their_contracts(start, foreign, tmp_path, picture):
    for name in ("keras", "module"):
        shutil.copytree(foreign / name, tmp_path / "models" / name / "1")
    shutil.copytree(foreign / "reader", tmp_path / "models" / "reader" / "1")
    running = start(tmp_path / "models", "--poll_s", "0")
    try:
        running.wait(lambda client: "LOADING" not in client.post("/v2/repository/index").text and ready(client))
        with running.client() as client:
            for name in ("keras", "module"):
                found = client.post("/classify", files={"image": picture("blue", "PNG")}, params={"model": name}).json()
                best = found["results"][0]["predictions"][0]
                assert (best["label"], best["score"]) == ("blue", pytest.approx(1, abs=1e-5))
            states = {one["name"]: one["state"] for one in client.post("/v2/repository/index").json()}
        assert states == {"keras": "READY", "module": "READY", "reader": "UNAVAILABLE"}
        assert any(
            "reader version 1 is not loaded: the SavedModel has the operation ReadFile" in x for x in running.log
        )
    finally:
        assert running.end() == 0
