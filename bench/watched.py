"""A command run to its end, its processes looked at meanwhile: wall and CPU seconds of all, memory of the largest."""

import contextlib
import ctypes
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

import psutil

_LOOK_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36  # of Linux: what a process leaves behind becomes a child of this one


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one run took; ``peak_bytes`` is of its largest Python process but the first."""

    wall_s: float
    cpu_s: float
    peak_bytes: int

    def __str__(self) -> str:
        took = f"{self.wall_s:.1f} s, {self.cpu_s:.1f} CPU-seconds"
        return f"{took}, a worker at most {self.peak_bytes / 2**20:.0f} MiB"


def run(command: Sequence[str], cwd: pathlib.Path, env: Mapping[str, str]) -> Cost:
    """Run ``command``, daemons that it leaves included, which are ended; its words are shown if it fails.

    CPU seconds of a process after its last look, a tenth of a second, are missing.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cpu: dict[tuple[int, float], float] = {}
    peak, begin_s = 0, time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                for one in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error, OSError):
                        times = one.cpu_times()
                        cpu[one.pid, one.create_time()] = times.user + times.system
                        if one.pid != process.pid and "python" in one.name():
                            peak = max(peak, _peak_bytes(one.pid))
                time.sleep(_LOOK_S)
            wall_s = time.monotonic() - begin_s
        finally:
            _end_all()
        if process.returncode:
            log.seek(0)
            sys.stderr.buffer.write(log.read())
            raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return Cost(wall_s, sum(cpu.values()), peak)


def _end_all() -> None:
    left = psutil.Process().children(recursive=True)
    for one in left:
        with contextlib.suppress(psutil.Error):
            one.kill()
    psutil.wait_procs(left, 10)


def _peak_bytes(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    peaks = (line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))
    return int(next(peaks, 0)) * 1024  # a process that has just ended has no such line any more
