"""The training job: what it refuses before anything starts, a resumed run, a finished run, a run whose data is bad."""

import json
import pathlib
import shutil

import pytest

from jobs import reproduce
from jobs import train_image_classifier as job
from sparkcv import storage
from sparkcv.records import example, tfrecord


@pytest.fixture
def flags(dataset, tmp_path):
    """Flags of a run that could start."""
    return {
        "dataset_dir": dataset,
        "dataset_name": "shapes",
        "train_dir": tmp_path / "run",
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "train_image_size": 32,
        "batch_size": 8,
        "max_number_of_steps": 10,
        "num_ps_tasks": 1,
        "cluster_size": 3,
    }


def run(flags, **changes):
    return job.main([f"--{name}={value}" for name, value in {**flags, **changes}.items() if value is not None])


def one_sentence(capsys):
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("train_image_classifier.py:")]) == 1
    return lines[-1]


@pytest.mark.spark
@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"model_name": "inception_v33"}, 2, "inception_v3"),
        ({"train_image_size": 74, "model_name": "inception_v3"}, 2, "75"),
        ({"preprocessing_name": "incepton"}, 2, "inception"),
        ({"train_image_size": 257, "preprocessing_name": "vgg"}, 2, "257"),
        ({"dataset_dir": None}, 2, "--dataset_dir is missing"),
        ({"dataset_dir": "/no/such/folder"}, 1, "/no/such/folder"),
        ({"dataset_dir": "nosuch://x/y"}, 2, "nosuch"),
        ({"dataset_name": "shape"}, 1, "shape"),
        ({"dataset_split_name": "test"}, 1, "test"),
        ({"labels_offset": 7}, 2, "leaves 1 of the 8 classes"),
        ({"train_dir": "/proc/run"}, 1, "/proc/run"),
        ({"num_ps_tasks": 3}, 2, "leaves no worker"),
        ({"cluster_size": 9}, 1, "9"),
        ({"trainable_scopes": "NoSuchScope"}, 2, "NoSuchScope"),
        ({"learning_rate_scales": "CifarNet/logit=2"}, 2, "did you mean 'CifarNet/logits'"),
        ({"checkpoint_exclude_scopes": "CifarNet/logits"}, 2, "without --checkpoint_path: got nothing to restore"),
        ({"num_clones": 99}, 2, "--num_clones 99 wants a GPU for each tower of a worker"),
        ({"checkpoint_path": "/no/such.ckpt"}, 1, "/no/such.ckpt"),
    ],
)
def test_what_can_never_work_is_told_in_one_sentence(flags, changes, code, sentence, capsys):
    assert run(flags, **changes) == code
    said = capsys.readouterr().err
    assert sentence in next(line for line in said.splitlines() if line.startswith("train_image_classifier.py:"))
    assert "Traceback" not in said


@pytest.mark.spark
def test_an_empty_dataset_is_refused(flags, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(flags, dataset_dir=tmp_path / "empty") == 1
    assert str(tmp_path / "empty") in one_sentence(capsys)


@pytest.mark.spark
def test_a_shard_that_the_manifest_does_not_match_is_refused_with_both_sizes(flags, dataset, tmp_path, capsys):
    shutil.copytree(dataset, tmp_path / "data")
    shard = sorted((tmp_path / "data").glob("*.tfrecord"))[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    assert run(flags, dataset_dir=tmp_path / "data") == 1
    said = one_sentence(capsys)
    assert shard.name in said
    assert str(shard.stat().st_size) in said.replace(",", "")
    assert not (tmp_path / "run").exists()


@pytest.mark.spark
def test_a_run_ends_at_its_target_says_so_when_repeated_and_resumes_when_the_target_moves(flags, tmp_path, capsys):
    assert run(flags) == 0
    assert "read back and whole" in capsys.readouterr().out
    checkpoints = sorted(path.name for path in (tmp_path / "run").glob("model.ckpt-*"))
    assert run(flags) == 0
    assert "already finished: step 1" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").glob("model.ckpt-*")) == checkpoints
    newest = max(int(name.split("-")[1].split(".")[0]) for name in checkpoints)
    assert run(flags, max_number_of_steps=newest + 8) == 0
    resumed = json.loads((tmp_path / "run" / "run.json").read_text())["resumed_from_step"]
    assert resumed == newest
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines if line]  # an empty line parts two runs
    assert min(step for step in steps if step > newest) > newest
    assert run(flags, model_name="lenet", train_image_size=28) == 1
    assert "holds a run with model_name 'cifarnet'" in one_sentence(capsys)


@pytest.mark.spark
def test_a_run_that_gets_no_better_ends_early_keeps_the_best_and_is_started_again_elsewhere(flags, tmp_path, capsys):
    """With an evaluator, on Spark's executors; the learning rate moves nothing, so that the first one is the best."""
    early = {
        "model_name": "lenet",
        "train_image_size": 28,
        "max_number_of_steps": 10**6,
        "num_ps_tasks": None,
        "cluster_size": 2,
        "num_evaluators": 1,
        "eval_split_name": "train",
        "eval_max_images": 8,
        "early_stopping_evaluations": 2,
        "keep_best": "true",
        "keep_checkpoints": 1,
        "save_interval_secs": 2,
        "learning_rate": 1e-12,
        "learning_rate_decay_type": "fixed",
        "optimizer": "sgd",
    }
    assert run(flags, **early) == 0
    assert "stopped early: none of the" in capsys.readouterr().out
    kept = {int(path.name.split("-")[1].split(".")[0]) for path in (tmp_path / "run").glob("model.ckpt-*.index")}
    best = json.loads((tmp_path / "run" / "best.json").read_text())["step"]
    last = json.loads((tmp_path / "run" / "status.json").read_text())["step"]
    assert best < last
    assert kept >= {best, last}
    assert len(kept) <= 3  # the last one may have been evaluated meanwhile
    assert run(flags, **early) == 0  # at once, and no step is made

    words = [str(tmp_path / "run"), f"--train_dir={tmp_path / 'again'}", "--max_number_of_steps=5"]
    capsys.readouterr()
    assert reproduce.main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("trained to step 5: ")
    assert f"differs from the run in {tmp_path / 'run'}:\n  --max_number_of_steps: 1000000 then, 5 now" in said
    told = json.loads((tmp_path / "again" / "run.json").read_text())
    assert told["reproduces"] == str(tmp_path / "run")
    assert reproduce.main(words) == 0
    assert "already finished: step 5" in capsys.readouterr().out


@pytest.mark.spark
def test_a_damaged_newest_checkpoint_is_passed_over_and_no_valid_one_is_never_step_0(flags, tmp_path, capsys):
    assert run(flags) == 0
    data = next((tmp_path / "run").glob("model.ckpt-*.data-*"))
    data.write_bytes(data.read_bytes()[:-1])
    assert run(flags) == 1
    assert "checkpoint" in one_sentence(capsys)
    assert "run/model.ckpt" in str(data)


@pytest.mark.spark
def test_labels_out_of_range_are_quarantined_and_end_the_run_over_the_budget(flags, tmp_path, dataset, capsys):
    data = tmp_path / "data"
    data.mkdir()
    (data / "labels.txt").write_text((dataset / "labels.txt").read_text())
    frames = []
    for record in tfrecord.read_records(sorted(dataset.glob("*.tfrecord"))[0].read_bytes(), "x"):
        frames.append(tfrecord.frame(bytes(record.payload)))
    good = example.decode(bytes(next(iter(tfrecord.read_records(frames[0], "x"))).payload))
    bad = example.ImageExample(good.encoded, good.format, 99, good.text, good.height, good.width, "bad.jpg")
    (data / "shapes_train-00000-of-00001.tfrecord").write_bytes(
        b"".join([*frames, tfrecord.frame(example.encode(bad))])
    )
    assert run(flags, dataset_dir=data, bad_record_budget=0.5) == 0
    capsys.readouterr()
    listed = [
        json.loads(line)
        for path in (tmp_path / "run" / "quarantine").iterdir()
        for line in path.read_text().splitlines()
    ]
    assert any("99" in line["reason"] for line in listed)
    assert run(flags, dataset_dir=data, train_dir=tmp_path / "run2", bad_record_budget=0) == 1
    said = capsys.readouterr().err
    assert "bad" in said
    assert json.loads((tmp_path / "run2" / "status.json").read_text())["state"] == "failed"


@pytest.mark.spark
def test_a_flag_without_a_meaning_here_is_accepted_and_says_why(flags, capsys):
    assert run(flags, master="grpc://x", task=1, dataset_dir="/no/such/folder") == 1
    said = capsys.readouterr().err
    assert "--master grpc://x is unused: Spark places the roles" in said
    assert "--task 1 is unused" in said


def test_every_path_of_the_job_is_a_storage_url():
    assert storage.resolve("file:///a/b/") == storage.resolve("file:///a/b")
    assert pathlib.Path(storage.resolve("a/b")).is_absolute()
