"""Evaluate a checkpoint on Spark executors: ``eval_image_classifier.py --checkpoint_path URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("evaluate", argv)


if __name__ == "__main__":
    sys.exit(main())
