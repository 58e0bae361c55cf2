"""Losses of style transfer beside those of anishathalye/neural-style, step by step.

Command (a minute or two on 2 cores; DIR is a checkout of https://github.com/anishathalye/neural-style)::

    python bench/fidelity_neural_style.py --reference DIR [--network FILE.mat] [--size 96] [--steps 20]

Both sides read the same ``.mat``, of random weights unless one is given, and the same drawn pictures, begin with the
content as it is, and tell every part of the loss after each step of Adam, ours with ``--convolutions direct``; the
reference's side is its ``stylize`` function in a process of its own. Expected: no part differs by more than 1e-4 of
itself at any step, and the exit code is 0. Two cases: the defaults, and two styles with average pooling, relu5_2 and
unequal layers.

The reference gives the same numbers whenever it is run, and so must every operation here be the same and in the same
order: the first step's gradients differ in no bit. A difference in the last bits of one gradient, as another order
of a sum makes it, is 3e-4 of the loss after five steps, since Adam divides by the gradient's size.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PARTS = ("content", "style", "tv", "total")
MOST = 1e-4


@dataclasses.dataclass(frozen=True)
class Case:
    """What differs from the defaults."""

    styles: int = 1
    content_blend: float = 1.0
    layer_exp: float = 1.0
    blend: tuple[float, ...] = (1.0,)
    pooling: str = "max"


CASES = {
    "defaults": Case(),
    "blended": Case(styles=2, content_blend=0.25, layer_exp=1.5, blend=(0.25, 0.75), pooling="avg"),
}


def main() -> int:
    """Run both sides of each case and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=pathlib.Path, required=True, help="checkout of neural-style")
    parser.add_argument("--network", type=pathlib.Path, help="VGG-19 as MatConvNet's .mat; not set: random weights")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--case", choices=CASES, help="only this one")
    parser.add_argument("--side", choices=("reference", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.side:
        found = (reference if flags.side == "reference" else ours)(flags, CASES[flags.case])
        (flags.work / f"{flags.side}.json").write_text(json.dumps(found))
        return 0
    worst = 0.0
    with tempfile.TemporaryDirectory() as work:
        prepare(flags, pathlib.Path(work))
        for name in [flags.case] if flags.case else CASES:
            sides = [side(flags, name, which, pathlib.Path(work)) for which in ("reference", "ours")]
            worst = max(worst, compare(name, *sides))
    print(f"greatest difference of any part at any step: {worst:.1e}, allowed: {MOST:.0e}")
    return int(not worst <= MOST)


def prepare(flags: argparse.Namespace, work: pathlib.Path) -> None:
    """Write the pictures, smooth ones of random colours, and the network if none is given."""
    from sparkcv.style.vgg19_weights import WIDTHS
    from tests.style.vgg19_files import random_weights, write_mat

    if flags.network is None:
        flags.network = pathlib.Path(write_mat(work / "vgg19.mat", random_weights(WIDTHS)))
    for seed, name in enumerate(("content", "style0", "style1")):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        size = (flags.size, flags.size)
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(work / f"{name}.png")


def side(flags: argparse.Namespace, case: str, which: str, work: pathlib.Path) -> list[dict[str, float]]:
    """Return the losses after each step, of one side in a process of its own."""
    words = [f"--{name}={getattr(flags, name)}" for name in ("reference", "network", "size", "steps")]
    command = [sys.executable, __file__, *words, f"--case={case}", f"--side={which}", f"--work={work}"]
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{which} failed: {done.stderr[-2000:]}")
    found: list[dict[str, float]] = json.loads((work / f"{which}.json").read_text())
    return found


def compare(name: str, theirs: list[dict[str, float]], mine: list[dict[str, float]]) -> float:
    """Print the differences of some steps and return the greatest of all, relative to the reference's."""
    if len(theirs) != len(mine):
        raise SystemExit(f"{name}: {len(theirs)} steps of the reference, {len(mine)} of ours")
    worst = 0.0
    for step, (wanted, got) in enumerate(zip(theirs, mine, strict=True), 1):
        differences = {part: abs(got[part] - wanted[part]) / max(abs(wanted[part]), 1e-9) for part in PARTS}
        worst = max(worst, *differences.values())
        if step in (1, 2, 5, 10, 15) or step == len(mine):
            said = ", ".join(f"{part} {value:.1e}" for part, value in differences.items())
            print(f"{name}, step {step}, loss {wanted['total']:.6g}: {said}")
    return worst


def reference(flags: argparse.Namespace, case: Case) -> list[dict[str, float]]:
    """Run the reference's function."""
    sys.path.insert(0, str(flags.reference))
    from stylize import stylize  # type: ignore[import-not-found]

    content, *styles = (
        np.asarray(Image.open(flags.work / f"{name}.png")).astype(np.float32)
        for name in ("content", "style0", "style1")[: case.styles + 1]
    )
    steps = stylize(
        network=str(flags.network),
        initial=content,
        initial_noiseblend=0.0,
        content=content,
        styles=styles,
        preserve_colors=False,
        iterations=flags.steps,
        content_weight=5.0,
        content_weight_blend=case.content_blend,
        style_weight=500.0,
        style_layer_weight_exp=case.layer_exp,
        style_blend_weights=list(case.blend),
        tv_weight=100.0,
        learning_rate=10.0,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        pooling=case.pooling,
        print_iterations=1,
    )
    return [{part: float(value) for part, value in losses.items()} for _, _, losses in steps]


def ours(flags: argparse.Namespace, case: Case) -> list[dict[str, float]]:
    """Run ours; its first line is of the picture before any step, which the reference does not return."""
    from sparkcv.style.task import LossWeights, TransferTask
    from sparkcv.style.transfer import transfer

    layers = np.array([case.layer_exp**index for index in range(5)])
    task = TransferTask(
        content=str(flags.work / "content.png"),
        styles=tuple(str(flags.work / f"style{index}.png") for index in range(case.styles)),
        style_scales=(1.0,) * case.styles,
        output=str(flags.work / "made.png"),
        network=str(flags.network),
        noise_blend=0.0,
        iterations=flags.steps,
        pooling=case.pooling,
        convolutions="direct",
        weights=LossWeights(
            content_blend=case.content_blend, style_layers=tuple((layers / layers.sum()).tolist()), blend=case.blend
        ),
        metrics=str(flags.work / "metrics.jsonl"),
    )
    transfer(task)
    lines: list[dict[str, Any]] = [json.loads(line) for line in (flags.work / "metrics.jsonl").read_text().splitlines()]
    return [{part: line[part] for part in PARTS} for line in lines[1:]]


if __name__ == "__main__":
    sys.exit(main())
