import json
import subprocess
import sys

import pytest

from sparkcv import storage
from sparkcv.config import ExportConfig
from sparkcv.driver import export
from sparkcv.errors import (
    CheckpointError,
    FileExistsAlreadyError,
    LabelError,
    MissingFileError,
    ShardError,
    StorageError,
    UsageError,
)
from sparkcv.rundir import checkpoint_publication
from tests.fixtures import bundles
from tests.predict.checkpoints import NAMES, write_labels, write_run

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning")  # the layers that TF-Slim uses


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def dataset(tmp_path):
    return write_labels(tmp_path / "dataset")


def prepare(tmp_path, run, **flags):
    fields = {"checkpoint_path": run, "model_dir": str(tmp_path / "model"), "model_name": "cifarnet"}
    return export.prepare(ExportConfig(**(fields | flags))).task


@pytest.fixture
def told_run(run):
    """Writes the run.json that training leaves beside its checkpoints."""
    url = f"{run}/run.json"

    def write(**changes):
        value = {
            "model_name": "cifarnet",
            "num_classes": len(NAMES),
            "labels": list(NAMES),
            "config": {"train_image_size": 24, "preprocessing_name": "inception"},
        }
        storage.write_json(url, value | changes)
        return run

    yield write
    storage.delete(url)


@pytest.mark.tensorflow
def test_flags_that_are_not_set_come_from_the_net(tmp_path, run, dataset):
    task = prepare(tmp_path, run, dataset_dir=dataset)
    assert (task.image_size, task.preprocessing, task.labels) == (32, "cifarnet", NAMES)
    assert (task.found.step, task.found.prefix_url) == (5, f"{run}/model.ckpt-5")


@pytest.mark.tensorflow
def test_flags_that_are_not_set_come_from_the_run_first(tmp_path, told_run):
    task = prepare(tmp_path, told_run())
    assert (task.image_size, task.preprocessing, task.labels) == (24, "inception", NAMES)
    task = prepare(tmp_path, told_run(), image_size=32, preprocessing_name="vgg_16")
    assert (task.image_size, task.preprocessing) == (32, "vgg")


@pytest.mark.tensorflow
def test_a_run_of_grey_pictures_is_not_exported_for_coloured_ones(tmp_path, told_run):
    said = r"--use_grayscale false: '.*/model.ckpt-5' was trained on grey pictures; wanted --use_grayscale true"
    with pytest.raises(UsageError, match=said):
        prepare(tmp_path, told_run(config={"use_grayscale": True}))
    assert prepare(tmp_path, told_run(config={"use_grayscale": True}), use_grayscale=True).config.use_grayscale


@pytest.mark.tensorflow
def test_labels_that_the_run_tells_have_the_offset_of_its_training(tmp_path, told_run):
    run = told_run(config={"labels_offset": 1})
    task = prepare(tmp_path, run)
    assert (task.labels, task.config.labels_offset) == (NAMES, 1)
    assert prepare(tmp_path, run, labels_offset=1).config.labels_offset == 1
    with pytest.raises(UsageError, match="--labels_offset: got 2, the net was trained with 1; wanted that"):
        prepare(tmp_path, run, labels_offset=2)


@pytest.mark.tensorflow
def test_a_prefix_is_as_good_as_the_folder(tmp_path, run, dataset):
    assert prepare(tmp_path, f"{run}/model.ckpt-5", dataset_dir=dataset).found.step == 5


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("flags", "kind", "said"),
    [
        ({"model_name": "inceptoin_v3"}, UsageError, "did you mean 'inception_v3'"),
        ({"preprocessing_name": "inseption"}, UsageError, "did you mean 'inception'"),
        ({"image_size": 1}, UsageError, "image size 1 does not fit cifarnet"),
        ({"checkpoint_path": "/no/such/run"}, MissingFileError, "'/no/such/run'"),
        ({"dataset_dir": "/no/such/dataset"}, ShardError, r"'/no/such/dataset' has no labels\.txt"),
        ({"dataset_dir": ""}, UsageError, r"--dataset_dir is missing: .* has no run\.json that tells the labels"),
        ({"output_file": "/tmp"}, UsageError, "--output_file: '/tmp' is a folder, wanted the name of a file"),
        ({"output_file": f"{__file__}/graph.pb"}, StorageError, r"test_export\.py"),
        (
            {"labels_offset": 3},
            UsageError,
            r"--labels_offset 3 leaves 1 of the 4 classes in .*labels\.txt; wanted",
        ),
    ],
)
def test_bad_flags_are_told_before_anything_starts(tmp_path, run, dataset, flags, kind, said):
    with pytest.raises(kind, match=said):
        prepare(tmp_path, run, **({"dataset_dir": dataset} | flags))
    assert not (tmp_path / "model").exists()


@pytest.mark.tensorflow
def test_a_run_of_another_net_or_other_classes_is_refused_before_anything_starts(tmp_path, told_run, dataset):
    with pytest.raises(CheckpointError, match="is of lenet, --model_name is cifarnet"):
        prepare(tmp_path, told_run(model_name="lenet"))
    with pytest.raises(CheckpointError, match=r"trained on 9 classes, .*labels\.txt names 4 with --labels_offset 0"):
        prepare(tmp_path, told_run(num_classes=9), dataset_dir=dataset)


@pytest.mark.tensorflow
def test_a_run_json_that_is_none_is_told(tmp_path, told_run):
    run = told_run()
    storage.write_text(f"{run}/run.json", json.dumps([1]))
    with pytest.raises(CheckpointError, match="is not the description of a run"):
        prepare(tmp_path, run)


def test_a_folder_without_checkpoints_is_told(tmp_path, dataset):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        prepare(tmp_path, str(tmp_path / "empty"), dataset_dir=dataset)


def test_a_model_that_is_there_is_not_replaced(tmp_path, dataset):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "x").write_text("x")
    with pytest.raises(FileExistsAlreadyError, match=r"--model_dir: .* is there already; wanted a new or an empty"):
        prepare(tmp_path, "/run", dataset_dir=dataset)


CIFARNET = {"CifarNet/conv1/weights": (5, 5, 3, 64), "CifarNet/logits/biases": (4,), "global_step": ()}


@pytest.fixture
def foreign(tmp_path):
    """A folder as TF-Slim leaves it, without manifests or run.json."""
    bundles.write(tmp_path / "slim", CIFARNET, "model.ckpt-5")
    bundles.write(tmp_path / "slim", CIFARNET, "model.ckpt-15")
    return str(tmp_path / "slim")


@pytest.mark.parametrize("names", [(*NAMES[:2], NAMES[3], NAMES[2]), ("circle", "square", "moon", "stripes")])
def test_labels_of_another_order_or_other_names_than_the_runs_are_refused(tmp_path, foreign, names):
    storage.write_json(f"{foreign}/run.json", {"model_name": "cifarnet", "num_classes": 4, "labels": list(NAMES)})
    other = write_labels(tmp_path / "other", names)
    said = rf"class 2 is 'star' to the checkpoint .*run\.json\) and '{names[2]}' in .*other/labels\.txt"
    with pytest.raises(LabelError, match=said):
        prepare(tmp_path, foreign, dataset_dir=other)
    background = write_labels(tmp_path / "background", ("background", *NAMES))
    assert prepare(tmp_path, foreign, dataset_dir=background, labels_offset=1).labels == NAMES


def test_a_manifest_tells_the_classes_where_there_is_no_run_json(tmp_path, dataset):
    prefix = bundles.write(tmp_path / "local", CIFARNET, "model.ckpt-5")
    run_url = str(tmp_path / "alone")
    checkpoint_publication.publish(prefix, 5, run_url, model_name="cifarnet", extra={"labels": list(NAMES)})
    assert prepare(tmp_path, run_url).labels == NAMES
    with pytest.raises(LabelError, match=r"class 0 is 'circle' .*model\.ckpt-5\.json"):
        prepare(tmp_path, run_url, dataset_dir=write_labels(tmp_path / "other", NAMES[::-1]))


def test_a_folder_of_slim_is_exported_at_its_newest(tmp_path, foreign, dataset, caplog):
    assert prepare(tmp_path, foreign, dataset_dir=dataset).found.step == 15
    assert "has no manifest: it is taken as it is" in caplog.text
    with pytest.raises(CheckpointError, match="is of another net: its variables lie in CifarNet"):
        prepare(tmp_path, foreign, dataset_dir=dataset, model_name="lenet")


def test_a_damaged_frozen_graph_is_told_before_spark(tmp_path, dataset):
    (tmp_path / "frozen.pb").write_bytes(b"\n\x0c\n\x05input")
    with pytest.raises(CheckpointError, match=r"frozen\.pb' is no frozen graph, or damaged"):
        prepare(tmp_path, str(tmp_path / "frozen.pb"), dataset_dir=dataset)


def test_neither_driver_nor_scoring_loads_tensorflow():
    probe = (
        "import sys, sparkcv.driver.export, sparkcv.driver.score, sparkcv.predict.tasks;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'tf_slim', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr
