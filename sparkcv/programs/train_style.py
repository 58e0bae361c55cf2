"""The training program of a style net: dispatches a process of a run to what its role does, as ps or worker."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from sparkcv.config import TrainConfig
from sparkcv.errors import UsageError
from sparkcv.roles import NodeContext, Role

__all__ = ["main"]


class _StyleTraining:
    """The program of all roles; each imports what it needs when it is asked for."""

    def __call__(self, ctx: NodeContext) -> dict[str, Any]:
        """Run one role; ``ctx.params["config"]`` is a TrainStyleConfig as a dict, else all is as in :mod:`.train`."""
        return self.for_role(ctx.role)(ctx)

    def for_role(self, role: Role) -> Callable[[NodeContext], dict[str, Any]]:
        """Return what a role runs, with all that it needs imported."""
        if role.job == "ps":
            return _serve
        if role.job == "worker":
            worker: Callable[[NodeContext], dict[str, Any]] = importlib.import_module(
                "sparkcv.programs.style_worker"
            ).main
            return worker
        raise UsageError(f"the training of a style net has the roles ps and worker, not {role}")


def _serve(ctx: NodeContext) -> dict[str, Any]:
    """Serve as any training's ps does, which knows the flags of any training only."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    known = {name: value for name, value in ctx.params["config"].items() if name in names}
    serve: Callable[[NodeContext], dict[str, Any]] = importlib.import_module("sparkcv.programs.ps").main
    return serve(dataclasses.replace(ctx, params={**ctx.params, "config": known}))


main = _StyleTraining()
