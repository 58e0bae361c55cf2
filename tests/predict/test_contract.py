"""SavedModels of TensorFlow 2 and Keras 3 with a contract beside them: loaded, scored, and refused in one sentence."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from sparkcv import synthetic
from sparkcv.errors import MissingFileError, ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.contract import parse_contract
from sparkcv.predict.predictor import Predictor
from tests.predict.foreign_models import CONTRACT, MODULE, describe


@pytest.fixture(scope="module")
def wanted(color_model, tmp_path_factory):
    """Pictures, and the scores that the colour graph gives to them."""
    pictures = [synthetic.encode(synthetic.draw(index, index, 40), "png") for index in range(8)]
    with Predictor.load(color_model, str(tmp_path_factory.mktemp("cache"))) as predictor:
        return pictures, predictor.score(np.stack(predictor.decode(pictures)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("engine", ["tf", "openvino"])
@pytest.mark.parametrize("name", ["keras", "module"])
def test_it_scores_as_the_net_that_it_is(foreign, wanted, tmp_path, name, engine):
    pictures, scores = wanted
    url = str(foreign / name)
    digest = manifests.read_manifest(url).digest
    for _ in range(2):  # the second time it is frozen already
        with Predictor.load(url, str(tmp_path), digest=digest, engine=engine) as predictor:
            assert predictor.names == ("red", "green", "blue")
            assert predictor.score(np.stack(predictor.decode(pictures))) == pytest.approx(scores, abs=1e-5)
    assert not (foreign / name / manifests.FILE_NAME).exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("module", {"inputs": {}}, r"has no signature 'serving_default', it has: score"),
        ("module", MODULE | {"outputs": {"saved_model": {"values": "logits"}}}, "outputs means, scores; wanted one of"),
        (
            "keras",
            {"image_size": 32},
            r"has shape \(None, 16, 16, 3\), the contract's image_size, .* \(None, 32, 32, 3\)",
        ),
        ("reader", {}, "has the operation ReadFile, which a model to score with must not have"),
        (
            "keras",
            {"outputs": {"saved_model": {"name": "x", "values": "logits"}}},
            "has no output 'x', it has: output_0",
        ),
    ],
)
def test_a_contract_that_the_savedmodel_does_not_keep_is_told(foreign, tmp_path, name, changes, sentence):
    folder = shutil.copytree(foreign / name, tmp_path / "model")
    describe(folder, **changes)
    with pytest.raises(ModelError, match=sentence):
        Predictor.load(str(folder), str(tmp_path / "cache"))


@pytest.mark.tensorflow
def test_another_number_of_labels_and_a_changed_file_are_told(foreign, tmp_path):
    folder = shutil.copytree(foreign / "keras", tmp_path / "model")
    digest = manifests.read_manifest(str(folder)).digest
    (folder / "labels.txt").write_text("0:a\n1:b\n")
    with pytest.raises(ModelError, match=r"wanted \[batch, 2\], a column for each line of labels\.txt"):
        Predictor.load(str(folder), str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="this run was pinned to"):
        Predictor.load(str(folder), str(tmp_path / "cache"), digest=digest)


def test_what_lies_beside_it_is_told_where_it_is_missing(tmp_path):
    describe(tmp_path)
    with pytest.raises(MissingFileError, match=r"has contract\.json and no SavedModel, wanted saved_model\.pb"):
        manifests.read_manifest(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    manifest = manifests.read_manifest(str(tmp_path))
    assert (manifest.num_classes, manifest.jpeg_arithmetic, manifest.model_name) == (3, "accurate", "saved_model")
    again = manifests.parse_manifest(manifest.to_bytes(), "again")
    assert again.digest == manifest.digest
    describe(tmp_path, num_classes=4)
    with pytest.raises(ModelError, match=r"num_classes is 4; labels\.txt has 3"):
        manifests.read_manifest(str(tmp_path))
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(MissingFileError, match=r"has no labels\.txt"):
        manifests.read_manifest(str(tmp_path))


@pytest.mark.spark
@pytest.mark.tensorflow
def test_batch_inference_scores_with_it(spark, foreign, wanted, tmp_path):
    from sparkcv.config import ScoreConfig
    from sparkcv.driver import score

    pictures, scores = wanted
    (tmp_path / "in").mkdir()
    for index, picture in enumerate(pictures):
        (tmp_path / "in" / f"{index}.png").write_bytes(picture)
    flags = {"input": str(tmp_path / "in"), "output_dir": str(tmp_path / "out"), "date": "2026-01-02", "top_k": 3}
    report = score.run(spark, score.prepare(ScoreConfig(model_dir=str(foreign / "keras"), **flags)))
    assert report.num_rows == len(pictures)
    rows = {row["id"]: row for row in pq.read_table(tmp_path / "out" / "dt=2026-01-02").to_pylist()}
    for index, row in enumerate(scores):
        assert rows[f"{index}.png"]["score"] == pytest.approx(float(row.max()), abs=1e-5)


def contract(**changes):
    return {name: value for name, value in (CONTRACT | changes).items() if value != "left out"}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], r"the file is \[\]; wanted an object of fields"),
        (contract(schema=2), "schema is 2; wanted 1"),
        (contract(schema="left out"), "schema is missing; wanted 1"),
        (contract(image_sise=3), "image_sise is no field of a contract, did you mean 'image_size'"),
        (contract(digest="x"), "digest is no field of a contract; there are: schema"),
        (contract(image_size="left out"), "image_size is missing; wanted the side"),
        (contract(image_size=0), "image_size is 0; wanted the side"),
        (contract(image_size=True), "image_size is true; wanted the side"),
        (contract(image_size=None), "image_size is null; wanted the side"),
        (contract(num_classes=0), "num_classes is 0; wanted the number of classes"),
        (contract(batch_size=-1), "batch_size is -1; wanted null for any"),
        (contract(model_name=3), "model_name is 3; wanted a text"),
        (contract(model_name="a\nb"), "model_name is .*; wanted a text"),
        (contract(use_grayscale=0), "use_grayscale is 0; wanted false or true"),
        (contract(preprocessing="left out"), "preprocessing is missing; wanted one of"),
        (contract(preprocessing="inceptoin"), "unknown preprocessing 'inceptoin', did you mean 'inception'"),
        (contract(preprocessing="vgg", image_size=300), "image size 300 does not fit"),
        (contract(preprocessing="vgg"), "range does not go with the preprocessing 'vgg'; wanted one of inception"),
        (contract(inputs=[]), r"inputs is \[\]; wanted an object"),
        (contract(inputs={"saved_modle": {}}), "inputs.saved_modle is no field .*, did you mean 'saved_model'"),
        (contract(inputs={"saved_model": {"range": [255, 0]}}), r"inputs.saved_model.range is \[255, 0\]; wanted two"),
        (contract(inputs={"saved_model": {"range": [0, True]}}), "wanted two numbers such as"),
        (contract(inputs={"saved_model": {"name": None}}), "inputs.saved_model.name is null; wanted a text"),
        (
            contract(inputs={"pictures": {"jpeg_arithmetic": "quick"}}),
            'inputs.pictures.jpeg_arithmetic is "quick"; wanted "accurate" or "fast"',
        ),
        (contract(outputs={}), 'outputs.saved_model.values is missing; wanted "probabilities" or "logits"'),
        (contract(outputs={"saved_model": {"values": "scores"}}), 'values is "scores"; wanted "probabilities" or'),
    ],
)
def test_a_wrong_field_is_told_with_what_it_is_and_what_was_wanted(value, sentence):
    with pytest.raises(ModelError, match=f"'where': .*{sentence}"):
        parse_contract(json.dumps(value).encode(), "where")


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_told(data):
    with pytest.raises(ModelError, match="'where' is not JSON"):
        parse_contract(data, "where")
