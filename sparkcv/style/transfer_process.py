"""A process that makes one picture by optimization, for whoever imports no TensorFlow."""

import json
import os
import subprocess
import sys
import threading
from typing import IO, Any

from sparkcv import logs
from sparkcv.diagnosis.log_filter import is_noise
from sparkcv.errors import ClusterError, SparkcvError, by_name
from sparkcv.launchers.python_module import start_module
from sparkcv.nets import onednn
from sparkcv.style.task import TransferTask

__all__ = ["ask"]

_PROGRAM = "sparkcv.programs.style_transfer"


def ask(task: TransferTask) -> dict[str, Any]:
    """Have the process do ``task``; return what it says of it.

    Raises what it found wrong, by its class, and ClusterError if it died.
    """
    # Direct convolutions are to be the reference's to the last bits, and are faster by TensorFlow's own kernels here.
    kernels = onednn.ENVIRONMENT if task.convolutions == "winograd" else {}
    env = {**kernels, **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    process: Any
    with start_module(_PROGRAM, [], env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        last: list[str] = []
        teller = threading.Thread(target=_tell, args=(process.stderr, last), name="sparkcv-style-log")
        teller.start()
        try:
            process.stdin.write(task.to_json() + "\n")
            process.stdin.flush()
            said = process.stdout.readline()
            process.stdin.close()
            code = process.wait()
        finally:
            process.kill()
            teller.join()
    if not said.strip():
        words = logs.clean(last[-1])[:300] if last else "it said nothing"
        raise ClusterError(f"the process that makes {task.output!r} ended with {code}: {words}")
    answer: dict[str, Any] = json.loads(said)
    if "error" in answer:
        raise (by_name(answer["kind"]) or SparkcvError)(answer["error"])
    return answer


def _tell(lines: IO[str], last: list[str]) -> None:
    """Pass on what the process says, but for what TensorFlow says at every start."""
    for line in lines:
        if line.strip() and not is_noise(line):
            sys.stderr.write(logs.clean(line.rstrip()) + "\n")
            last[:] = [line.rstrip()]
