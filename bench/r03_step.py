"""R3: training steps with real input / with one batch that is always the same. Goal: at least 0.98.

Command (about 10 minutes on 2 cores)::

    python bench/r03_step.py --photographs /data/imagenet

Inception v3 at 299 px, ten steps of 8 in a new process each time. On a worker without a GPU the input takes CPU time
from the step's own cores, so the ratio per CPU-second tells what the input costs, and the rate ratio whether the step
ever waits for it.
"""

import argparse
import pathlib
import sys
import tempfile

import photographs
import side_by_side

from sparkcv.nets import onednn

SIDE = str(pathlib.Path(__file__).with_name("r03_side.py"))


def main() -> int:
    """Compare, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--steps", type=int, default=10)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        data, about = photographs.shards(flags.photographs, pathlib.Path(work))

        def side(how: str) -> side_by_side.Sample:
            words = [f"--how={how}", f"--dataset_dir={data}", f"--steps={flags.steps}"]
            return side_by_side.run([SIDE, *words], onednn.ENVIRONMENT)  # as roles have it

        name = "R3 step with real input / with synthetic input"
        real, synthetic = (lambda: side("real")), (lambda: side("synthetic"))
        ratio = side_by_side.compare(name, ">= 0.98", real, synthetic, unit="images/s", rounds=flags.rounds)
    print(f"data: {about}", file=sys.stderr)
    print(ratio.row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
