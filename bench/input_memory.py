"""Peak memory of a worker's input beyond TensorFlow's own, for shards of 11 MB and of 1.1 GB, / another checkout's.

Command (about 5 minutes on 2 cores, 5 GB of disk)::

    python bench/input_memory.py --photographs /data/imagenet --baseline CHECKOUT

Batches of 32 for Inception v3 at 299 px, in a new process each time. ``CHECKOUT`` is one of an earlier commit with its
own ``.venv`` (``make setup`` there), b04bd4b for the goal of 0.6. Last stands what ``sparkcv.doctor`` says that the
input takes: the common queue, and the batches in and behind the prefetch queue.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import photographs

from sparkcv.config import TrainConfig
from sparkcv.doctor import estimate
from sparkcv.records.shards import open_dataset

ROOT = pathlib.Path(__file__).resolve().parent.parent
LARGE_SHARDS, TIMES = 2, 5  # of all the small shards, so many times


def main() -> int:
    """Compare, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs.add_flag(parser)
    parser.add_argument("--baseline", type=pathlib.Path, help="checkout to compare with; without one only ours is run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=60)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        small, about = photographs.shards(flags.photographs, pathlib.Path(work))
        large = enlarged(small, pathlib.Path(work) / "large")
        for what, data in (("11 MB", small), ("1.1 GB", large)):
            checkouts = [ROOT] + ([flags.baseline.resolve()] if flags.baseline else [])
            held = [[run(checkout, data, flags.batches) for checkout in checkouts] for _ in range(flags.rounds)]
            print(row(what, held, stated(data)), flush=True)
    print(f"data: {about}", file=sys.stderr)
    return 0


def enlarged(small: pathlib.Path, large: pathlib.Path) -> pathlib.Path:
    """Return a dataset of the same records in few shards, without a manifest."""
    large.mkdir()
    shutil.copy(small / "labels.txt", large)
    for index in range(LARGE_SHARDS):
        with open(large / f"photographs_train-{index:05d}-of-{LARGE_SHARDS:05d}.tfrecord", "wb") as sink:
            for path in sorted(small.glob("*.tfrecord")) * TIMES:
                with open(path, "rb") as source:
                    shutil.copyfileobj(source, sink, 1 << 20)
    return large


def stated(data: pathlib.Path) -> float:
    """Return the bytes that a look at the cluster before a run counts for the input."""
    config = TrainConfig(dataset_dir=str(data), dataset_name="photographs", batch_size=32, train_image_size=299)
    return estimate.inputs(config, open_dataset(str(data), "photographs", "train"), 299)


def run(checkout: pathlib.Path, data: pathlib.Path, batches: int) -> int:
    """Return the bytes that the input of a checkout held at most beyond TensorFlow's own."""
    command = [str(checkout / ".venv/bin/python"), str(ROOT / "bench/input_memory_side.py")]
    command += [f"--checkout={checkout}", f"--dataset_dir={data}", f"--batches={batches}"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=checkout)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr)
        raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}")
    sample = json.loads(done.stdout.splitlines()[-1])
    print(f"{checkout}: {sample}", file=sys.stderr, flush=True)
    return int(sample["peak_bytes"]) - int(sample["base_bytes"])


def row(what: str, held: list[list[int]], bound: float) -> str:
    """Return the row of the table in docs/measured.md; ``held`` is by round, ours first."""
    sides = [statistics.median(side) / 2**20 for side in zip(*held, strict=True)]
    ratios = sorted(ours / theirs for ours, *others in held for theirs in others)
    spread = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})" if ratios else "-"
    shown = " / ".join(f"{side:.0f}" for side in sides)
    name = f"input's peak memory, shards of {what}, ours / baseline"
    return f"| {name} | <= 0.6 | {spread} | {shown} MiB | {bound / 2**20:.0f} MiB |"


if __name__ == "__main__":
    sys.exit(main())
