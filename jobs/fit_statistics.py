"""Fit the statistics of a dataset's pixels on Spark executors: ``fit_statistics.py --dataset_dir URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("statistics", argv)


if __name__ == "__main__":
    sys.exit(main())
