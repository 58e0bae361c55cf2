"""TensorBoard on a run wherever it is stored.

TensorBoard reads through TensorFlow where that is installed, and TensorFlow cannot open ``hdfs://``. Without it, it has
a reader of its own, which takes fsspec's file systems: it is told to use that one, for local folders too.
"""

import contextlib
import dataclasses
import sys
import threading
import types
from typing import Any

from sparkcv import logs, storage
from sparkcv.config import TensorBoardConfig
from sparkcv.errors import ClusterError, MissingFileError, UsageError

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TensorBoardPlan:
    """A TensorBoard that can start: its flags, and the folder's full URL."""

    config: TensorBoardConfig
    logdir: str

    def session(self) -> None:
        """Return None: no Spark is needed."""


def prepare(config: TensorBoardConfig) -> TensorBoardPlan:
    """Look for the folder.

    Raises:
        MissingFileError: ``logdir`` is not there (a folder without events yet is fine).
        StorageError: its storage does not answer.
    """
    logdir = storage.resolve(str(config.logdir))
    if not storage.is_dir(logdir):
        raise MissingFileError(f"--logdir: no folder at {logdir!r}, wanted that of a run (its --train_dir)")
    return TensorBoardPlan(config, logdir)


def run(spark: None, plan: TensorBoardPlan) -> str:
    """Serve until interrupted; return a line that says so.

    Raises:
        UsageError: TensorBoard is not installed.
        ClusterError: the port is taken.
    """
    del spark
    config, logdir = plan.config, plan.logdir
    program, default = _tensorboard()
    board = program.TensorBoard(plugins=default.get_plugins())
    words = ("--logdir", logdir, "--host", config.host, "--port", str(config.port), "--load_fast", "false")
    board.configure(argv=["tensorboard", *words, "--reload_interval", str(config.reload_interval_s)])
    try:
        url = board.launch()
    except program.TensorBoardServerException as err:
        raise ClusterError(f"--port {config.port}: {logs.clean(str(err))}") from err
    _log.info("%s shows %s; Ctrl-C ends it", url, logdir)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    return f"stopped showing {logdir}"


def _tensorboard() -> tuple[Any, Any]:
    """Return TensorBoard's modules, set to use the reader of its own."""
    try:
        import tensorboard.compat
    except ImportError as err:
        raise UsageError(
            "TensorBoard is not installed here; wanted: pip install 'sparkcv[dev]' or tensorboard"
        ) from err
    # A module of this name is TensorBoard's own switch: where it can be imported, TensorFlow is not used.
    switch = types.ModuleType("tensorboard.compat.notf")
    sys.modules[switch.__name__] = tensorboard.compat.notf = switch
    from tensorboard import default, program

    return program, default
