"""The scopes of fine-tuning and of learning rates against the net's variables, before anything starts.

The names are asked of a process that builds the net, which takes some seconds, where there is a scope to look at.
"""

import dataclasses
import json
import os
import subprocess
from collections.abc import Sequence

from sparkcv import logs, nets
from sparkcv.config import TrainConfig
from sparkcv.config.number_lists import parse_scales
from sparkcv.driver import checkpoint_checks
from sparkcv.launchers.python_module import start_module
from sparkcv.rundir import checkpoint
from sparkcv.train import scopes

__all__ = ["NetVariables", "ask", "check", "check_names"]

_PROGRAM = "sparkcv.programs.net_variables"
_TIMEOUT_S = 180.0
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class NetVariables:
    """Names of a net's variables as it is trained: those that an optimizer moves, and all that a checkpoint holds."""

    trainable: Sequence[str]
    model: Sequence[str]


def check(config: TrainConfig, num_classes: int) -> None:
    """Raise UsageError for a scope that matches no variable of the net, or where nothing is left to train or restore.

    Where the process that knows the net cannot run, as without TensorFlow, that is left to the workers.
    """
    is_restored = config.checkpoint_path is not None and bool(config.checkpoint_exclude_scopes)
    if not (is_restored or config.trainable_scopes or config.learning_rate_scales):
        return
    known = ask(config, num_classes)
    if known is not None:
        index = checkpoint_checks.index_of(checkpoint.locate(str(config.checkpoint_path))) if is_restored else None
        check_names(config, known, list(index.tensors) if index is not None else None)


def check_names(config: TrainConfig, known: NetVariables, saved: Sequence[str] | None = None) -> None:
    """Do what :func:`check` does, with the names of the net's variables, and of those ``saved`` if they are known."""
    is_lenient = config.ignore_missing_scopes
    trained = scopes.to_train(config.trainable_scopes, known.trainable, ignore_missing_scopes=is_lenient)
    scopes.rate_scales(parse_scales(config.learning_rate_scales), trained)
    if config.checkpoint_path:
        is_lenient = is_lenient or saved is None  # a scope may be of the checkpoint alone, such as an old head's
        excluded = config.checkpoint_exclude_scopes
        scopes.to_restore(excluded, known.model, saved=saved or (), ignore_missing_scopes=is_lenient)


def ask(config: TrainConfig, num_classes: int) -> NetVariables | None:
    """Return the names of the variables of the net that ``config`` trains; None if the process cannot tell."""
    net = nets.get(config.model_name)
    asked = {
        "model_name": net.name,
        "image_size": config.train_image_size or net.default_image_size,
        "channels": 1 if config.use_grayscale else 3,
        "num_classes": num_classes,
    }
    try:
        with start_module(
            _PROGRAM, [json.dumps(asked)], os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
        "scopes are compared with the net's variables by the workers, not before: %s", logs.clean(reason)[:300]
    )
    return None
