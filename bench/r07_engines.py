"""R7: images per CPU-second of an engine and precision / TensorFlow in float32, as every peer serves the SavedModel.

Command, about 5 minutes on 2 cores::

    python bench/r07_engines.py

Inception v3 of random weights, drawn pictures of 75 px (``--size``), one thread; pixels in, probabilities out. A net of
less than float32 was measured to agree before it is timed.
"""

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import scoring_inputs
import side_by_side
from side_by_side import Sample, Watch

_SIDES = (("tf", "bf16"), ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"))
_BATCH = 32


def main() -> int:
    """Compare each, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--net", default="inception_v3")
    parser.add_argument("--size", type=int, default=75)
    parser.add_argument("--batches", type=int, default=16)
    flags = parser.parse_args()
    from sparkcv.predict import NetSpec, Predictor, measure

    with tempfile.TemporaryDirectory() as work:
        model = scoring_inputs.model(pathlib.Path(work), flags.net, flags.size)
        files = sorted(pathlib.Path(scoring_inputs.pictures(pathlib.Path(work, "p"), 128, flags.size)).iterdir())
        pictures = [path.read_bytes() for path in files]
        with Predictor(model, "openvino") as predictor:
            images = np.stack(predictor.decode(pictures[:_BATCH]))
        plain = Predictor(model, "tf", num_threads=1)
        theirs = timed(plain.score, images, flags.batches)
        for engine, precision in _SIDES:
            net, folder = NetSpec(engine, precision), f"{work}/{engine}-{precision}"
            if precision != "fp32":
                print(measure(model, folder, net, pictures), file=sys.stderr)
                net = NetSpec(engine, precision, proof_url=folder)
            with Predictor(model, net, num_threads=1) as predictor:
                ours = timed(predictor.score, images, flags.batches)
                name = f"R7 {engine} in {precision} at {flags.size} px / TensorFlow in fp32"
                ratio = side_by_side.compare(name, ">= 1.7, >= 4", ours, theirs, unit="images/s", rounds=flags.rounds)
            print(ratio.row(), flush=True)
        plain.close()
    return 0


def timed(score: Callable[[Any], Any], images: Any, batches: int) -> Callable[[], Sample]:
    """Return a side: ``batches`` batches, after one that does not count."""

    def side() -> Sample:
        score(images)
        with Watch() as watch:
            for _ in range(batches):
                score(images)
        return Sample(batches * len(images), watch.wall_s, watch.cpu_s)

    return side


if __name__ == "__main__":
    sys.exit(main())
