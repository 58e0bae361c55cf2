"""R5, its second half: rows fed through Spark to a worker, by ours / by TensorFlowOnSpark 2.2.5.

Command (about 12 minutes on 2 cores)::

    python bench/r05_feeding.py

The same program, rows of 784 numbers and a label, one executor, four partitions; the program takes them in batches of
100 and does nothing else. Counted is one call of ``cluster.train`` in a running cluster whose Spark is warm. CPU
seconds are those of the driver and of all processes below it, Java included.
"""

import sys

import side_by_side


def main() -> int:
    """Compare, and print the row."""
    return side_by_side.main_of_two_ways(
        __doc__,
        "R5 rows fed through Spark / TensorFlowOnSpark 2.2.5",
        "> 1",
        program="fed.py",
        ways=("ours", "stock"),
        count=("rows", 20_000),
        unit="rows/s",
    )


if __name__ == "__main__":
    sys.exit(main())
