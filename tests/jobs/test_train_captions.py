"""The training of captions through the job's door: a run with a ps on Spark, and what is refused."""

import json

import pytest

from jobs import train_captions as job
from tests.caption import scene_shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of drawn scenes."""
    folder = tmp_path_factory.mktemp("captions")
    scene_shards.write_dataset(folder, number=12)
    return folder


def run(folder, train_dir, **changes):
    flags = {
        "dataset_dir": folder / "data",
        "train_dir": train_dir,
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "train_image_size": 32,
        "batch_size": 2,
        "embedding_size": 8,
        "num_lstm_units": 8,
        "max_number_of_steps": 4,
        "num_ps_tasks": 1,
        "cluster_size": 2,
        "train_encoder": True,
        **changes,
    }
    return job.main([f"--{name}={value}" for name, value in flags.items() if value is not None])


@pytest.mark.spark
@pytest.mark.tensorflow
def test_captions_are_trained_on_roles_and_resumed(spark, folder, tmp_path, capsys):
    assert run(folder, tmp_path / "run") == 0
    assert run(folder, tmp_path / "run", max_number_of_steps=6) == 0
    described = json.loads((tmp_path / "run/run.json").read_text())
    assert described["labels"][:2] == (folder / "data/word_counts.txt").read_text().split()[:4:2]
    assert described["config"]["num_lstm_units"] == 8
    assert described["config"]["augment"] == "slim=false"  # what is left of a thing stays there
    assert described["resumed_from_step"] == 4
    assert (tmp_path / "run/model.ckpt-6.index").exists()
    capsys.readouterr()
    assert run(folder, tmp_path / "run", max_number_of_steps=7, num_lstm_units=16) == 2
    assert "--num_lstm_units 16: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"train_encoder": False}, 2, "--checkpoint_path is missing: wanted the trained weights of cifarnet"),
        ({"dataset_dir": None}, 2, "--dataset_dir is missing"),
        ({"dataset_split_name": "test"}, 1, "has no split 'test', it has train"),
        ({"dataset_dir": "{folder}/scenes"}, 1, "is no dataset of captions: wanted one that `sparkcv convertcaptions`"),
        ({"trainable_scopes": "lstm"}, 2, "--trainable_scopes lstm: a training of captions has no use for it"),
        ({"num_evaluators": 1, "cluster_size": 3}, 2, "--num_evaluators 1: a training of captions has no use for it"),
        ({"cache": True}, 2, "--input_mode preloaded: a training of captions has no use for it"),
        ({"lstm_dropout_keep": 0}, 2, "--lstm_dropout_keep: got 0.0, wanted"),
        ({"checkpoint_path": "/no/model.ckpt-1"}, 1, "/no"),
        ({"model_name": "cifarnets"}, 2, "did you mean 'cifarnet'"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_written(folder, tmp_path, changes, code, sentence, capsys):
    given = {name: value.format(folder=folder) if isinstance(value, str) else value for name, value in changes.items()}
    assert run(folder, tmp_path / "run", **given) == code
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert sentence in line
    assert not (tmp_path / "run").exists()
