"""The training program: dispatches a process of a run to what its role does, as ps, worker or evaluator."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from sparkcv.errors import UsageError
from sparkcv.roles import NodeContext, Role

__all__ = ["main"]

_JOBS = ("ps", "worker", "evaluator")


class _Training:
    """The program of all roles; each imports what it needs when it is asked for."""

    def __call__(self, ctx: NodeContext) -> dict[str, Any]:
        """Run one role of a training run: a ps serves until it is stopped, a worker trains, an evaluator evaluates.

        ``ctx.params`` holds ``config`` (a TrainConfig) and ``dataset`` (a Dataset), both as dicts, and ``lease``, the
        token without which nothing is published (if it is there); for an evaluator also ``eval_dataset``. Return {} for
        a ps, for a worker what :meth:`Worker.run` and for an evaluator what :func:`evaluator.main` returns.

        Raise PreemptedError on the chief that was stopped, after saving; DataError, CheckpointError, ClusterError and
        StorageError with a sentence for the user.
        """
        return self.for_role(ctx.role)(ctx)

    def for_role(self, role: Role) -> Callable[[NodeContext], dict[str, Any]]:
        """Return what a role runs, with all that it needs imported."""
        if role.job not in _JOBS:
            raise UsageError(f"a training run has the roles ps, worker and evaluator, not {role}")
        found: Callable[[NodeContext], dict[str, Any]] = importlib.import_module(f"sparkcv.programs.{role.job}").main
        return found


main = _Training()
