"""TensorBoard beside the first worker of a cluster, where the program asked for it."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator

from sparkcv.channel.ports import listen
from sparkcv.errors import UsageError

__all__ = ["tensorboard"]


@contextlib.contextmanager
def tensorboard(host: str, log_dir: str) -> Iterator[tuple[int, int]]:
    """Run a TensorBoard that shows ``log_dir`` during the block; yield its process id and port.

    Raise UsageError where it is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UsageError("tensorboard=True needs TensorBoard on the executors: pip install tensorboard")
    port = int(os.environ.get("TENSORBOARD_PORT", "0"))
    if not port:
        with listen(host) as free:
            port = free.getsockname()[1]
    # Not by start_module: it is no module of ours, and in the session of its role it is ended with that.
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", log_dir, "--host", host, "--port", str(port)]
    process = subprocess.Popen([*command, "--reload_multifile=True"], stdin=subprocess.DEVNULL)
    try:
        yield process.pid, port
    finally:
        process.kill()
        process.wait()
