"""Evaluate captions on a split of pictures with captions: ``evaluate_captions.py --checkpoint_path URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("evaluatecaptions", argv)


if __name__ == "__main__":
    sys.exit(main())
