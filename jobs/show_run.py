"""Serve TensorBoard on a run's folder, on HDFS or anywhere else: what ``make tensorboard LOGDIR=...`` calls."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("tensorboard", argv)


if __name__ == "__main__":
    sys.exit(main())
