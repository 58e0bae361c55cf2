"""Starting a run's folder anew: only on ``--restart``, and what was there is moved aside, never deleted.

A folder whose checkpoints are all gone is told from a new one by what the run wrote beside them.
"""

from __future__ import annotations

import re
import time

from sparkcv import logs, storage
from sparkcv.errors import CheckpointError, MissingFileError, StorageError
from sparkcv.rundir import description
from sparkcv.rundir import status as status_file
from sparkcv.rundir.checkpoint_manifest import FILE
from sparkcv.rundir.description import RunDescription
from sparkcv.rundir.status import RunStatus

__all__ = ["refuse_lost", "set_aside"]

_POINTER = "checkpoint"
_OF_A_RUN = re.compile(
    r"checkpoint|\.saving-[0-9]+|model\.ckpt-[0-9]+\..*|events\.out\.tfevents\..*|metrics\.jsonl|run\.json|status\.json"
    r"|best\.json|warm_start\.json|statistics\.npz|eval|eval-[0-9]+\.json|export|logs|quarantine|samples"
)
_log = logs.get(__name__)


def refuse_lost(run_url: str) -> None:
    """Raise CheckpointError if a folder without checkpoints is of a run that had saved one."""
    remedy = "name another --train_dir, or say --restart to move aside what is left and begin anew"
    try:
        status, run = RunStatus.read(run_url), RunDescription.read(run_url)
    except StorageError as err:
        if not storage.holds_no_json(err):
            raise
        raise CheckpointError(
            f"{run_url!r} has no checkpoint, and whether one was saved cannot be told ({err}), so the run will not"
            f" start again from step 0; {remedy}"
        ) from err
    steps = {
        status_file.FILE_NAME: status.step if status.is_finished else status.saved,
        description.FILE_NAME: (run and run.resumed_from_step) or 0,
    }
    for name, step in steps.items():
        if step > 0:
            raise CheckpointError(
                f"{run_url!r} has no checkpoint, though its {name} says that one of step {step} was saved, so the run"
                f" cannot resume and will not start again from step 0; bring the checkpoints back, {remedy}"
            )


def set_aside(run_url: str) -> str | None:
    """Move all that a run leaves to ``before-restart-<UTC time>/`` in its folder; return that URL, None if empty.

    Only for the run's one owner. The oldest checkpoints go first and the pointer last: a run that is killed in this
    resumes from the newest, or is refused.
    """
    try:
        names = [entry.name for entry in storage.list_dir(run_url) if _OF_A_RUN.fullmatch(entry.name)]
    except MissingFileError:
        names = []
    if not names:
        return None
    url = aside = storage.join(run_url, time.strftime("before-restart-%Y%m%dT%H%M%SZ", time.gmtime()))
    number = 1
    while storage.exists(url):
        number += 1
        url = f"{aside}-{number}"
    for name in sorted(names, key=_order):
        storage.rename(storage.join(run_url, name), storage.join(url, name))
    _log.info("--restart: moved %d files and folders of the run before to %s; starting at step 0", len(names), url)
    return url


def _order(name: str) -> tuple[int, int, str]:
    at = FILE.fullmatch(name)
    if at:
        return 0, int(at[1]), name
    return 2 if name == _POINTER else 1, 0, name
