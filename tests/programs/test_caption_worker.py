"""The worker of a training of captions in one process: both phases, what each changes, and how it goes on."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.caption import caption_tower, caption_weights
from sparkcv.config import TrainCaptionsConfig
from sparkcv.driver import train_captions as driver
from sparkcv.errors import CheckpointError, LabelError, UsageError
from sparkcv.programs import train_captions
from sparkcv.records.manifest import read_manifest
from sparkcv.roles import NodeContext, Role
from sparkcv.rundir import checkpoint_publication
from sparkcv.rundir.description import RunDescription
from sparkcv.train import step
from tests.caption import caption_checkpoints, scene_shards

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of drawn scenes, a picture stored once."""
    folder = tmp_path_factory.mktemp("captions")
    scene_shards.write_dataset(folder)
    return folder


def train(folder, name, **flags):
    """One process's life of the run ``name``; returns what the worker gives."""
    config = TrainCaptionsConfig(
        **{
            "dataset_dir": str(folder / "data"),
            "train_dir": str(folder / name),
            "model_name": "cifarnet",
            "preprocessing_name": "inception",
            "train_image_size": 32,
            "batch_size": 4,
            "embedding_size": 8,
            "num_lstm_units": 8,
            "num_ps_tasks": 0,
            "num_preprocessing_threads": 2,
            "log_every_n_steps": 1,
            **flags,
        }
    )
    plan = driver.prepare(config)
    scratch = folder / f"scratch-{len(list(folder.iterdir()))}"
    scratch.mkdir()
    params = {"config": configs.to_dict(plan.config), "dataset": plan.dataset.to_dict()}
    given = json.loads(json.dumps(params))
    stop = lambda: False  # noqa: E731
    context = NodeContext(Role("worker", 0), {"worker": ["127.0.0.1:1"]}, given, str(scratch), lambda _: None, stop)
    return train_captions.main(context)


def variables(prefix):
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def rows(folder, name):
    lines = storage.read_text(str(folder / name / "metrics.jsonl")).splitlines()
    return [json.loads(line) for line in lines if line]  # a process that goes on begins with an empty line


def test_the_phases_train_what_they_should_and_go_on_where_they_stood(folder):
    warm = {"encoder_learning_rate": 0.06, "warmup_epochs": 0.25}
    both = train(folder, "both", train_encoder=True, **warm, max_number_of_steps=4)
    assert both["step"] == 4
    assert [row["learning_rate"] for row in rows(folder, "both")] == pytest.approx([0, 0.02, 0.04, 0.06])
    encoder = variables(both["checkpoint"])
    start = {"checkpoint_path": both["checkpoint"], "num_epochs_per_decay": 0.25}
    first = train(folder, "run", **start, max_number_of_steps=3)
    assert "restored" in first["warm_start"]
    # 24 records of two captions are 12 steps of 4: an epoch of captions, a quarter of which is 3 steps.
    longer = train(folder, "run", **start, max_number_of_steps=5)
    assert longer["step"] == 5
    assert [row["learning_rate"] for row in rows(folder, "run")][:5] == pytest.approx([2, 2, 2, 1, 1])
    done = variables(longer["checkpoint"])
    scopes = tuple(caption_weights.SCOPES.split(","))
    changed = {name for name, value in done.items() if not np.array_equal(value, encoder[name])} - {"global_step"}
    assert {name for name in changed if not name.startswith(scopes)} == set()
    assert {name.split("/")[0] for name in changed} == set(scopes)
    assert all(row["loss"] > 0 for row in rows(folder, "run"))
    # The second phase goes on in the same folder, and changes the encoder too.
    still = {"learning_rate_scales": "seq_embedding=0"}
    last = train(folder, "run", **start, **still, train_encoder=True, max_number_of_steps=6)
    after = variables(last["checkpoint"])
    assert any(not name.startswith(scopes) and not np.array_equal(after[name], done[name]) for name in after)
    np.testing.assert_array_equal(after["seq_embedding/map"], done["seq_embedding/map"])
    with pytest.raises(CheckpointError, match="basic_lstm_cell/bias is float32"):
        train(folder, "run", **start, num_lstm_units=16, max_number_of_steps=7)


@pytest.mark.parametrize(
    ("generation", "published"), [("today", False), ("first weights", False), ("linear", False), ("linear", True)]
)
def test_captions_of_any_generation_start_a_training(folder, tmp_path, generation, published):
    num_words = len(read_manifest(str(folder / "data")).labels)
    prefix = caption_checkpoints.write(tmp_path, generation, num_words=12000 if published else num_words)
    name = f"from-{generation.replace(' ', '-')}-{published}"
    flags = {"embedding_size": 6, "num_lstm_units": 5, "learning_rate": 1e-30, "max_number_of_steps": 1}
    done = train(folder, name, checkpoint_path=prefix, **flags)
    source, got = variables(prefix), variables(done["checkpoint"])
    found = caption_weights.fit({key: value.shape for key, value in source.items()}, num_words, prefix)
    for ours, theirs in found.names.items():
        wanted = source[theirs]
        if ours in ("seq_embedding/map", "logits/biases"):
            wanted = wanted[:num_words]
        elif ours == "logits/weights":
            wanted = wanted[:, :num_words]
        np.testing.assert_array_equal(got[ours], wanted)
    np.testing.assert_array_equal(got["CifarNet/conv1/weights"], source["CifarNet/conv1/weights"])
    told = json.loads((folder / name / "warm_start.json").read_text())
    assert set(found.names) <= set(told["restored"])
    assert told["source"] == prefix
    assert told["new"] == []


def test_captions_are_left_out_of_a_start_where_they_are_to_begin_anew(folder, tmp_path):
    prefix = caption_checkpoints.write(tmp_path)
    flags = {"checkpoint_path": prefix, "max_number_of_steps": 1}
    train(folder, "anew", checkpoint_exclude_scopes=caption_weights.SCOPES, **flags)
    told = json.loads((folder / "anew/warm_start.json").read_text())
    assert {name.partition("/")[0] for name in told["restored"]} == {"CifarNet"}
    assert {name.partition("/")[0] for name in told["new"]} == set(caption_weights.SCOPES.split(","))


def test_captions_of_other_sizes_or_words_do_not_start_a_training(folder, tmp_path):
    words = read_manifest(str(folder / "data")).labels
    prefix = caption_checkpoints.write(tmp_path, num_words=len(words))
    sizes = {"embedding_size": 6, "num_lstm_units": 5, "checkpoint_path": prefix}
    anew = "or --checkpoint_exclude_scopes image_embedding,seq_embedding,lstm,logits, which takes the encoder alone"
    for flag in ("embedding_size", "num_lstm_units"):
        sentence = rf"--{flag} 8: the captions of '.*' have {sizes[flag]}; wanted the same, {anew}"
        with pytest.raises(UsageError, match=sentence):
            train(folder, "none", **{**sizes, flag: 8})
    with pytest.raises(UsageError, match="without --checkpoint_path: got nothing to restore from"):
        train(folder, "none", train_encoder=True, checkpoint_exclude_scopes="logits")
    RunDescription(model_name="cifarnet", labels=(*words[:7], "zebra", *words[8:])).write(str(tmp_path))
    with pytest.raises(
        LabelError, match=rf"word 7 is 'zebra' to its captions and '{words[7]}' in the dataset; .*, {anew}"
    ):
        train(folder, "none", **sizes)
    (tmp_path / "few").mkdir()
    few = caption_checkpoints.write(tmp_path / "few")
    with pytest.raises(CheckpointError, match=rf"the vocabulary has {len(words)} words, .* has 8; .*, {anew}"):
        train(folder, "none", **{**sizes, "checkpoint_path": few})
    assert not (folder / "none").exists()


@pytest.mark.parametrize(("is_frozen", "num_updates"), [(False, 12), (True, 0)])
def test_frozen_batch_norm_is_that_of_a_trained_encoder_too(is_frozen, num_updates):
    """SceneNet has six layers of it, each with a mean and a variance."""
    flags = {"train_encoder": True, "freeze_batch_norm": is_frozen, "embedding_size": 8, "num_lstm_units": 8}
    config = TrainCaptionsConfig(model_name="scenenet", train_image_size=32, batch_size=2, **flags)
    with tf.Graph().as_default() as graph:
        step.build(
            config,
            num_records=8,
            num_classes=5,
            next_batch=lambda: (tf.zeros([2, 32, 32, 3]), tf.constant([[0, 1], [0, 2]], tf.int64)),
            build_tower=caption_tower.build_tower(config, 5),
        )
        assert len(graph.get_collection(tf.GraphKeys.UPDATE_OPS)) == num_updates


def test_a_second_phase_whose_optimizer_has_slots_is_refused_before_anything_starts(folder, tmp_path):
    run_dir = str(folder / "slots")
    for end in ("index", "data-00000-of-00001"):
        (tmp_path / f"model.ckpt-3.{end}").write_bytes(b"some bytes")
    checkpoint_publication.publish(str(tmp_path / "model.ckpt-3"), 3, run_dir, model_name="cifarnet")
    told = {"train_encoder": False, "embedding_size": 8, "num_lstm_units": 8}
    RunDescription(model_name="cifarnet", config=told).write(run_dir)
    with pytest.raises(
        UsageError, match=r"--train_encoder with --optimizer adam: .*wanted --optimizer sgd, or another"
    ):
        train(folder, "slots", train_encoder=True, optimizer="adam")


def test_captions_are_learned(tmp_path):
    scene_shards.write_dataset(tmp_path, number=4, num_shards=1, record_per_caption=True)
    train(
        tmp_path, "run", train_encoder=True, optimizer="adam", opt_epsilon=1e-8, encoder_learning_rate=0.02,
        max_number_of_steps=60, log_every_n_steps=20, lstm_dropout_keep=1.0, num_lstm_units=24,
    )  # fmt: skip
    losses = [row["loss"] for row in rows(tmp_path, "run")]
    assert losses[-1] < 0.4 * losses[0]
