"""What an evaluation has found of the checkpoint that is exported, for the model's folder."""

import re
from typing import Any

from sparkcv import logs, storage
from sparkcv.config import ExportConfig
from sparkcv.errors import DataError, MissingFileError, StorageError
from sparkcv.evaluate import history
from sparkcv.predict import evaluation
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.description import RunDescription

__all__ = ["find"]

_RESULT = re.compile(r"eval-\d+\.json")
_RECALL = re.compile(r"recall_\d+")
_KEPT = (
    "model_name", "step", "checkpoint", "moving_averages", "dataset", "is_partial", "num_examples", "accuracy",
    "mean_recall", "loss", "num_rejected", "image_size",
)  # fmt: skip
_log = logs.get(__name__)


def find(config: ExportConfig, found: Found, told: RunDescription) -> dict[str, Any] | None:
    """Return the numbers of the evaluation of the checkpoint ``found``, of the weights that are exported.

    ``told`` is what the run tells of itself. The numbers are those of ``eval-STEP.json`` in ``eval_dir``; without that
    flag, of the run's folder or else of its evaluator. None where there are none, unless the flag is set.

    Raises:
        MissingFileError: ``eval_dir`` has no result of that step.
        DataError: its result is of another checkpoint, or of other weights, or is none.
    """
    if config.eval_dir:
        url = _result_in(config.eval_dir, found)
        if url is None:
            there = _results(config.eval_dir)
            wanted = f"eval-{found.step}.json, the" if found.step >= 0 else "such"
            raise MissingFileError(
                f"--eval_dir {config.eval_dir!r} has no {wanted} result of the checkpoint that is exported,"
                f" {found.prefix_url!r}; it has {', '.join(there[:5]) or 'no result'}"
            )
        value, problem = _read(url, config, found)
        if value is None:
            raise DataError(f"--eval_dir: {url!r} {problem}")
        return value
    run = storage.parent(found.prefix_url)
    try:
        for folder in (run, storage.join(run, history.DIR)):
            if (url := _result_in(folder, found)) is not None:
                value, problem = _read(url, config, found)
                if value is not None:
                    return value
                _log.warning("the model's folder has no evaluation: %s %s", url, problem)
        row = history.read(run).get(found.step)
    except StorageError as err:  # a number for people to read; the export stands without it
        _log.warning("the model's folder has no evaluation: %s", err)
        return None
    evaluated_averages = bool(told.config.get("moving_average_decay"))
    if row is None or row.checkpoint != history.identity(found):
        return None
    if evaluated_averages != bool(config.moving_average_decay):
        return None  # the run's evaluator looked at other weights than are exported
    return {
        "step": row.step,
        "checkpoint": found.prefix_url,
        "num_examples": row.num_examples,
        "accuracy": row.accuracy,
        "mean_recall": row.mean_recall,
        "loss": row.loss,
        "num_rejected": row.num_rejected,
    }


def _read(url: str, config: ExportConfig, found: Found) -> tuple[dict[str, Any] | None, str]:
    """Return the numbers of one result, or why they are not those of the exported weights."""
    try:
        value = storage.read_json(url)
    except MissingFileError:
        return None, "has gone"
    except StorageError as err:
        return None, f"cannot be read: {err}"
    if evaluation.accuracy(value) is None:
        return None, "has no 'accuracy' from 0 to 1"
    if value.get("checkpoint") != found.prefix_url:
        return None, f"is of the checkpoint {value.get('checkpoint')!r}, wanted {found.prefix_url!r}"
    averages = bool(config.moving_average_decay)
    if bool(value.get("moving_averages")) != averages:
        kinds = ("the weights themselves", "their moving averages")
        return None, f"is of {kinds[not averages]}, {kinds[averages]} are exported"
    return {name: kept for name, kept in value.items() if name in _KEPT or _RECALL.fullmatch(name)}, ""


def _result_in(folder: str, found: Found) -> str | None:
    """Return the result of a checkpoint in a folder, None without one.

    It is named by the step that the checkpoint holds, which the name of another program's, or of a model, may not tell.
    """
    url = storage.join(folder, f"eval-{found.step}.json")
    if storage.exists(url):
        return url
    for name in [] if found.manifest else _results(folder):
        other = storage.join(folder, name)
        try:
            value = storage.read_json(other)
        except StorageError:
            continue
        if isinstance(value, dict) and value.get("checkpoint") == found.prefix_url:
            return other
    return None


def _results(folder: str) -> list[str]:
    if not storage.is_dir(folder):
        return []
    return sorted(entry.name for entry in storage.list_dir(folder) if _RESULT.fullmatch(entry.name))
