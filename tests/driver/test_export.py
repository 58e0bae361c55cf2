import json
import subprocess
import sys

import pytest

from sparkcv import storage
from sparkcv.config import ExportConfig
from sparkcv.driver import export
from sparkcv.errors import CheckpointError, FileExistsAlreadyError, MissingFileError, ShardError, UsageError
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
        ({"labels_offset": 3}, UsageError, r"names 1 classes with --labels_offset 3; wanted 2"),
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


def test_neither_driver_nor_scoring_loads_tensorflow():
    probe = (
        "import sys, sparkcv.driver.export, sparkcv.driver.score, sparkcv.predict.tasks;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'tf_slim', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
