import dataclasses
import io
import json
import os

import numpy as np
import pytest

from sparkcv import storage, synthetic
from sparkcv.config import EvalConfig, ExportConfig
from sparkcv.driver import evaluate_plan
from sparkcv.driver import export as driver
from sparkcv.errors import CheckpointError, FileExistsAlreadyError, LabelError, ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.export.task import ExportTask
from sparkcv.predict.predictor import Predictor
from sparkcv.records.statistics import FittedOn, Moments
from sparkcv.roles import NodeContext, Role
from tests.inputs import data
from tests.predict.checkpoints import NAMES, write_labels, write_run

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning"),  # the layers that TF-Slim uses
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of cifarnet with moving averages."""
    return write_run(tmp_path_factory.mktemp("cifarnet"), decay=0.9)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_labels(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def export(tmp_path, dataset):
    """Runs the program as its node process would; returns the result, the model's folder and what was reported."""
    from sparkcv.programs.export import main

    def call(run, name="model", dataset_dir=dataset, **flags):
        model_dir = str(tmp_path / name)
        fields = {"checkpoint_path": run, "model_dir": model_dir, "dataset_dir": dataset_dir, "model_name": "cifarnet"}
        task = driver.prepare(ExportConfig(**(fields | flags))).task
        params = json.loads(json.dumps(task.to_params()))
        assert ExportTask.from_params(params) == task
        scratch = tmp_path / f"scratch-{name}"
        scratch.mkdir()
        said = []
        ctx = NodeContext(Role("exporter", 0), {}, params, str(scratch), said.append, lambda: False)
        return main(ctx), model_dir, said

    return call


def encode(mode, image_format):
    buffer = io.BytesIO()
    synthetic.draw(2, seed=5, size=70).convert(mode).save(buffer, image_format)
    return buffer.getvalue()


def saved_model(model_dir, pictures):
    from sparkcv.predict.export.proof import score_saved_model

    return np.stack([score_saved_model(os.path.join(model_dir, "saved_model"), picture) for picture in pictures])


def test_an_export_is_a_folder_that_scores(export, run):
    result, model_dir, said = export(run)
    manifest = manifests.read_manifest(model_dir)
    manifests.verify(model_dir, manifest)
    assert result["digest"] == manifest.digest
    assert (manifest.step, manifest.num_classes, manifest.image_size) == (5, 4, 32)
    assert (manifest.model_name, manifest.preprocessing) == ("cifarnet", "cifarnet")
    assert manifest.run.endswith("/run/model.ckpt-5")
    assert {"frozen_inference_graph.pb", "labels.txt", "saved_model/saved_model.pb"} <= set(manifest.files)
    assert storage.read_text(f"{model_dir}/labels.txt").splitlines() == [f"{i}:{n}" for i, n in enumerate(NAMES)]
    assert manifest.inputs["frozen_graph"]["shape"] == [None, 32, 32, 3]
    assert manifest.inputs["saved_model"]["name"] == "encoded"
    assert [status["doing"] for status in said][-1] == "publishing"
    assert result["proof"] < 1e-5


def test_the_folder_keeps_a_scored_picture_and_the_evaluation_of_its_checkpoint(export, run, tmp_path):
    from sparkcv.predict import evaluation, scored_picture

    prefix = f"{run}/model.ckpt-5"
    result = {"checkpoint": prefix, "accuracy": 0.5, "moving_averages": False}
    (tmp_path / "eval-5.json").write_text(json.dumps(result))
    _, model_dir, _ = export(run, eval_dir=str(tmp_path))
    manifest = manifests.read_manifest(model_dir)
    assert evaluation.read(model_dir, manifest)["accuracy"] == 0.5
    kept = scored_picture.read(model_dir, manifest)
    with Predictor.load(model_dir, str(tmp_path / "cache"), engine="openvino") as predictor:
        kept.check(predictor.score(np.stack(predictor.decode([kept.picture])))[0])
    _, other, _ = export(run, "without")
    assert evaluation.read(other, manifests.read_manifest(other)) is None


def test_predictor_and_saved_model_agree_on_every_kind_of_picture(export, run, tmp_path):
    _, model_dir, _ = export(run)
    pictures = [
        encode(*kind) for kind in (("RGB", "JPEG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("RGB", "PNG"))
    ]
    with Predictor.load(model_dir, str(tmp_path / "cache")) as predictor:
        answers = predictor.predict(pictures, top_k=len(NAMES))
    ours = [[dict(answer.top_k)[name] for name in NAMES] for answer in answers]
    np.testing.assert_allclose(ours, saved_model(model_dir, pictures), atol=1e-5)


def test_moving_averages_are_exported_when_asked(export, run):
    _, plain, _ = export(run)
    _, averaged, _ = export(run, "averaged", moving_average_decay=0.9)
    picture = [encode("RGB", "PNG")]
    raw, smooth = saved_model(plain, picture), saved_model(averaged, picture)
    # A tenth of every weight leaves hardly any preference; the raw weights have one.
    assert np.ptp(smooth) < np.ptp(raw) / 5


def test_a_run_without_moving_averages_says_so(export, tmp_path):
    run = write_run(tmp_path / "r")
    with pytest.raises(CheckpointError, match="kept no moving averages"):
        export(run, moving_average_decay=0.9)


def test_another_number_of_classes_is_told_with_both_numbers(export, run, tmp_path):
    five = write_labels(tmp_path / "five", (*NAMES, "more"))
    with pytest.raises(CheckpointError, match=r"trained on 4 classes, labels\.txt .*five.* has 5"):
        export(run, dataset_dir=five)
    assert not (tmp_path / "model").exists()


def test_labels_offset_takes_the_background_off(export, run, tmp_path):
    background = write_labels(tmp_path / "background", ("background", *NAMES))
    _, model_dir, _ = export(run, dataset_dir=background, labels_offset=1)
    assert storage.read_text(f"{model_dir}/labels.txt").splitlines()[0] == "0:circle"


def test_another_net_is_told(export, run, tmp_path):
    with pytest.raises(CheckpointError, match="is of another net"):
        export(run, model_name="lenet", image_size=28)
    assert not (tmp_path / "model").exists()


def test_weights_that_are_no_numbers_are_never_exported(export, tmp_path):
    run = write_run(tmp_path / "r", spoil=("CifarNet/fc4/weights",))
    with pytest.raises(CheckpointError, match=r"holds a value of CifarNet/fc4/weights that is not a number"):
        export(run)
    assert not (tmp_path / "model").exists()


def test_a_fixed_batch_size_still_scores_any_number(export, run, tmp_path):
    _, model_dir, _ = export(run, batch_size=4)
    assert manifests.read_manifest(model_dir).inputs["frozen_graph"]["shape"] == [4, 32, 32, 3]
    with Predictor.load(model_dir, str(tmp_path / "cache")) as predictor:
        one, *six = predictor.predict([encode("RGB", "PNG")] * 7, top_k=1)
    assert all(answer.score == pytest.approx(one.score) for answer in six)


def test_grey_models_take_one_channel(export, tmp_path):
    run = write_run(tmp_path / "r", model_name="lenet", size=28, channels=1)
    _, model_dir, _ = export(run, model_name="lenet", use_grayscale=True)
    assert manifests.read_manifest(model_dir).channels == 1
    with Predictor.load(model_dir, str(tmp_path / "cache")) as predictor:
        (answer,) = predictor.predict([encode("RGB", "PNG")], top_k=1)
    assert answer.score > 0


def test_the_frozen_graph_goes_to_a_second_place_when_asked(export, run, tmp_path):
    _, model_dir, _ = export(run, output_file=str(tmp_path / "second" / "graph.pb"))
    whole = storage.read_bytes(f"{model_dir}/frozen_inference_graph.pb")
    assert (tmp_path / "second" / "graph.pb").read_bytes() == whole


def test_an_empty_folder_is_filled_and_a_full_one_untouched(export, run, tmp_path):
    (tmp_path / "model").mkdir()
    export(run)
    with pytest.raises(FileExistsAlreadyError, match=r"--model_dir: .*model' is there already"):
        export(run, "model")
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_folder_that_fills_meanwhile_is_untouched(run, dataset, tmp_path):
    from sparkcv.programs.export import main

    task = driver.prepare(
        ExportConfig(checkpoint_path=run, model_dir=str(tmp_path / "model"), dataset_dir=dataset, model_name="cifarnet")
    ).task
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("x")
    (tmp_path / "scratch").mkdir()
    ctx = NodeContext(
        Role("exporter", 0), {}, task.to_params(), str(tmp_path / "scratch"), lambda status: None, lambda: False
    )
    with pytest.raises(FileExistsAlreadyError, match=r"model' is there already"):
        main(ctx)
    assert os.listdir(tmp_path / "model") == ["mine"]
    assert sorted(os.listdir(tmp_path)) == ["model", "scratch"]


@pytest.mark.parametrize("name", ["frozen_inference_graph.pb", "saved_model/saved_model.pb", "labels.txt"])
def test_the_proof_refuses_a_changed_file(export, run, name):
    from sparkcv.predict.export.proof import prove

    _, model_dir, _ = export(run)
    with open(f"{model_dir}/{name}", "r+b") as file:
        file.write(b"\xff")
    with pytest.raises(ModelError, match=name):
        prove(model_dir)


def test_the_proof_finds_two_forms_that_disagree(export, run, dataset, tmp_path):
    """The frozen graph of one model beside the SavedModel of another."""
    import shutil

    from sparkcv.predict.export.proof import prove

    _, one, _ = export(run)
    _, other, _ = export(run, "other", moving_average_decay=0.9)
    shutil.copytree(f"{other}/saved_model", f"{one}/saved_model", dirs_exist_ok=True)
    manifest = manifests.read_manifest(one)
    import dataclasses

    mixed = dataclasses.replace(manifest, files=manifests.describe_files(one))
    storage.write_bytes(f"{one}/model.json", mixed.to_bytes())
    with pytest.raises(ModelError, match="frozen graph and SavedModel differ by"):
        prove(one)


@pytest.mark.parametrize(
    ("name", "size", "node"),
    [
        ("cifarnet", 32, "CifarNet/Predictions/Reshape_1"),
        ("lenet", 28, "Predictions/Reshape_1"),
        ("resnet_v1_50", 32, "resnet_v1_50/predictions/Reshape_1"),
        ("inception_v2", 32, "InceptionV2/Predictions/Reshape_1"),
    ],
)
def test_the_frozen_graph_has_slims_output_by_its_name_and_equal_to_ours(export, tmp_path, name, size, node):
    import tensorflow.compat.v1 as tf

    url = write_run(tmp_path / "of", model_name=name, size=size)
    _, model_dir, _ = export(url, model_name=name, image_size=size)
    graph = tf.GraphDef.FromString(storage.read_bytes(f"{model_dir}/frozen_inference_graph.pb"))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph, name="")
        images = np.random.default_rng(0).normal(size=(3, size, size, 3))
        ours, slims = session.run(["probabilities:0", f"{node}:0"], {"input:0": images})
    assert ours.shape == slims.shape == (3, 4)
    np.testing.assert_array_equal(ours, slims)
    np.testing.assert_allclose(slims.sum(axis=1), 1, rtol=1e-5)


def test_a_text_graph_is_the_frozen_one(export, run, tmp_path):
    import tensorflow.compat.v1 as tf
    from google.protobuf import text_format

    path = tmp_path / "graph.pbtxt"
    _, model_dir, _ = export(run, output_file=str(path), write_text_graphdef=True)
    frozen = tf.GraphDef.FromString(storage.read_bytes(f"{model_dir}/frozen_inference_graph.pb"))
    assert text_format.Parse(path.read_text(), tf.GraphDef()) == frozen


def test_an_export_is_exported_again_from_its_graph_or_its_saved_model_with_the_same_classes(export, run, tmp_path):
    _, model_dir, _ = export(run)
    picture = [encode("RGB", "PNG")]
    _, again, _ = export(model_dir, "again", dataset_dir="")
    np.testing.assert_array_equal(saved_model(model_dir, picture), saved_model(again, picture))
    assert manifests.read_manifest(again).step == -1
    other = write_labels(tmp_path / "other", NAMES[::-1])
    with pytest.raises(LabelError, match=r"class 0 is 'circle' .*labels.txt\) and 'stripes' in"):
        export(f"{model_dir}/saved_model", "renamed", dataset_dir=other)
    with pytest.raises(CheckpointError, match="is of 'cifarnet', --model_name is 'lenet'"):
        export(model_dir, "lenet", model_name="lenet")
    path = tmp_path / "model" / "frozen_inference_graph.pb"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"frozen_inference_graph\.pb"):
        export(model_dir, "changed")


def test_a_whitened_run_is_exported_with_its_statistics_and_scores_alike(export, tmp_path):
    from sparkcv.records.statistics import FittedOn, Moments

    run = write_run(tmp_path / "whitened", size=8)
    of = FittedOn("shapes", "train", "ab" * 32, 9, "cifarnet", 8, False, "accurate")
    moments = Moments((8, 8, 3), has_covariance=True)
    moments.add(np.random.default_rng(2).uniform(size=(9, 8, 8, 3)).astype(np.float32))
    fitted = moments.fit(of, "zca", 0.1)
    fitted.write(f"{run}/statistics.npz")
    result, model_dir, _ = export(run, normalization="zca", image_size=8)
    assert result["proof"] < 1e-5
    manifest = manifests.read_manifest(model_dir)
    assert manifest.normalization == "zca"
    assert manifest.inputs["pictures"]["statistics"] == fitted.digest
    assert manifest.inputs["frozen_graph"]["values"].startswith("whitened")
    assert "statistics.npz" in manifest.files
    picture = encode("RGB", "PNG")
    with Predictor.load(model_dir, str(tmp_path / "cache")) as predictor:
        (answer,) = predictor.predict([picture], top_k=len(NAMES))
    ours = [dict(answer.top_k)[name] for name in NAMES]
    np.testing.assert_allclose(ours, saved_model(model_dir, [picture])[0], atol=1e-5)
    fields = dict(vars(manifest))
    for changed, told in (
        ({"files": {name: file for name, file in manifest.files.items() if name != "statistics.npz"}}, "names no"),
        ({"inputs": {"pictures": {"normalization": "zac"}}}, "normalization 'zac', wanted one of own"),
    ):
        data = manifests.ModelManifest(**fields | changed).to_bytes()
        with pytest.raises(ModelError, match=told):
            manifests.parse_manifest(data, "model.json")


def test_an_exported_model_tells_who_starts_from_it_how_its_pictures_are_prepared(export, tmp_path, caplog):
    folder = tmp_path / "data"
    data.write_dataset(folder, data.drawn_shards(1, 6), split="test")
    moments = Moments((24, 24, 3), has_covariance=False)
    moments.add(np.random.default_rng(0).uniform(size=(5, 24, 24, 3)).astype(np.float32))
    given = str(tmp_path / "given.npz")
    moments.fit(FittedOn("shapes", "train", "ab", 5, "inception", 24, False, "accurate"), "", 0.1).write(given)
    told = {"image_size": 24, "preprocessing_name": "inception", "normalization": "feature_wise", "statistics": given}
    run = write_run(tmp_path / "small", size=24, num_classes=3)
    _, model_dir, _ = export(run, dataset_dir=str(folder), labels_offset=0, **told)
    again = driver.prepare(ExportConfig(checkpoint_path=model_dir, model_dir=f"{model_dir}-2", model_name="cifarnet"))
    task = again.task
    own = f"{model_dir}/statistics.npz"
    assert (task.image_size, task.preprocessing, task.labels) == (24, "inception", data.CLASSES)
    assert (task.config.normalization, task.config.statistics) == ("feature_wise", own)
    asked = EvalConfig(
        checkpoint_path=model_dir,
        eval_dir=str(tmp_path / "eval"),
        dataset_dir=str(folder),
        dataset_name="shapes",
        model_name="cifarnet",
        preprocessing_name="inception",
        eval_image_size=24,
    )
    plan = evaluate_plan.prepare(asked)
    assert (plan.config.normalization, plan.config.statistics) == ("feature_wise", own)
    assert "the model was exported" not in caplog.text
    evaluate_plan.prepare(dataclasses.replace(asked, normalization="own", preprocessing_name=None))
    assert "the model was exported with the preprocessing inception and is evaluated with cifarnet" in caplog.text
