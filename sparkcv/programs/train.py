"""The training program: dispatches a process of a run to what its role does, as ps, worker or evaluator."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv import logs
from sparkcv.config import TrainConfig
from sparkcv.errors import UsageError
from sparkcv.programs import evaluator
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.train import sessions
from sparkcv.train.worker import Worker

__all__ = ["main"]

_POLL_S = 0.2
_log = logs.get(__name__)


def main(ctx: NodeContext) -> dict[str, Any]:
    """Run one role of a training run: a ps serves until it is stopped, a worker trains, an evaluator evaluates.

    ``ctx.params`` holds ``config`` (a TrainConfig) and ``dataset`` (a Dataset), both as dicts, and ``lease``, the
    token without which nothing is published (if it is there); for an evaluator also ``eval_dataset``. Return {} for
    a ps, for a worker what :meth:`Worker.run` and for an evaluator what :func:`evaluator.main` returns.

    Raise PreemptedError on the chief that was stopped, after saving; DataError, CheckpointError, ClusterError and
    StorageError with a sentence for the user.
    """
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainConfig, ctx.params["config"])
    if ctx.role.job == "ps":
        return _serve(ctx, config)
    if ctx.role.job == "evaluator":
        return evaluator.main(ctx)
    if ctx.role.job != "worker":
        raise UsageError(f"a training run has the roles ps, worker and evaluator, not {ctx.role}")
    return Worker(ctx, config, Dataset.from_dict(ctx.params["dataset"])).run()


def _serve(ctx: NodeContext, config: TrainConfig) -> dict[str, Any]:
    """Serve variables until the driver says that all workers are done."""
    settings = sessions.config_of(ctx, config)
    serving = sessions.server(ctx, settings)
    _log.info("serving at %s", serving.target)
    pause = threading.Event()
    while not ctx.stop_requested():
        pause.wait(_POLL_S)
    return {}
