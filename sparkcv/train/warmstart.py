"""Start from a published checkpoint, and train only a part of the net: slim's fine-tuning flags.

A start from the wrong checkpoint costs a whole run, so everything is checked against the file before a session
exists: what slim restores silently in part, or reports as a stack trace of Saver, is one sentence here.
"""

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import storage
from sparkcv.errors import CheckpointError
from sparkcv.logs import get as get_logger
from sparkcv.rundir import checkpoint_model, checkpoint_named
from sparkcv.train import imported, scopes, warmstart_plan
from sparkcv.train.placement import whole_name, whole_shape
from sparkcv.train.warmstart_plan import WarmStart

__all__ = ["Source", "fetch", "init_fn", "shapes_of", "variables_to_train"]


@dataclass(frozen=True)
class Source:
    """A checkpoint to start from: its prefix on this machine, and what the user calls it.

    ``without`` are scopes of the net that it does not have, as it is of a part of the net, separated by commas.
    """

    prefix: str
    url: str
    without: str | None = None


def variables_to_train(trainable_scopes: str | None, *, ignore_missing_scopes: bool = False) -> list[Any]:
    """Return the default graph's trainable variables whose names begin with one of the scopes; all for None.

    A scope is a regular expression that must match at the beginning, as in ``tf.get_collection``. A variable that
    several scopes match counts once. Raise UsageError for a scope that matches nothing, unless
    ``ignore_missing_scopes``, and where nothing is left to train.
    """
    trainable = {variable.op.name: variable for variable in tf.trainable_variables()}
    chosen = scopes.to_train(trainable_scopes, list(trainable), ignore_missing_scopes=ignore_missing_scopes)
    return [trainable[name] for name in chosen]


def fetch(url: str, scratch_dir: str, model_name: str) -> Source:
    """Copy the checkpoint at ``url`` to ``scratch_dir``, or make one there of the weights of a model.

    ``url`` is a prefix (``.../model.ckpt-100``), one file of the old format (``.../inception_v3.ckpt``), a folder, of
    which the newest is taken: the one that its ``checkpoint`` file names, or a model of the net ``model_name``, see
    :mod:`sparkcv.rundir.checkpoint_model`. Raise CheckpointError when there is none.
    """
    model = checkpoint_model.locate(url)
    if model is not None:
        return Source(imported.fetch(model, scratch_dir, model_name), model.prefix_url)
    if storage.is_dir(url):
        url = checkpoint_named.pointed(url)
    folder, name = storage.parent(url), storage.basename(url)
    wanted = re.compile(re.escape(name) + r"(\.index|\.data-\d+-of-\d+)?$")
    found = [entry for entry in storage.list_dir(folder) if wanted.match(entry.name) and not entry.is_dir]
    if not any(entry.name in (name, f"{name}.index") for entry in found):
        raise CheckpointError(f"there is no checkpoint {url}: neither {name}.index nor a file {name} in {folder}")
    for entry in found:
        storage.fetch(entry.url, os.path.join(scratch_dir, entry.name))
    return Source(os.path.join(scratch_dir, name), url)


def init_fn(
    source: Source,
    model_variables: Sequence[Any],
    *,
    exclude_scopes: str | None = None,
    ignore_missing_vars: bool = False,
    ignore_missing_scopes: bool = False,
    frozen: Collection[str] = (),
    device: str = "",
) -> tuple[Callable[[Any], None], WarmStart]:
    """Add restore operations to the default graph; return a function that restores in a session, and what it does.

    ``source`` is of either format of a checkpoint, ``device`` where its files are, ``frozen`` the names of variables
    that training leaves as they are. Raise CheckpointError, before anything runs, when the file cannot be read, lacks
    variables (unless ``ignore_missing_vars``) or has other shapes.
    """
    net = {whole_name(variable): whole_shape(variable) for variable in model_variables}  # parts of one are one there
    done = warmstart_plan.plan(
        source.url,
        shapes_of(source),
        net,
        exclude_scopes=",".join(filter(None, (exclude_scopes, source.without))) or None,
        ignore_missing_vars=ignore_missing_vars,
        ignore_missing_scopes=ignore_missing_scopes,
        frozen=frozen,
    )
    taken = set(done.restored)
    with tf.device(device):
        saver = tf.train.Saver([each for each in model_variables if whole_name(each) in taken], name="warm_start")

    def restore(session: Any) -> None:
        try:
            saver.restore(session, source.prefix)
        except (tf.errors.OpError, ValueError) as err:
            raise CheckpointError(f"checkpoint {source.url} cannot be restored: {_first_line(err)}") from err
        get_logger(__name__).info("started from %s: %s", source.url, done.counts())
        for line in done.lines():
            get_logger(__name__).info("%s", line)

    return restore, done


def shapes_of(source: Source) -> dict[str, list[int]]:
    """Return the shape of each variable in a checkpoint by its name; raises CheckpointError for one that is none."""
    try:
        return dict(tf.train.load_checkpoint(source.prefix).get_variable_to_shape_map())
    except (tf.errors.OpError, ValueError, RuntimeError) as err:
        raise CheckpointError(f"checkpoint {source.url} cannot be read: {_first_line(err)}") from err


def _first_line(err: Exception) -> str:
    return str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
