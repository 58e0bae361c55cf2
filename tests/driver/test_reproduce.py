"""A run is started again from its run.json: with its flags, and what differs from then is said, or it is refused."""

import dataclasses
import json

import pytest

from sparkcv import config as configs
from sparkcv.config import ReproduceConfig, TrainConfig
from sparkcv.driver import reproduce, train
from sparkcv.driver.train_plan import describe
from sparkcv.errors import CheckpointError, FileExistsAlreadyError, LabelError, MissingFileError, ShardError, UsageError
from sparkcv.rundir.description import RunDescription
from tests.inputs import data


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    data.write_dataset(folder, data.drawn_shards(2, 4, 32))
    return folder


@pytest.fixture
def run_dir(dataset, tmp_path):
    """A run that was described and left."""
    flags = {"model_name": "lenet", "train_image_size": 28, "max_number_of_steps": 50, "cluster_size": 1, "seed": 7}
    config = TrainConfig(dataset_dir=str(dataset), dataset_name="shapes", train_dir=str(tmp_path / "run"), **flags)
    (tmp_path / "run").mkdir()
    describe(train.prepare(config)).write(str(tmp_path / "run"))
    return tmp_path / "run"


def change(run_dir, **values):
    path = run_dir / "run.json"
    told = json.loads(path.read_text())
    told["config"].update(values.pop("config", {}))
    path.write_text(json.dumps({**told, **values}))


def again(run_dir, **flags):
    return reproduce.prepare(ReproduceConfig(run=str(run_dir), train_dir=str(run_dir.parent / "again"), **flags))


def differences(plan):
    return {each.what: (each.before, each.now) for each in plan.differences}


def test_the_same_flags_are_trained_on_the_same_data_in_a_new_folder(run_dir, tmp_path):
    plan = again(run_dir)
    former = RunDescription.read(str(run_dir)).config
    assert configs.to_dict(plan.training.config) == {**former, "train_dir": str(tmp_path / "again")}
    assert differences(plan) == {}
    assert plan.session().num_executors == 1
    assert describe(plan.training).reproduces == str(run_dir)
    assert not (tmp_path / "again" / "run.json").exists()


def test_what_differs_is_said(run_dir, tmp_path, dataset):
    told = RunDescription.read(str(run_dir))
    change(
        run_dir,
        sparkcv="0.1",
        source="abc",
        dataset_digest="0123456789abcdef",
        num_records=3,
        resumed_from_step=20,
        versions={**told.versions, "numpy": "1.0", "jax": "2"},
        config={"export_dir": str(tmp_path / "model")},
    )
    path = run_dir / "run.json"
    path.write_text(path.read_text().replace('"num_fetchers": 4, ', ""))
    found = differences(again(run_dir, max_number_of_steps=60))
    assert found["sparkcv"][0] == "0.1"
    assert found["code (digest of sparkcv's files)"][0] == "abc"
    assert found["numpy"][0] == "1.0"
    assert found["jax"] == ("2", "not installed")
    assert found["data"] == ("3 records (digest 0123456789ab)", f"8 records (digest {told.dataset_digest[:12]})")
    assert found["--max_number_of_steps"] == ("50", "60")
    assert found["--export_dir"] == (str(tmp_path / "model"), "not set")
    assert found["start"][0].startswith("resumed at step 20")
    report = str(reproduce.run(None, again(run_dir, dry_run=True)))
    assert report.startswith(f"differs from the run in {run_dir}:\n  sparkcv: 0.1 then, ")


def test_asynchronous_workers_are_told_to_give_other_weights(run_dir):
    change(run_dir, config={"cluster_size": 3, "num_ps_tasks": 1})
    assert "weights differ" in differences(again(run_dir))["steps of asynchronous workers"][1]


def test_a_dry_run_needs_no_spark_and_says_when_nothing_differs(run_dir):
    plan = again(run_dir, dry_run=True)
    assert plan.session() is None
    assert str(reproduce.run(None, plan)) == f"nothing that is known differs from the run in {run_dir}"


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda run: (run / "run.json").unlink(), MissingFileError, r"run\.json' does not exist: got no run in"),
        (lambda run: (run / "run.json").write_text("[]"), CheckpointError, "is not the description of a run"),
        (lambda run: change(run, config={"dataset_dir": None}), CheckpointError, "lacks the flags of the run"),
        (
            lambda run: change(run, config={"batch_sise": 3}),
            CheckpointError,
            "unknown setting 'batch_sise'.*batch_size",
        ),
        (lambda run: change(run, config={"batch_size": -3}), CheckpointError, "cannot be started again .* got -3"),
        (lambda run: change(run, labels=["a", "square", "star"]), LabelError, r"class 0 is 'a' to the run in "),
        (lambda run: change(run, num_classes=9, labels=[]), CheckpointError, "tells 9 classes apart, .* has 3; wanted"),
        (
            lambda run: change(run, config={"checkpoint_path": "/no/such.ckpt"}),
            (CheckpointError, MissingFileError),
            r"/no/such\.ckpt",
        ),
        (lambda run: [file.unlink() for file in run.parent.glob("data/*")], ShardError, "data"),
        (lambda run: describe_another(run), FileExistsAlreadyError, "holds a run already, and not one that reproduces"),
    ],
)
def test_what_cannot_be_started_again_is_refused(run_dir, spoil, error, said):
    spoil(run_dir)
    with pytest.raises(error, match=said):
        again(run_dir)


def describe_another(run_dir):
    (run_dir.parent / "again").mkdir()
    RunDescription(reproduces="/another").write(str(run_dir.parent / "again"))


def test_a_reproduction_that_was_stopped_goes_on(run_dir):
    plan = again(run_dir)
    describe(plan.training).write(plan.training.config.train_dir)
    assert again(run_dir).training.config == plan.training.config


def test_the_run_itself_is_no_new_folder(run_dir):
    with pytest.raises(UsageError, match="is the run itself; wanted a new folder"):
        reproduce.prepare(ReproduceConfig(run=str(run_dir), train_dir=f"{run_dir}/"))


def test_data_that_was_moved_is_named(run_dir, dataset, tmp_path):
    dataset.rename(tmp_path / "moved")
    with pytest.raises(MissingFileError):
        again(run_dir)
    plan = again(run_dir, dataset_dir=str(tmp_path / "moved"))
    assert differences(plan) == {"--dataset_dir": (str(dataset), str(tmp_path / "moved"))}


def test_the_runs_folder_may_stand_first_without_its_name():
    parsed = configs.parse(ReproduceConfig, ["/runs/a", "--train_dir", "/runs/b"], "reproduce.py")
    assert (parsed.run, parsed.train_dir) == ("/runs/a", "/runs/b")
    assert dataclasses.replace(parsed, dry_run=True) == configs.parse(
        ReproduceConfig, ["--run=/runs/a", "--train_dir=/runs/b", "--dry_run"], "reproduce.py"
    )
    with pytest.raises(UsageError, match="unexpected argument '/runs/b'"):
        configs.parse(ReproduceConfig, ["/runs/a", "/runs/b"], "reproduce.py")
    with pytest.raises(UsageError, match="--run is missing"):
        configs.parse(ReproduceConfig, ["--train_dir=/runs/b"], "reproduce.py")
