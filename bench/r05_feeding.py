"""R5, its second half: rows fed through Spark to a worker, by ours / by TensorFlowOnSpark 2.2.5.

Command (about 12 minutes on 2 cores)::

    python bench/r05_feeding.py

The same program, rows of 784 numbers and a label, one executor, four partitions; the program takes them in batches of
100 and does nothing else. Counted is one call of ``cluster.train`` in a running cluster whose Spark is warm. CPU
seconds are those of the driver and of all processes below it, Java included.
"""

import argparse
import pathlib
import sys

import side_by_side

FED = str(pathlib.Path(__file__).with_name("fed.py"))


def main() -> int:
    """Compare, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the rows are made")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--rows", type=int, default=20_000)
    flags = parser.parse_args()

    def side(how: str) -> side_by_side.Sample:
        return side_by_side.run([FED, f"--how={how}", f"--rows={flags.rows}"], {})

    ratio = side_by_side.compare(
        "R5 rows fed through Spark / TensorFlowOnSpark 2.2.5",
        "> 1",
        lambda: side("ours"),
        lambda: side("stock"),
        unit="rows/s",
        rounds=flags.rounds,
    )
    print(ratio.row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
