"""R9: how even the bytes on 2 to 8 ps are, and how many fewer bytes travel as bfloat16. Goals: <= 1.01, and 0.5.

Command (about 12 minutes on 2 cores, most of it building nets)::

    python bench/r09_ps_balance.py

Every net is built at its own picture size for 1,001 classes, with RMSProp's two slots, and placed on 2 to 8 ps. The
second row counts the bytes of real processes, a ps and a worker that train Inception v3 at 75 pixels, by proxies
between them; the third compares how well equal trainings end that way, real processes again: LeNet on drawn shapes, the
mean loss of the last tenth of the steps.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

import ps_traffic
from by_hand import ByHand
from hosted import params

from sparkcv import nets
from sparkcv.config import TrainConfig
from sparkcv.train import placement, step

NUM_PS = range(2, 9)
ACCURACY_STEPS = 200


def worst(name: str) -> tuple[float, int, int]:
    """Return the least even placement of a net: largest over mean load, on how many ps, and how many variables cut."""
    sizes = step.variable_sizes(TrainConfig(model_name=name), 1001 if name not in ("lenet", "cifarnet") else 10)
    placed = {num_ps: placement.plan(sizes, num_ps) for num_ps in NUM_PS}
    num_ps = max(placed, key=lambda count: placement.imbalance(placed[count].loads))
    return placement.imbalance(placed[num_ps].loads), num_ps, len(placed[8].parts)


def balance(names: list[str]) -> str:
    """Place all nets; say each, and return the row."""
    found = {}
    for name in names:
        found[name] = worst(name)
        ratio, num_ps, num_cut = found[name]
        print(
            f"R9 {name}: {ratio:.4f} at worst, with {num_ps} ps; with 8 {num_cut} are cut", file=sys.stderr, flush=True
        )
    ratios = sorted(each[0] for each in found.values())
    above = {name: f"{each[0]:.3f}" for name, each in found.items() if each[0] > placement.TOLERANCE}
    spread = f"{statistics.median(ratios):.4f} ({ratios[0]:.4f} to {ratios[-1]:.4f})"
    what = f"above it: {', '.join(f'{name} {ratio}' for name, ratio in above.items())}" if above else "all nets"
    return f"| R9 bytes on the fullest ps / mean, 2 to 8 ps, {len(found)} nets | <= 1.01 | {spread} | - | {what} |"


def wire() -> str:
    """Return the row of the bytes."""
    flags = {"model_name": "inception_v3", "train_image_size": 75, "batch_size": 8, "num_intra_op_threads": 2}
    full, half = (ps_traffic.measure(2, 6, **flags, wire_dtype=dtype) for dtype in ("float32", "bfloat16"))
    print(f"R9 float32 {full}, bfloat16 {half}", file=sys.stderr)
    ratio = half.step_bytes / full.step_bytes
    sizes = f"{half.step_bytes / 1e6:.1f} / {full.step_bytes / 1e6:.1f} MB a step"
    return f"| R9 bytes between worker and ps, bfloat16 / float32 | 0.5 | {ratio:.4f} | - | {sizes} |"


def last_loss(seed: int, dtype: str) -> float:
    """Train LeNet by real processes, and return its mean loss over the last tenth of the steps."""
    with tempfile.TemporaryDirectory() as name:
        flags = {"model_name": "lenet", "train_image_size": 28, "log_every_n_steps": 1, "learning_rate": 0.005}
        folder = pathlib.Path(name)
        told = params(folder, **flags, seed=seed, wire_dtype=dtype, max_number_of_steps=ACCURACY_STEPS)
        with ByHand(told, folder) as roles:
            while "result" not in roles.said.get(timeout=600)[1]:
                pass
        rows = [json.loads(line)["loss"] for line in (folder / "train" / "metrics.jsonl").read_text().splitlines()]
        return statistics.fmean(rows[-ACCURACY_STEPS // 10 :])


def accuracy(num_seeds: int) -> str:
    """Return the row of the losses."""
    pairs = [(last_loss(seed, "bfloat16"), last_loss(seed, "float32")) for seed in range(num_seeds)]
    print(f"R9 losses, bfloat16 and float32: {pairs}", file=sys.stderr)
    halves, fulls = zip(*pairs, strict=True)
    gap = statistics.fmean(halves) - statistics.fmean(fulls)
    noise = statistics.stdev(fulls)
    means = f"{statistics.fmean(halves):.4f} / {statistics.fmean(fulls):.4f}"
    what, goal = f"R9 loss after {ACCURACY_STEPS} steps, bfloat16 less float32", f"within {noise:.4f}, 1 sd of seeds"
    return f"| {what} | {goal} | {gap:+.4f} | - | {means} |"


def main() -> int:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--rounds", type=int, default=4, help="seeds of the third row")
    parser.add_argument("--nets", default="", help="only these, comma-separated; none: all")
    flags = parser.parse_args()
    print(wire(), flush=True)
    print(accuracy(flags.rounds), flush=True)
    print(balance(flags.nets.split(",") if flags.nets else nets.names()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
