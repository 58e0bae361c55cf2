"""R17: the whole scoring job, start to published: wall and CPU seconds, and peak memory of a Python worker.

Command, about 10 minutes on 2 cores with nothing else to do::

    python bench/r17_scoring.py --baseline CHECKOUT

``CHECKOUT`` is a checkout of an earlier commit with its own ``.venv`` (``make setup`` there); R17's is b04bd4b. Without
one the job is run by each engine, and what it took is printed to standard error. 4,000 drawn pictures of 75 px
(``--count``, ``--size``), Inception v3 of random weights, two executors. Memory and CPU seconds are read from the
processes while they run.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import psutil
import scoring_inputs
import side_by_side
from side_by_side import Sample

_LOOK_S = 0.1


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one run of the job took; ``peak_bytes`` is of the largest Python process below an executor."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def main() -> int:
    """Run, compare where there is something to compare with, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--baseline", type=pathlib.Path, help="checkout to compare with")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--net", default="inception_v3")
    parser.add_argument("--size", type=int, default=75)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model = scoring_inputs.model(pathlib.Path(work), flags.net, flags.size)
        pictures = scoring_inputs.pictures(pathlib.Path(work, "pictures"), flags.count, flags.size)
        words = [f"--input={pictures}", f"--model_dir={model}", "--top_k=2"]
        if flags.baseline is None:
            for engine in ("tf", "openvino"):
                cost = run(scoring_inputs.ROOT, [*words, f"--engine={engine}"], pathlib.Path(work, engine))
                print(f"{engine}, {flags.count} pictures of {flags.size} px: {_said(cost)}", file=sys.stderr)
            return 0
        peaks: dict[str, list[int]] = {"ours": [], "theirs": []}

        def side(name: str, checkout: pathlib.Path) -> Sample:
            with tempfile.TemporaryDirectory(dir=work) as out:
                cost = run(checkout, words, pathlib.Path(out))
            peaks[name].append(cost.peak_bytes)
            print(f"{name}: {_said(cost)}", file=sys.stderr, flush=True)
            return Sample(flags.count, cost.wall_s, cost.cpu_s)

        name = f"R17 whole job of {flags.count} pictures at {flags.size} px, ours / baseline"
        ratio = side_by_side.compare(
            name,
            ">= 1.82 (time <= 0.55)",
            lambda: side("ours", scoring_inputs.ROOT),
            lambda: side("theirs", flags.baseline.resolve()),
            unit="images/s",
            rounds=flags.rounds,
        )
    print(ratio.row())
    shares = sorted(ours / theirs for ours, theirs in zip(peaks["ours"][1:], peaks["theirs"][1:], strict=True))
    middle = shares[len(shares) // 2]
    rates = f"{max(peaks['ours']) >> 20} / {max(peaks['theirs']) >> 20} MiB"
    what = f"R17 peak memory of a worker at {flags.size} px, ours / baseline"
    print(f"| {what} | <= 0.35 | {middle:.3f} ({shares[0]:.3f} to {shares[-1]:.3f}) | - | {rates} |")
    return 0


def run(checkout: pathlib.Path, words: list[str], out: pathlib.Path) -> Cost:
    """Run the job of a checkout to its end, looking at its processes all the time."""
    command = [str(checkout / ".venv/bin/python"), str(checkout / "jobs/batch_inference.py"), *words]
    command += [f"--output_dir={out}", "--date=2026-01-01"]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    cpu: dict[tuple[int, float], float] = {}
    peak, begin_s = 0, time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=checkout, env=env, stdout=log, stderr=log)
        mine = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error, OSError):
                for one in [mine, *mine.children(recursive=True)]:
                    times = one.cpu_times()
                    cpu[one.pid, one.create_time()] = times.user + times.system
                    if one.pid != mine.pid and "python" in one.name():
                        peak = max(peak, _peak_bytes(one.pid))
            time.sleep(_LOOK_S)
        if process.returncode:
            log.seek(0)
            sys.stderr.buffer.write(log.read())
            raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return Cost(time.monotonic() - begin_s, sum(cpu.values()), peak)


def _peak_bytes(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) * 1024


def _said(cost: Cost) -> str:
    return f"{cost.wall_s:.1f} s, {cost.cpu_s:.1f} CPU-seconds, a worker at most {cost.peak_bytes / 2**20:.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
