"""R6: scoring in steady state, JPEG to Parquet, ours / a bare loop round the same engine in one process.

Command, about 10 minutes on 2 cores with nothing else to do::

    python bench/r06_scoring.py

The net is Inception v3 of random weights for pictures of 75 px, both sides run it with OpenVINO in float32
(``--engine``); what starting and loading take is left out of both. The job has two tasks; ``--executors 1`` gives
the ratio with one process.
"""

import argparse
import pathlib
import sys
import tempfile

import scoring_inputs
import side_by_side

SIDE = str(pathlib.Path(__file__).with_name("r06_side.py"))


def main() -> int:
    """Compare, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--net", default="inception_v3")
    parser.add_argument("--size", type=int, default=75)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--executors", type=int, default=0, help="of one task each; 0: the job's own two tasks")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model = scoring_inputs.model(pathlib.Path(work), flags.net, flags.size)
        few = scoring_inputs.pictures(pathlib.Path(work, "few"), 1000, flags.size)
        many = scoring_inputs.pictures(pathlib.Path(work, "many"), flags.count, flags.size)
        words = [SIDE, f"--model_dir={model}", f"--few={few}", f"--many={many}", f"--engine={flags.engine}"]
        words.append(f"--executors={flags.executors}")

        def side(how: str) -> side_by_side.Sample:
            return side_by_side.run([*words, f"--how={how}"], {})

        name = f"R6 scoring at {flags.size} px, job of {flags.executors or 2} tasks / bare loop, {flags.engine}"
        ratio = side_by_side.compare(
            name,
            ">= 0.97 a CPU-second",
            lambda: side("job"),
            lambda: side("loop"),
            unit="images/s",
            rounds=flags.rounds,
        )
    print(ratio.row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
