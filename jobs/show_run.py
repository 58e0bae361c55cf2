"""Serve TensorBoard on a run's folder, on HDFS or anywhere else: what ``make tensorboard LOGDIR=...`` calls."""

import sys
from collections.abc import Sequence

from sparkcv.config import TensorBoardConfig
from sparkcv.driver import tensorboard
from sparkcv.driver.job import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(TensorBoardConfig, "show_run.py", tensorboard.serve, argv)


if __name__ == "__main__":
    sys.exit(main())
