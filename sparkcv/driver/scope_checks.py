"""The scopes of fine-tuning and of learning rates, and a checkpoint to start from, against the net's variables.

These are asked of a process that builds the net, which takes some seconds, before anything starts.
"""

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from sparkcv import logs, nets
from sparkcv.config import TrainConfig
from sparkcv.config.number_lists import parse_scales
from sparkcv.driver import checkpoint_checks
from sparkcv.launchers.python_module import start_module
from sparkcv.rundir import checkpoint
from sparkcv.rundir.checkpoint_index import CheckpointIndex
from sparkcv.train import scopes, warmstart_plan

__all__ = ["NetVariables", "ask", "check", "check_restored", "check_scopes"]

_PROGRAM = "sparkcv.programs.net_variables"
_TIMEOUT_S = 180.0
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class NetVariables:
    """A net's variables as it is trained: names of those that an optimizer moves, and the shapes of all, by name."""

    trainable: Sequence[str]
    model: Mapping[str, Sequence[int]]


def check(config: TrainConfig, num_classes: int) -> None:
    """Refuse a scope that matches no variable of the net, one that leaves nothing, and a checkpoint that does not fit.

    Where the process that knows the net cannot run, as without TensorFlow, that is left to the workers. A checkpoint of
    the first version is compared by them, too.

    Raises:
        UsageError: a scope that matches nothing, or nothing is left to train, or to restore.
        CheckpointError: the checkpoint lacks variables that are to be restored, or has other shapes of them.
    """
    if all(flag is None for flag in (config.checkpoint_path, config.trainable_scopes, config.learning_rate_scales)):
        return
    known = ask(config, num_classes)
    if known is None:
        return
    check_scopes(config, known)
    if config.checkpoint_path:
        found = checkpoint.locate(config.checkpoint_path)
        index = None if found.kind else checkpoint_checks.index_of(found)  # a model was compared when it was read
        if index is not None:
            check_restored(config, known, index)


def check_scopes(config: TrainConfig, known: NetVariables) -> None:
    """Raise UsageError for a scope to train, or with a learning rate, that matches nothing, or leaves nothing."""
    is_lenient = config.ignore_missing_scopes
    trained = scopes.to_train(config.trainable_scopes, known.trainable, ignore_missing_scopes=is_lenient)
    scopes.rate_scales(parse_scales(config.learning_rate_scales), trained)


def check_restored(config: TrainConfig, known: NetVariables, index: CheckpointIndex) -> None:
    """Raise UsageError or CheckpointError where the variables to restore are not those of the checkpoint."""
    warmstart_plan.plan(
        index.prefix_url,
        {name: tensor.shape for name, tensor in index.tensors.items()},
        known.model,
        exclude_scopes=config.checkpoint_exclude_scopes,
        ignore_missing_vars=config.ignore_missing_vars,
        ignore_missing_scopes=config.ignore_missing_scopes,
    )


def ask(config: TrainConfig, num_classes: int) -> NetVariables | None:
    """Return the variables of the net that ``config`` trains; None if the process cannot tell."""
    net = nets.get(config.model_name)
    asked = {
        "model_name": net.name,
        "image_size": config.train_image_size or net.default_image_size,
        "channels": 1 if config.use_grayscale else 3,
        "num_classes": num_classes,
    }
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    try:
        with start_module(
            _PROGRAM, [json.dumps(asked)], env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                said, complaint = process.communicate(timeout=_TIMEOUT_S)
            finally:
                process.kill()
        return NetVariables(**json.loads(said.strip().splitlines()[-1]))
    except subprocess.TimeoutExpired:
        reason = f"no answer in {_TIMEOUT_S:g} s"
    except OSError as err:
        reason = str(err)
    except (ValueError, IndexError, TypeError):
        reason = (complaint.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
    _log.warning(
        "scopes and checkpoint are compared with the net by the workers, not before: %s", logs.clean(reason)[:300]
    )
    return None
