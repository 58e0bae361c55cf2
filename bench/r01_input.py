"""R1: a worker's input / a bare tf.data input written by hand for the same shards, and / TF-Slim's own input.

Command (about 10 minutes on 2 cores; DIR is ``research/slim`` of a checkout of tensorflow/models, or SLIM in the
environment; without it TF-Slim's row is left out)::

    python bench/r01_input.py --photographs /data/imagenet [--slim DIR]

All read the same local shards, distort as TF-Slim's Inception preprocessing does, for 299 px, and give batches of 32,
in a new process each time. First the bits of ours and of the bare input are compared. The first row counts an epoch in
which every record is fetched and checked; the second counts four, of which three read what is on this machine's disk.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import photographs
import side_by_side

SIDE = str(pathlib.Path(__file__).with_name("r01_side.py"))


def main() -> int:
    """Compare, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs.add_flag(parser)
    parser.add_argument("--slim", default=os.environ.get("SLIM"), help="research/slim of tensorflow/models")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        data, about = photographs.shards(flags.photographs, pathlib.Path(work))

        def side(how: str, epochs: int) -> side_by_side.Sample:
            words = [SIDE, f"--how={how}", f"--dataset_dir={data}", f"--epochs={epochs}"]
            return side_by_side.run([*words, f"--slim={flags.slim}"], {})

        same = [SIDE, "--how=same", f"--dataset_dir={data}"]
        if subprocess.run([sys.executable, *same], check=False).returncode:
            return 1
        cases = [
            ("R1 worker input / bare tf.data, first epoch", ">= 0.97", "bare", 1),
            ("R1 worker input / bare tf.data, four epochs", ">= 0.97", "bare", 4),
        ]
        if flags.slim:
            cases.append(("R1 worker input / TF-Slim's input", ">= 1.25", "slim", 1))
        for name, goal, other, epochs in cases:
            ratio = side_by_side.compare(
                name,
                goal,
                lambda epochs=epochs: side("ours", epochs),
                lambda other=other, epochs=epochs: side(other, epochs),
                unit="images/s",
                rounds=flags.rounds,
            )
            print(ratio.row(), flush=True)
    print(f"data: {about}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
