"""The program that all roles of a run execute, as the function that a text names."""

import importlib
import socket
import traceback
from collections.abc import Callable
from typing import Any

from sparkcv.errors import ClusterError, SparkcvError, UsageError
from sparkcv.imports import uncollected
from sparkcv.roles import NodeContext, Role

__all__ = ["Program", "load_program", "split_program"]

Program = Callable[[NodeContext], dict[str, Any] | None]


def split_program(program: str) -> tuple[str, str]:
    """Return module and function of ``"package.module:function"``; raises UsageError for another form."""
    module, colon, function = program.partition(":")
    if not colon or not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(f"a program is named package.module:function, not {program!r}")
    return module, function


def load_program(program: str, role: Role | None = None) -> Program:
    """Return the function that ``"package.module:function"`` names; raises UsageError or ClusterError if none.

    Where that has a method ``for_role``, it is asked for the function of ``role``, and so imports what that one needs.
    """
    module, function = split_program(program)
    try:
        with uncollected(is_kept=True):
            found = getattr(importlib.import_module(module), function, None)
            if role is not None and found is not None and hasattr(found, "for_role"):
                found = found.for_role(role)
    except ModuleNotFoundError as err:
        missing = f"no module named {err.name!r} there" if err.name else str(err)  # a module may raise its own
        raise ClusterError(f"program {program} cannot be imported on {socket.gethostname()}: {missing}") from err
    except SparkcvError:
        raise
    except Exception as err:  # a module raises what it likes
        traceback.print_exc()
        raise ClusterError(
            f"program {program} cannot be imported on {socket.gethostname()}: {type(err).__name__}: {err}"
        ) from err
    if not callable(found):
        raise UsageError(f"program {program}: module {module} has no function {function!r}")
    loaded: Program = found
    return loaded
