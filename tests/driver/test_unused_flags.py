"""What a training says of flags that were given and change nothing."""

import pytest

from sparkcv import config
from sparkcv.config import TrainConfig, TrainText2ImageConfig
from sparkcv.config.train import DECAYS, OPTIMIZERS
from sparkcv.driver import train_captions, unused_flags
from sparkcv.errors import DataError, UsageError


def said(words, caplog, cls=TrainConfig):
    unused_flags.explain(config.parse(cls, words.split(), "train"))
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("words", "warnings"),
    [
        ("--momentum 0.8", ["--momentum 0.8 is unused: --optimizer rmsprop does not read it"]),
        ("--optimizer momentum --momentum 0.8", []),
        (
            "--optimizer adam --rmsprop_decay 0.8 --opt_epsilon 1e-8",
            ["--rmsprop_decay 0.8 is unused: --optimizer adam"],
        ),
        ("--end_learning_rate 0.001", ["--end_learning_rate 0.001 is unused: --learning_rate_decay_type exponential"]),
        ("--learning_rate_decay_type cosine --end_learning_rate 0.001 --num_epochs_per_decay 9", []),
        ("--replicas_to_aggregate 4", ["--replicas_to_aggregate 4 is unused: only --sync_replicas collects gradients"]),
        ("--replicas_to_aggregate 4 --sync_replicas", []),
        (
            "--learning_rate_decay_type polynomial --learning_rate 0.00005",
            ["--end_learning_rate 0.0001 is more than --learning_rate 5e-05: polynomial decay rises to it"],
        ),
        ("--learning_rate_decay_type polynomial --learning_rate 0.001", []),
        ("--eval_max_images 9", ["--eval_max_images 9 is unused: only --num_evaluators 1 evaluates while training"]),
        ("--eval_max_images 9 --num_evaluators 1", []),
        ("--master grpc://x --task 2", ["--master grpc://x is unused", "--task 2 is unused"]),
        ("--optimizer sgd --learning_rate_decay_type fixed", []),
    ],
)
def test_a_flag_that_changes_nothing_is_told_by_name(words, warnings, caplog):
    got = said(words, caplog)
    assert len(got) == len(warnings)
    assert all(line.startswith(wanted) for line, wanted in zip(got, warnings, strict=True))


@pytest.mark.parametrize("words", [f"--optimizer {name}" for name in OPTIMIZERS] + [f"--lr {name}" for name in DECAYS])
def test_nothing_is_told_of_defaults(words, caplog):
    assert said(words.replace("--lr", "--learning_rate_decay_type"), caplog) == []


@pytest.mark.parametrize(
    ("flags", "warnings"),
    [
        ({"learning_rate": 0.5}, []),
        ({"encoder_learning_rate": 0.5}, ["--encoder_learning_rate 0.5 is unused: only --train_encoder trains at it"]),
        ({"encoder_learning_rate": 0.5, "train_encoder": True}, []),
        (
            {"learning_rate": 0.5, "train_encoder": True},
            ["--learning_rate 0.5 is unused: with --train_encoder all train at --encoder_learning_rate"],
        ),
        (
            {"num_epochs_per_decay": 3.0, "train_encoder": True},
            [
                "--num_epochs_per_decay 3.0 is unused: --encoder_learning_rate falls with"
                " --encoder_learning_rate_decays only"
            ],
        ),
        ({"num_epochs_per_decay": 3.0, "train_encoder": True, "encoder_learning_rate_decays": True}, []),
    ],
)
def test_each_phase_of_captions_tells_of_the_learning_rate_of_the_other(tmp_path, flags, warnings, caplog):
    with pytest.raises(DataError, match="is no dataset of captions"):
        train_captions.prepare(config.TrainCaptionsConfig(dataset_dir=str(tmp_path), **flags))
    assert [record.getMessage() for record in caplog.records] == warnings


@pytest.mark.parametrize(
    ("cls", "flags", "who"),
    [
        (config.TrainCaptionsConfig, {}, "a training of captions"),
        (TrainText2ImageConfig, {}, "a training of pictures from captions"),
        (config.TrainStyleConfig, {"style_image": "s.png"}, "a style net's training"),
    ],
)
@pytest.mark.parametrize(
    "unused", [{"validation_fraction": 0.1}, {"image_column": "a"}, {"label_column": "b"}, {"name_column": "c"}]
)
def test_a_training_that_takes_no_table_has_no_use_for_its_columns(cls, flags, who, unused):
    ((name, value),) = unused.items()
    with pytest.raises(UsageError, match=f"^--{name} {value}: {who} has no use for it; wanted it unset"):
        cls(dataset_dir="d", **flags, **unused)


def test_another_trainings_defaults_are_its_own(caplog):
    assert said("", caplog, TrainText2ImageConfig) == []
