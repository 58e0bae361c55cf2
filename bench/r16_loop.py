"""R16: images per CPU-second of a worker with its ps, and the worker's peak memory, this checkout / another one.

Command, a quarter of an hour on 2 cores with nothing else to do::

    python bench/r16_loop.py --baseline CHECKOUT

``CHECKOUT`` is a checkout of an earlier commit with its own ``.venv`` (``make setup`` there); R16's is b04bd4b. Both
sides run the same steps of Inception v3 on the same drawn pictures, in turn, by the same two processes a side, each
with its own checkout's code and packages. The loss of the last step of each is shown beside: where it differs, the
ratio compares two different trainings.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from side_by_side import ROUNDS, Sample, compare

ROOT = pathlib.Path(__file__).resolve().parent.parent
_SIZES = {75: (16, 20), 299: (8, 8)}  # pixels: batch, steps


class Side:
    """One checkout at one size of picture; ``peaks`` and ``losses`` are of its rounds."""

    def __init__(self, checkout: pathlib.Path, size: int) -> None:
        self._checkout, self._size = checkout, size
        self.peaks: list[int] = []
        self.losses: list[float] = []

    def run(self) -> Sample:
        """Train once."""
        batch, steps = _SIZES[self._size]
        words = {"checkout": self._checkout, "size": self._size, "batch": batch, "steps": steps}
        command = [str(self._checkout / ".venv/bin/python"), str(ROOT / "bench/r16_side.py")]
        command += [f"--{name}={value}" for name, value in words.items()]
        done = subprocess.run(command, capture_output=True, check=False, cwd=self._checkout)
        if done.returncode:
            sys.stderr.buffer.write(done.stderr)
            raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}")
        sample = json.loads(done.stdout.splitlines()[-1])
        self.peaks.append(sample.pop("peak_bytes"))
        self.losses.append(sample.pop("loss"))
        return Sample(**sample)


def main() -> int:
    """Compare, and print the rows; without a baseline there is nothing to compare with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--baseline", type=pathlib.Path, help="checkout to compare with; without one nothing is run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--size", type=int, choices=sorted(_SIZES), help="only pictures of this size")
    flags = parser.parse_args()
    if flags.baseline is None:
        print("R16 is not run: --baseline names no checkout to compare with", file=sys.stderr)
        return 0
    for size in [flags.size] if flags.size else sorted(_SIZES):
        ours, theirs = Side(ROOT, size), Side(flags.baseline.resolve(), size)
        name = f"R16 training at {size} px, worker and ps, ours / baseline"
        ratio = compare(name, ">= 1.15", ours.run, theirs.run, unit="images/s", rounds=flags.rounds)
        print(ratio.row(), flush=True)
        print(_memory_row(size, ours, theirs), flush=True)
        print(f"R16, {size} px: losses {ours.losses} / {theirs.losses}", file=sys.stderr)
    return 0


def _memory_row(size: int, ours: Side, theirs: Side) -> str:
    ratios = sorted(our / their for our, their in zip(ours.peaks[1:], theirs.peaks[1:], strict=True))
    our, their = (statistics.median(side.peaks[1:]) / 2**20 for side in (ours, theirs))
    spread = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    what = f"R16 peak memory of a worker at {size} px, ours / baseline"
    return f"| {what} | <= 0.7 | {spread} | - | {our:.0f} / {their:.0f} MiB |"


if __name__ == "__main__":
    sys.exit(main())
