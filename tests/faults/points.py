"""The named points of a run at which roles are killed, each known by what the run says or writes at that time."""

import glob
import os
import re

from sparkcv import storage
from tests.faults.running import Run

_MARKER = re.compile(r"\.saving-\d+")


def after_register(run: Run, role: str) -> None:
    """The role has a task slot, and its process has just started."""
    run.wait_for_role(role)


def first_step(run: Run, role: str) -> None:
    """The role, or for a ps its first worker, has made a step."""
    run.wait_for_first_step(role if role.startswith("worker") else "worker:0")


def mid_step(run: Run, role: str) -> None:
    """Steps have been made, and a checkpoint is there."""
    first_step(run, role)
    run.wait_for_save()


def mid_save(run: Run, role: str) -> None:
    """A save has begun and is not done."""
    run.wait_until(lambda: _has(run.url, _MARKER.fullmatch), "a save under way")


def after_last_step(run: Run, role: str) -> None:
    """The checkpoint at the target is there, or about to be."""
    target = run.flags["max_number_of_steps"]

    def is_last(name):
        at = re.fullmatch(r"(?:model\.ckpt-|\.saving-)(\d+)(\..*)?", name)
        return at is not None and int(at[1]) >= target

    run.wait_until(lambda: _has(run.url, is_last), "the last save")


def before_export(run: Run, role: str) -> None:
    """Training is over, and the exporter's process has just started."""
    del role
    run.wait_for_role("exporter:0")


def mid_export(run: Run, role: str) -> None:
    """The exporter has begun to write the model; what it says of that may be overtaken by what it does next."""
    del role
    folder = os.path.join(glob.escape(str(run.tmp)), "sparkcv-local-*", "*", "*", "work", "model")
    run.wait_until(lambda: glob.glob(folder) or None, "the model in the exporter's scratch folder")


def after_export(run: Run, role: str) -> None:
    """The model is published, and the process that has to score with it has just started."""
    del role
    url = str(run.flags["export_dir"])
    run.wait_until(lambda: storage.exists(storage.join(url, "model.json")) or None, "the model")
    run.wait_for(r"(?s)exporter:0 runs on host .*exporter:0 runs on host|holds the model of step .*exporter:0 runs on")


POINTS = (after_register, first_step, mid_step, mid_save, after_last_step)
EXPORT_POINTS = (before_export, mid_export, after_export)


def _has(url, is_it):
    """True if a folder has such a name; None, for ``wait_until``, if not."""
    return (storage.exists(url) and any(is_it(entry.name) for entry in storage.list_dir(url))) or None
