"""R14: style transfer beside anishathalye/neural-style: seconds an iteration, CPU and wall, and peak memory.

Command (some minutes on 2 cores; DIR is a checkout of https://github.com/anishathalye/neural-style)::

    python bench/r14_style.py --reference DIR [--network FILE.mat]

Each side works in a process of its own, the reference and ours by turns: at 256 px for the time of an iteration, the
median of ``--iterations`` (8) but the first, in ``--rounds`` (3); at 512 px for the peak of its resident memory, over
three iterations. Pictures are drawn, weights random unless a ``.mat`` is given. The reference's iteration is its
``stylize`` as it is by default, which knows no loss but the last; ours tells and keeps the loss of every iteration.
``tuned`` is the reference again, with oneDNN asked for, which TensorFlow takes unasked only where a CPU has AVX-512
VNNI or AMX. Without ``--reference`` only ours runs, and what it took is printed to standard error.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sparkcv.nets import onednn  # noqa: E402 - the path comes first

TIMED_PX, HELD_PX = 256, 512
Stamp = tuple[float, float]


def main() -> int:
    """Run the sides by turns and print a row of each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--reference", type=pathlib.Path, help="checkout of neural-style")
    parser.add_argument("--network", type=pathlib.Path, help="VGG-19 as MatConvNet's .mat; not set: random weights")
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("reference", "tuned", "winograd", "direct"), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.side:
        stamps = reference(flags) if flags.side in ("reference", "tuned") else ours(flags)
        wall_s, cpu_s = (statistics.median(np.diff(column)[1:]) for column in zip(*stamps, strict=True))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb}))
        return 0
    with tempfile.TemporaryDirectory() as work:
        if flags.network is None:
            flags.network = random_network(pathlib.Path(work, "vgg19.mat"))
        sides = [*([] if flags.reference is None else ["reference", "tuned"]), "winograd", "direct"]
        timed = [{which: side(flags, which, TIMED_PX) for which in sides} for _ in range(flags.rounds)]
        held = {which: side(flags, which, HELD_PX) for which in sides}
    if flags.reference is not None:
        report(timed, held)
    return 0


def report(timed: list[dict[str, dict[str, float]]], held: dict[str, dict[str, float]]) -> None:
    """Print the table's rows: each figure of ours over the reference's of the same round."""
    for which, other in (("winograd", "reference"), ("winograd", "tuned"), ("direct", "reference")):
        wall, cpu = (ratios(timed, which, other, name) for name in ("wall_s", "cpu_s"))
        mine, theirs = (statistics.median(found[one]["cpu_s"] for found in timed) for one in (which, other))
        peer = "neural-style" if other == "reference" else "neural-style with oneDNN"
        name = f"R14 an iteration at {TIMED_PX} px, {which} / {peer}"
        print(f"| {name} | CPU <= 0.6 | {wall} | {cpu} | {mine:.2f} / {theirs:.2f} CPU-s |")
        mine, theirs = (held[one]["peak_mb"] for one in (which, other))
        name = f"R14 peak memory at {HELD_PX} px, {which} / {peer}"
        print(f"| {name} | <= 0.5 | {mine / theirs:.3f} | - | {mine:.0f} / {theirs:.0f} MB |")


def ratios(timed: list[dict[str, dict[str, float]]], which: str, other: str, name: str) -> str:
    """Return the median, least and greatest ratio of the rounds."""
    found = [sides[which][name] / sides[other][name] for sides in timed]
    return f"{statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def random_network(path: pathlib.Path) -> pathlib.Path:
    """Write a VGG-19 of random weights."""
    from sparkcv.style.vgg19_weights import WIDTHS
    from tests.style.vgg19_files import random_weights, write_mat

    return pathlib.Path(write_mat(path, random_weights(WIDTHS)))


def side(flags: argparse.Namespace, which: str, size: int) -> dict[str, float]:
    """Run one side in a process of its own and return its figures."""
    iterations = flags.iterations if size == TIMED_PX else 3
    words = [f"--side={which}", f"--size={size}", f"--iterations={iterations}", f"--network={flags.network}"]
    if flags.reference is not None:
        words.append(f"--reference={flags.reference}")
    kernels = onednn.ENVIRONMENT if which in ("tuned", "winograd") else {}  # as the job has it
    env = {**kernels, **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, __file__, *words], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{which} failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    said = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    print(f"{which} at {size} px: {said}", file=sys.stderr, flush=True)
    return found


def picture(seed: int, size: int) -> Any:
    """Return a smooth picture, float32 ``[size, size, 3]``."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)).astype(np.float32)


def stamp() -> Stamp:
    """Return the wall's and the process's seconds."""
    return time.perf_counter(), time.process_time()


def reference(flags: argparse.Namespace) -> list[Stamp]:
    """Return the stamps after each iteration of the reference but the last, which computes losses as well."""
    sys.path.insert(0, str(flags.reference))
    from stylize import stylize  # type: ignore[import-not-found]

    content, style = picture(1, flags.size), picture(2, flags.size)
    weights = (5.0, 1.0, 500.0, 1.0, [1.0], 100.0)
    adam = (10.0, 0.9, 0.999, 1e-8)
    steps = stylize(
        str(flags.network), content, 0.0, content, [style], False, flags.iterations + 1, *weights, *adam, "max"
    )
    return [stamp() for _ in steps][:-1]


def ours(flags: argparse.Namespace) -> list[Stamp]:
    """Return the stamps after each evaluation of ours: loss, gradient and what Adam does between two."""
    from sparkcv.style import colors, objective, optimizers, vgg19
    from sparkcv.style.task import LossWeights, OptimizerSpec

    weights = vgg19.load(str(flags.network))
    net, spec = objective.FeatureNet(weights, convolutions=flags.side), LossWeights()
    content, style = (colors.less(picture(seed, flags.size), weights.mean_pixel) for seed in (1, 2))
    del weights
    grams = {layer: gram[None] for layer, gram in objective.style_grams(net, style).items()}
    targets = objective.Targets(grams, objective.content_values(net, content, spec.content_layers()))
    loss, stamps = objective.Objective(net, targets, spec), []

    def evaluate(image: Any) -> tuple[float, Any]:
        parts, gradient = loss(image)
        return parts.total, gradient

    optimizers.minimize(OptimizerSpec(), evaluate, content, flags.iterations, lambda: stamps.append(stamp()))
    return stamps


if __name__ == "__main__":
    sys.exit(main())
