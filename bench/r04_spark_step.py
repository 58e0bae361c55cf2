"""R4: steps of a ps and a worker hosted by Spark / of the same program started by hand. Goal: 0.98 to 1.02.

Command (about 10 minutes on 2 cores)::

    python bench/r04_spark_step.py

Cifarnet at 32 px, batches of 32, one TensorFlow thread in each of the two processes; 200 steps in new processes each
time, of which the first and all start-up is not counted. CPU seconds are those of all processes of a side, with Spark's
Java, the agents and the driver on the one, and with the two that TensorFlow needs on the other, from a tenth of the
steps on. What hosting takes is some hundredths of a core for each second, not for each step: on a machine that is busy
with other things a step takes longer, and more of that falls to it.
"""

import sys

import side_by_side


def main() -> int:
    """Compare, and print the row."""
    return side_by_side.main_of_two_ways(
        __doc__,
        "R4 Spark-hosted ps + worker / the same program by hand",
        "0.98 to 1.02",
        program="hosted.py",
        ways=("spark", "hand"),
        count=("steps", 200),
        unit="steps/s",
    )


if __name__ == "__main__":
    sys.exit(main())
