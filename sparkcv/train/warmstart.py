"""Start from a published checkpoint, and train only a part of the net: slim's fine-tuning flags.

A start from the wrong checkpoint costs a whole run, so everything is checked against the file before a session
exists: what slim restores silently in part, or reports as a stack trace of Saver, is one sentence here.
"""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import storage
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.logs import get as get_logger
from sparkcv.rundir import checkpoint_named
from sparkcv.train import scopes
from sparkcv.train.scopes import split_scopes

__all__ = ["fetch", "init_fn", "split_scopes", "variables_to_restore", "variables_to_train"]

_NAMES_SHOWN = 3


def variables_to_train(trainable_scopes: str | None, *, ignore_missing_scopes: bool = False) -> list[Any]:
    """Return the default graph's trainable variables whose names begin with one of the scopes; all for None.

    A scope is a regular expression that must match at the beginning, as in ``tf.get_collection``. A variable that
    several scopes match counts once. Raise UsageError for a scope that matches nothing, unless
    ``ignore_missing_scopes``, and where nothing is left to train.
    """
    trainable = {variable.op.name: variable for variable in tf.trainable_variables()}
    chosen = scopes.to_train(trainable_scopes, list(trainable), ignore_missing_scopes=ignore_missing_scopes)
    return [trainable[name] for name in chosen]


def variables_to_restore(
    model_variables: Sequence[Any],
    exclude_scopes: str | None,
    *,
    saved: Sequence[str] = (),
    ignore_missing_scopes: bool = False,
) -> list[Any]:
    """Return the model's variables less those whose names begin with an excluded scope (plain text, as in slim).

    Raise UsageError for a scope that matches none of them and none of those ``saved`` in the checkpoint, unless
    ``ignore_missing_scopes``, and where nothing is left to restore.
    """
    names = [variable.op.name for variable in model_variables]
    for scope in scopes.missing(exclude_scopes, [*names, *saved], scopes.begins):
        refusal = scopes.refusal("checkpoint_exclude_scopes", scope, names, "variables of the net")
        if not ignore_missing_scopes:
            raise refusal
        get_logger(__name__).warning("%s", refusal)
    kept = [each for each in model_variables if not each.op.name.startswith(tuple(split_scopes(exclude_scopes)))]
    if not kept:
        raise UsageError(f"--checkpoint_exclude_scopes {exclude_scopes!r} leaves no variable to restore")
    return kept


def fetch(url: str, scratch_dir: str) -> str:
    """Copy the checkpoint at ``url`` to ``scratch_dir`` and return its local prefix.

    ``url`` is a prefix (``.../model.ckpt-100``), one file of the old format (``.../inception_v3.ckpt``), or a
    folder, of which the newest is taken: the one that its ``checkpoint`` file names. Raise CheckpointError when
    there is none.
    """
    if storage.is_dir(url):
        url = checkpoint_named.pointed(url)
    folder, name = storage.parent(url), storage.basename(url)
    wanted = re.compile(re.escape(name) + r"(\.index|\.data-\d+-of-\d+)?$")
    found = [entry for entry in storage.list_dir(folder) if wanted.match(entry.name) and not entry.is_dir]
    if not any(entry.name in (name, f"{name}.index") for entry in found):
        raise CheckpointError(f"there is no checkpoint {url}: neither {name}.index nor a file {name} in {folder}")
    for entry in found:
        storage.fetch(entry.url, os.path.join(scratch_dir, entry.name))
    return os.path.join(scratch_dir, name)


def init_fn(
    prefix: str,
    model_variables: Sequence[Any],
    *,
    exclude_scopes: str | None = None,
    ignore_missing_vars: bool = False,
    ignore_missing_scopes: bool = False,
    device: str = "",
) -> Callable[[Any], None]:
    """Add restore operations to the default graph; return a function that restores the variables in a session.

    ``prefix`` is a local checkpoint of either format, ``device`` where its files are. Raise CheckpointError, before
    anything runs, when the file cannot be read, lacks variables (unless ``ignore_missing_vars``) or has other shapes.
    """
    shapes = _shapes(prefix)
    wanted = variables_to_restore(
        model_variables, exclude_scopes, saved=list(shapes), ignore_missing_scopes=ignore_missing_scopes
    )
    missing = [variable.op.name for variable in wanted if variable.op.name not in shapes]
    if missing and not ignore_missing_vars:
        raise CheckpointError(
            f"checkpoint {prefix} lacks {len(missing)} of {len(wanted)} variables: {_some(missing)}; name them in "
            "--checkpoint_exclude_scopes or give --ignore_missing_vars"
        )
    present = [variable for variable in wanted if variable.op.name in shapes]
    if not present:
        raise CheckpointError(
            f"checkpoint {prefix} has none of the {len(wanted)} variables wanted ({_some(missing)}): "
            "it is of another net"
        )
    for variable in present:
        got, want = shapes[variable.op.name], variable.shape.as_list()
        if got != want:
            raise CheckpointError(
                f"variable {variable.op.name} has shape {got} in checkpoint {prefix} and {want} in the net; "
                "--checkpoint_exclude_scopes leaves it out"
            )
    if missing:
        get_logger(__name__).warning("%d variables are not in %s: %s", len(missing), prefix, _some(missing))
    with tf.device(device):
        saver = tf.train.Saver(present, name="warm_start")

    def restore(session: Any) -> None:
        try:
            saver.restore(session, prefix)
        except (tf.errors.OpError, ValueError) as err:
            raise CheckpointError(f"checkpoint {prefix} cannot be restored: {_first_line(err)}") from err
        get_logger(__name__).info("%d variables restored from %s", len(present), prefix)

    return restore


def _shapes(prefix: str) -> dict[str, list[int]]:
    try:
        return dict(tf.train.load_checkpoint(prefix).get_variable_to_shape_map())
    except (tf.errors.OpError, ValueError, RuntimeError) as err:
        raise CheckpointError(f"checkpoint {prefix} cannot be read: {_first_line(err)}") from err


def _first_line(err: Exception) -> str:
    return str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
