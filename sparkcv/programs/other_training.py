"""Training programs of other nets than a classifier: their roles are ps and worker, and only the worker is another."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from sparkcv.config import TrainConfig
from sparkcv.errors import UsageError
from sparkcv.roles import NodeContext, Role

__all__ = ["OtherTraining"]


@dataclasses.dataclass(frozen=True)
class OtherTraining:
    """The program of all roles; each imports what it needs when it is asked for.

    ``worker`` is the module of the worker's ``main``, ``what`` how the training is called in messages.
    """

    worker: str
    what: str

    def __call__(self, ctx: NodeContext) -> dict[str, Any]:
        """Run one role; ``ctx.params["config"]`` is the worker's own as a dict, else all is as in :mod:`.train`."""
        return self.for_role(ctx.role)(ctx)

    def for_role(self, role: Role) -> Callable[[NodeContext], dict[str, Any]]:
        """Return what a role runs, with all that it needs imported."""
        if role.job == "ps":
            return _serve
        if role.job == "worker":
            worker: Callable[[NodeContext], dict[str, Any]] = importlib.import_module(self.worker).main
            return worker
        raise UsageError(f"{self.what} has the roles ps and worker, not {role}")


def _serve(ctx: NodeContext) -> dict[str, Any]:
    """Serve as any training's ps does, which knows the flags of any training only."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    known = {name: value for name, value in ctx.params["config"].items() if name in names}
    serve: Callable[[NodeContext], dict[str, Any]] = importlib.import_module("sparkcv.programs.ps").main
    return serve(dataclasses.replace(ctx, params={**ctx.params, "config": known}))
