"""The parameter server of a training run: TensorFlow's own server, and nothing else of TensorFlow.

All of TensorFlow's Python takes 3 s of CPU to import, of which a ps needs the tenth that starts the server: so it is up
before its workers are, and again that much sooner when it was lost.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

from sparkcv import config as configs
from sparkcv import logs
from sparkcv.config import TrainConfig
from sparkcv.roles import NodeContext

__all__ = ["main"]

_POLL_S = 0.2
_log = logs.get(__name__)


@contextlib.contextmanager
def _bare_tensorflow() -> Iterator[None]:
    """Let modules of TensorFlow be imported without its ``__init__``, which imports all of them."""
    if "tensorflow" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    bare = types.ModuleType("tensorflow")
    bare.__path__, bare.__spec__ = list(spec.submodule_search_locations), spec
    sys.modules["tensorflow"] = bare
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with _bare_tensorflow():
    from sparkcv.train import server


def main(ctx: NodeContext) -> dict[str, Any]:
    """Serve variables until the driver says that all workers are done; ``ctx.params`` holds ``config``."""
    serving = server.server(ctx, server.config_of(ctx, configs.from_dict(TrainConfig, ctx.params["config"])))
    _log.info("serving at %s", serving.target)
    _serve(ctx)
    return {}


def _serve(ctx: NodeContext) -> None:
    """Wait until the driver says so; TensorFlow's own threads serve."""
    pause = threading.Event()
    while not ctx.stop_requested():
        pause.wait(_POLL_S)
