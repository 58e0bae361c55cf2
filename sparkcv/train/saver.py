"""A session's variables as a checkpoint: saved by the chief, read back tensor by tensor, then published.

TF's Saver alone writes a NaN as readily as a number and never looks at what it wrote; and without a device of its own
it writes on the first ps, where nobody looks for the files.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from sparkcv.errors import CheckpointError, DataError, FullError, StorageError
from sparkcv.inputs.graph_error import gist
from sparkcv.rundir import checkpoint, checkpoint_publication
from sparkcv.train import placement

__all__ = ["check_fits", "make_saver", "save"]

_SHOWN = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)
_OF_PS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def make_saver(device: str) -> tf.train.Saver:
    """Add a Saver of all variables of the default graph, whose files are written and read on ``device``.

    ``device`` is the chief's CPU, such as ``/job:worker/task:0/cpu:0``, or ``/cpu:0`` without a cluster.
    """
    with tf.device(device):
        return tf.train.Saver(max_to_keep=None, sharded=False)


def save(
    session: tf.Session,
    saver: tf.train.Saver,
    scratch_dir: str,
    run_url: str,
    *,
    model_name: str,
    keep: int,
    extra: Mapping[str, Any] | None = None,
    fence: Callable[[], None] = lambda: None,
    spared: Callable[[], Collection[int] | None] = frozenset,
) -> checkpoint.Found:
    """Save a raw session's variables, read them back, publish them; return the published checkpoint.

    Its step is the global step *in the file*: other workers go on while the chief writes. Raise DataError if a saved
    tensor holds NaN or infinity (nothing is published then), StorageError if this machine's disk or the run's storage
    does not take it, FullError among them; and what ``fence`` raises. That, ``keep`` and ``spared`` are as
    ``checkpoint_publication.publish`` says.
    """
    local_dir = os.path.join(scratch_dir, "saving")
    shutil.rmtree(local_dir, ignore_errors=True)
    try:
        prefix, step, variables = _write(session, saver, scratch_dir, local_dir)
        details = {**(extra or {}), "variables": variables}
        return checkpoint_publication.publish(
            prefix, step, run_url, model_name=model_name, extra=details, keep=keep, fence=fence, spared=spared
        )
    finally:
        shutil.rmtree(local_dir, ignore_errors=True)  # a save that failed must not hold this disk's room


def _write(
    session: tf.Session, saver: tf.train.Saver, scratch_dir: str, local_dir: str
) -> tuple[str, int, dict[str, Any]]:
    """Write a session's variables to ``local_dir``; return prefix, step, and what was read back."""
    written = os.path.join(local_dir, "model.ckpt")
    try:
        os.makedirs(local_dir)
        saver.save(session, written, write_meta_graph=False, write_state=False)
        step, variables = _read_back(written)
    except (tf.errors.OpError, OSError) as err:
        if isinstance(err, _OF_PS):
            raise  # a ps is gone or silent: not the fault of a disk
        raise _of_scratch(err, scratch_dir) from err
    prefix = os.path.join(local_dir, checkpoint.prefix_name(step))
    for path in glob.glob(glob.escape(written) + ".*"):
        os.rename(path, prefix + path[len(written) :])
    return prefix, step, variables


def _of_scratch(err: tf.errors.OpError | OSError, scratch_dir: str) -> StorageError:
    """Return what to tell of a checkpoint that this machine's disk does not take."""
    failure = f"cannot write a checkpoint to the scratch folder {scratch_dir!r}: "
    if isinstance(err, tf.errors.ResourceExhaustedError) or getattr(err, "errno", None) in _FULL:
        return FullError(
            f"{failure}{os.strerror(errno.ENOSPC)}; wanted room for a whole checkpoint: a larger local disk, or a"
            " smaller --spool_bytes"
        )
    return StorageError(
        failure + (gist(err.message) if isinstance(err, tf.errors.OpError) else err.strerror or str(err))
    )


def check_fits(local_prefix: str, where: str, model_name: str, manifest: Mapping[str, Any]) -> None:
    """Compare a fetched checkpoint with the variables of the default graph.

    Raise CheckpointError with the difference if it is of another net, lacks a variable, or has one of another shape
    or type. Variables that only the checkpoint has are no fault: an optimizer's slots may have become unused.
    """
    reader = tf.train.load_checkpoint(local_prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    ours = dict(_saved_as(variable) for variable in tf.global_variables())
    missing = sorted(set(ours) - set(shapes))
    extra = sorted(set(shapes) - set(ours))
    other = []
    for name in sorted(set(ours) & set(shapes)):
        wanted = ours[name]
        got = (list(shapes[name]), dtypes[name])
        if wanted != got:
            other.append(f"{name} is {got[1].name}{got[0]}, not {wanted[1].name}{wanted[0]}")
    saved_name = manifest.get("model_name", model_name)
    if saved_name == model_name and not missing and not other:
        return
    parts = [f"it holds the net {saved_name!r}"] if saved_name != model_name else []
    parts += _listed("lacks", missing) + _listed("differs:", other) + _listed("also has", extra)
    raise CheckpointError(
        f"the checkpoint {where!r} is not of this run's {model_name!r}: {'; '.join(parts)}; wanted the same net,"
        " classes and optimizer, or another --train_dir"
    )


def _saved_as(variable: tf.Variable) -> tuple[str, tuple[list[int], tf.DType]]:
    """Return the name, shape and type of a variable in a checkpoint, where the parts of a partitioned one are whole."""
    return placement.whole_name(variable), (placement.whole_shape(variable), variable.dtype.base_dtype)


def _listed(verb: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [
        f"it {verb} {', '.join(names[:_SHOWN])}{more}" if verb != "differs:" else f"{', '.join(names[:_SHOWN])}{more}"
    ]


def _read_back(prefix: str) -> tuple[int, dict[str, Any]]:
    """Read each tensor of a local checkpoint (TF checks its CRC); return its step and what it holds."""
    reader = tf.train.load_checkpoint(prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    digest, step = hashlib.sha256(), None
    for name in sorted(shapes):
        digest.update(f"{name} {dtypes[name].name} {list(shapes[name])}\n".encode())
        value = reader.get_tensor(name)
        if dtypes[name].is_floating and not np.isfinite(value).all():
            raise DataError(
                f"variable {name!r} holds NaN or infinity: the run diverged and this state is not saved; a lower"
                " --learning_rate or other data may help"
            )
        if name == tf.GraphKeys.GLOBAL_STEP:
            step = int(value)
    if step is None:
        raise CheckpointError(f"the graph has no variable {tf.GraphKeys.GLOBAL_STEP!r} to name a checkpoint by")
    return step, {"count": len(shapes), "digest": digest.hexdigest()}
