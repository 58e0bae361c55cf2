"""R17: the whole scoring job, start to published: wall and CPU seconds, and peak memory of a Python worker.

Command, about 10 minutes on 2 cores with nothing else to do::

    python bench/r17_scoring.py --baseline CHECKOUT

``CHECKOUT`` is a checkout of an earlier commit with its own ``.venv`` (``make setup`` there); R17's is b04bd4b. Without
one the job is run by each engine, and what it took is printed to standard error. 4,000 drawn pictures of 75 px
(``--count``, ``--size``), Inception v3 of random weights, as each build runs it where nothing is asked for; with
``--precision`` ours is asked for that one, and measures that it agrees. Memory and CPU seconds are read from the
processes while they run. Time to the first row is that of a night of one, ``--count 1``.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import scoring_inputs
import side_by_side
import watched
from side_by_side import Sample
from watched import Cost


def main() -> int:
    """Run, compare where there is something to compare with, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--baseline", type=pathlib.Path, help="checkout to compare with")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--net", default="inception_v3")
    parser.add_argument("--size", type=int, default=75)
    parser.add_argument("--precision", choices=("fp32", "bf16", "int8"), default="fp32", help="of ours")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model = scoring_inputs.model(pathlib.Path(work), flags.net, flags.size)
        pictures = scoring_inputs.pictures(pathlib.Path(work, "pictures"), flags.count, flags.size)
        words = [f"--input={pictures}", f"--model_dir={model}", "--top_k=2"]
        if flags.baseline is None:
            for engine in ("tf", "openvino"):
                cost = run(scoring_inputs.ROOT, [*words, f"--engine={engine}"], pathlib.Path(work, engine))
                print(f"{engine}, {flags.count} pictures of {flags.size} px: {cost}", file=sys.stderr)
            return 0
        peaks: dict[str, list[int]] = {"ours": [], "theirs": []}

        def side(name: str, checkout: pathlib.Path) -> Sample:
            more = [f"--precision={flags.precision}"] if name == "ours" and flags.precision != "fp32" else []
            with tempfile.TemporaryDirectory(dir=work) as out:
                cost = run(checkout, [*words, *more], pathlib.Path(out))
            peaks[name].append(cost.peak_bytes)
            print(f"{name}: {cost}", file=sys.stderr, flush=True)
            return Sample(flags.count, cost.wall_s, cost.cpu_s)

        ours = "ours" if flags.precision == "fp32" else f"ours in {flags.precision}"
        name = f"R17 whole job of {flags.count} pictures at {flags.size} px, {ours} / baseline"
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
    """Run the job of a checkout to its end."""
    command = [str(checkout / ".venv/bin/python"), str(checkout / "jobs/batch_inference.py"), *words]
    command += [f"--output_dir={out}", "--date=2026-01-01"]
    return watched.run(command, checkout, {**os.environ, "PYTHONPATH": str(checkout)})


if __name__ == "__main__":
    sys.exit(main())
