"""Scopes are compared with the net's variables before Spark starts: a process of its own knows them."""

import pytest

from sparkcv import logs
from sparkcv.config import TrainConfig
from sparkcv.driver import net_variables, scope_checks
from sparkcv.driver.net_variables import AskedNet, NetVariables
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.rundir import checkpoint_index
from tests.fixtures import bundles

KNOWN = NetVariables(
    trainable=("LeNet/conv1/weights", "LeNet/fc4/weights", "LeNet/fc4/biases"),
    model={
        "LeNet/conv1/weights": (3,),
        "LeNet/conv1/moving_mean": (3,),
        "LeNet/fc4/weights": (3,),
        "LeNet/fc4/biases": (3,),
    },
)


def config(**flags):
    return TrainConfig(model_name="lenet", train_image_size=28, **flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"learning_rate_scales": "LeNet/conv=0.1"}, "--learning_rate_scales has 'LeNet/conv', .* mean 'LeNet/conv1'"),
        ({"learning_rate_scales": "LeNet=0"}, "gives each of the 3 variables .* factor 0, so nothing would be trained"),
        (
            {"learning_rate_scales": "LeNet/conv1=0.1", "trainable_scopes": "LeNet/fc4"},
            "'LeNet/conv1', which matches none of the 2 variables that are trained",
        ),
        ({"trainable_scopes": "LeNet/fc5"}, "--trainable_scopes has 'LeNet/fc5', .* did you mean 'LeNet/fc4'"),
        ({"trainable_scopes": "LeNet/conv1/moving_mean"}, "matches none of the 3 trainable variables"),
        ({"trainable_scopes": "LeNet/f["}, "no regular expression"),
        ({"trainable_scopes": " , "}, "names no scope, so nothing would be trained"),
        ({"trainable_scopes": "Lenet", "ignore_missing_scopes": True}, "matches no variable, so nothing"),
    ],
)
def test_a_scope_that_cannot_work_is_refused(flags, said):
    with pytest.raises(UsageError, match=said):
        scope_checks.check_scopes(config(**flags), KNOWN)


def test_scopes_that_are_there_pass():
    flags = {"learning_rate_scales": "LeNet/fc4=1,LeNet=0.1,LeNet/conv1=0", "trainable_scopes": "LeNet/fc4,LeNet/conv"}
    scope_checks.check_scopes(config(**flags), KNOWN)
    lenient = {"trainable_scopes": "LeNet/fc4,LeNet/none", "learning_rate_scales": "LeNet/fc4=2"}
    scope_checks.check_scopes(config(**lenient, ignore_missing_scopes=True), KNOWN)


@pytest.fixture
def restored(tmp_path):
    """A function that compares a checkpoint of these variables with the net, under some flags."""

    def check(exclude=None, saved=(), **flags):
        shapes = {"LeNet/conv1/weights": (3,), "LeNet/old_head/weights": (3,), **dict(saved)}
        index = checkpoint_index.read(bundles.write(tmp_path, shapes))
        scope_checks.check_restored(
            config(checkpoint_path="/x", checkpoint_exclude_scopes=exclude, **flags), KNOWN, index
        )

    return check


def test_excluded_scopes_are_of_the_net_or_of_the_checkpoint_and_leave_something(restored):
    restored("LeNet/old_head,LeNet/fc4,LeNet/conv1/mov")
    with pytest.raises(UsageError, match=r"has 'LeNet/fc5', .* did you mean 'LeNet/fc4'"):
        restored("LeNet/fc5")
    restored("LeNet/fc4,LeNet/conv1/mov,LeNet/fc5", ignore_missing_scopes=True)
    with pytest.raises(UsageError, match="'LeNet' leaves no variable to restore"):
        restored("LeNet")


def test_a_checkpoint_of_other_variables_or_shapes_is_refused(restored):
    with pytest.raises(CheckpointError, match=r"lacks 1 of 2 variables: LeNet/conv1/moving_mean;"):
        restored("LeNet/fc4")
    restored("LeNet/fc4", ignore_missing_vars=True)
    with pytest.raises(CheckpointError, match="has none of the 2 variables wanted"):
        restored("LeNet/conv1", ignore_missing_vars=True)
    other = {"LeNet/conv1/moving_mean": (3, 1)}
    with pytest.raises(CheckpointError, match=r"moving_mean has shape \[3, 1\] in checkpoint .* and \[3\] in the net"):
        restored("LeNet/fc4", saved=other)
    restored("LeNet/fc4,LeNet/conv1/moving_mean", saved=other)


@pytest.mark.tensorflow
def test_the_process_knows_the_net_and_this_one_loads_no_tensorflow():
    known = net_variables.ask(AskedNet.trained_by(config(), 5))
    assert list(known.model) == known.trainable
    assert (len(known.model), known.model["LeNet/fc4/biases"]) == (8, [5])
    with pytest.raises(UsageError, match=r"--learning_rate_scales has 'LeNet/fc44', .* did you mean 'LeNet/fc4'"):
        scope_checks.check(config(learning_rate_scales="LeNet/fc44=2"), 5)


def test_where_the_process_cannot_tell_the_workers_look(monkeypatch, capsys):
    logs.setup("driver")
    monkeypatch.setattr(net_variables, "_PROGRAM", "sparkcv.no_such_program")
    scope_checks.check(config(), 5)
    assert capsys.readouterr().err == ""  # without a scope nothing is asked
    scope_checks.check(config(trainable_scopes="Typo"), 5)
    assert "by the workers, not before: " in capsys.readouterr().err
